"""Text from strangers (prompts, answers, headers, file names) made safe for a terminal and a log line."""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def safe_text(text: str) -> str:
    """`text` without what could steer a terminal or reorder a line; tabs and newlines stay.

    C0 controls become their visible pictures (ESC is shown as U+241B), other controls U+FFFD.
    """
    return _UNSAFE.sub(_picture, text)


def safe_line(text: str, limit: int = 2000) -> str:
    """`safe_text` on one line of at most `limit` characters: a stranger can't forge a second log line."""
    line = safe_text(text[: limit + 1].replace("\r", "\n")).replace("\n", "⏎").replace("\t", " ")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"
