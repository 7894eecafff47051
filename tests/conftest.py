"""No test writes into the state directory of whoever runs it, and what it starts runs as at a user's."""

from __future__ import annotations

import os
import signal
import tempfile

_STATE = tempfile.TemporaryDirectory(prefix="mlxtui-tests-")
os.environ["XDG_STATE_HOME"] = _STATE.name
os.environ.pop("PYTHONUNBUFFERED", None)
"""Users have no such variable: with it what a test starts would write otherwise than at their place."""

signal.signal(signal.SIGINT, signal.default_int_handler)
"""A script's background job begins with it ignored, and so would every program that a test starts."""
