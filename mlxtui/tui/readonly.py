"""What a read-only dashboard leaves out. That nothing is changed is the client's care; this hides the keys for it."""

from __future__ import annotations

from textual.dom import DOMNode

CHANGES = frozenset({"cancel", "prioritise", "pin", "drop", "load", "unload", "download", "remove"})
"""Names of actions that change something on the server."""


def offered(node: DOMNode, action: str) -> bool:
    """Whether `action` of a screen is to be had; what a screen's `check_action` says."""
    return action not in CHANGES or not getattr(node.app, "readonly", False)
