"""Finding markers in a stream of text: what is surely not part of one goes out, what could be is held back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Cut(NamedTuple):
    """`before` is free of markers; `marker` is the one found, None when none is complete; `rest` is still unread."""

    before: str
    marker: str | None
    rest: str


def cut(text: str, markers: Sequence[str], *, final: bool = False) -> Cut:
    """Cut `text` at the earliest marker.

    Without one, `rest` is the longest end of `text` that could still grow into a marker; nothing when `final`.
    """
    if not markers:
        return Cut(text, None, "")
    held = 0 if final else held_back(text, markers)
    at, marker = min(((at, m) for m in markers if (at := text.find(m)) >= 0), default=(len(text), None))
    if marker is not None and at <= len(text) - held:
        return Cut(text[:at], marker, text[at + len(marker) :])
    return Cut(text[: len(text) - held], None, text[len(text) - held :])


def held_back(text: str, markers: Sequence[str]) -> int:
    """How many characters at the end of `text` could be the beginning of a marker."""
    longest = max((len(m) for m in markers), default=1) - 1
    firsts = {m[0] for m in markers}
    for size in range(min(longest, len(text)), 0, -1):
        if text[-size] in firsts and any(len(m) > size and m.startswith(text[-size:]) for m in markers):
            return size
    return 0
