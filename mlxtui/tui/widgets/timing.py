"""Where one request's time went: a bar of queue, prefill and decode, and the same in words."""

from __future__ import annotations

from mlxtui.row import Row
from mlxtui.tui.figures import duration
from mlxtui.tui.text import Line, Tone

PHASES: tuple[tuple[str, str, Tone], ...] = (
    ("queue", "░", "warn"),
    ("prefill", "▒", "prefill"),
    ("decode", "█", "decode"),
)


def timing(row: Row, now: float, width: int) -> list[Line]:
    spent = row.phases(now)
    return [_bar(spent, width), _words(spent)]


def _bar(spent: tuple[float, float, float], width: int) -> Line:
    """Cells in proportion; a phase that took any time has at least one."""
    total = sum(spent)
    if not total or width < len(PHASES):
        return ()
    lengths = [max(1, round(seconds / total * width)) if seconds else 0 for seconds in spent]
    lengths[lengths.index(max(lengths))] -= sum(lengths) - width
    return tuple((glyph * length, tone) for (_, glyph, tone), length in zip(PHASES, lengths, strict=True))


def _words(spent: tuple[float, float, float]) -> Line:
    parts = zip(PHASES, spent, strict=True)
    return tuple(piece for phase, seconds in parts for piece in _word(phase, seconds))


def _word(phase: tuple[str, str, Tone], seconds: float) -> Line:
    name, glyph, tone = phase
    return ((f"{glyph} {name} ", tone), (f"{duration(seconds or None)}   ", ""))
