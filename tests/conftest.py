"""No test writes into the state directory of whoever runs it."""

from __future__ import annotations

import os
import tempfile

_STATE = tempfile.TemporaryDirectory(prefix="mlxtui-tests-")
os.environ["XDG_STATE_HOME"] = _STATE.name
