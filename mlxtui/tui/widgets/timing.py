"""Where one request's time went: a bar of queue, prefill and decode, and the same in words with their speeds."""

from __future__ import annotations

from mlxtui.row import Row
from mlxtui.tui.figures import count, duration, percent, rate
from mlxtui.tui.text import Line, Tone, cells, joined

GAP = "   "
PHASES: tuple[tuple[str, str, Tone], ...] = (
    ("queue", "░", "warn"),
    ("prefill", "▒", "prefill"),
    ("decode", "█", "decode"),
)


def timing(row: Row, now: float, width: int) -> list[Line]:
    spent = row.phases(now)
    return [_bar(spent, width), _words(row, spent, now, width)]


def _bar(spent: tuple[float, float, float], width: int) -> Line:
    """Cells in proportion; a phase that took any time has at least one."""
    total = sum(spent)
    if not total or width < len(PHASES):
        return ()
    lengths = [max(1, round(seconds / total * width)) if seconds else 0 for seconds in spent]
    lengths[lengths.index(max(lengths))] -= sum(lengths) - width
    return tuple((glyph * length, tone) for (_, glyph, tone), length in zip(PHASES, lengths, strict=True))


def _words(row: Row, spent: tuple[float, float, float], now: float, width: int) -> Line:
    """The phases, with their speeds where there is room for them; then what else fits."""
    bare: list[Line] = [
        ((f"{glyph} {name} ", tone), (duration(seconds or None), ""))
        for (name, glyph, tone), seconds in zip(PHASES, spent, strict=True)
    ]
    full = [bare[0], (*bare[1], *_prefill(row)), (*bare[2], *_decode(row.rate(now)))]
    fits = sum(map(cells, full)) + 2 * len(GAP) <= width
    first, *others = full if fits else bare
    phases = tuple(piece for part in (first, *((((GAP, ""), *other)) for other in others)) for piece in part)
    total = row.total if row.state == "done" else sum(spent)
    more: list[Line] = [(("TTFT ", "dim"), (duration(row.ttft), "")), (("total ", "dim"), (duration(total), ""))]
    return joined([phases, *more], GAP, width)


def _decode(speed: float | None) -> Line:
    return ((f" {rate(speed)} tok/s", "dim"),) if speed is not None else ()


def _prefill(row: Row) -> Line:
    """How far it is, while it goes on; then how many tokens it had to compute."""
    if row.state == "prefill" and row.prefill_total:
        return ((f" {percent(row.prefill_done / row.prefill_total)}", ""), (f" of {count(row.prefill_total)}", "dim"))
    computed = (row.prompt_tokens or 0) - row.cached_tokens
    return (
        ((f" {count(computed)} token{'s' if computed != 1 else ''}", "dim"),)
        if row.decode_started is not None and computed > 0
        else ()
    )
