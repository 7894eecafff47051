"""How long people wait and how much the cache saves them: TTFT percentiles, hit rate, totals."""

from __future__ import annotations

from textual.geometry import Size

from mlxtui.tui.figures import bar, count, duration, percent, short
from mlxtui.tui.text import Line, Piece, joined
from mlxtui.tui.view import Painted, View


def latency(view: View, area: Size) -> Painted:
    state, totals = view.state, view.state.totals
    median, slow = state.ttft(0.5, 0.95)
    hits = state.hit_rate()
    lines: list[Line] = [
        (("TTFT p50  ", "dim"), (duration(median), "bold")),
        (("TTFT p95  ", "dim"), (duration(slow), "bold")),
        _with(
            (("cached    ", "dim"), (percent(hits), "bold")), (bar(hits or 0, max(0, area.width - 16)), "accent"), area
        ),
        _with((("served    ", "dim"), (count(totals.requests), "")), (_failed(totals.failed), "bad"), area),
        _with(
            (("tokens    ", "dim"), (f"{short(totals.completion_tokens)} out", "")),
            (_in(totals.prompt_tokens), ""),
            area,
        ),
    ]
    return Painted(lines[: area.height], title="wait and cache")


def _failed(failed: int) -> str:
    return f"✗ {count(failed)} failed" if failed else ""


def _in(tokens: int) -> str:
    return f"{short(tokens)} in"


def _with(line: Line, more: Piece, area: Size) -> Line:
    return joined([line, (more,)], "  ", area.width)
