"""Text from a stranger becomes text that a terminal only shows: nothing in it moves, colours or hides anything."""

from __future__ import annotations

# C0 as the pictures Unicode has for them; DEL, C1 and what turns the direction of text as a box.
PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x0A: "⏎", 0x7F: 0x2421}
TURNING = (*range(0x80, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029)
SHOWN = PICTURES | dict.fromkeys((*TURNING, *range(0xD800, 0xE000)), 0xFFFD)


def visible(text: str) -> str:
    """One line without control characters."""
    return text.translate(SHOWN)
