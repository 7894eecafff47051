"""No test writes into the state directory of whoever runs it, and Ctrl-C reaches what it starts."""

from __future__ import annotations

import os
import signal
import tempfile

_STATE = tempfile.TemporaryDirectory(prefix="mlxtui-tests-")
os.environ["XDG_STATE_HOME"] = _STATE.name

signal.signal(signal.SIGINT, signal.default_int_handler)
"""A script's background job begins with it ignored, and so would every program that a test starts."""
