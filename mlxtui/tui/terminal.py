"""Whether there is still a terminal at the other end: closing a window or losing ssh does not always send SIGHUP."""

from __future__ import annotations

import select
import sys


def hung_up() -> bool:
    """True once the terminal on stdin is gone; False where that can't be told."""
    if sys.__stdin__ is None:
        return False
    try:
        poll = select.poll()
        poll.register(sys.__stdin__.fileno(), 0)
        return any(flags & select.POLLHUP for _, flags in poll.poll(0))
    except (OSError, ValueError):
        return False
