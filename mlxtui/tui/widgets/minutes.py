"""Five minutes of memory, of the cache's hit rate, and how long the first tokens of that time took."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from textual.geometry import Size

from mlxtui.state import SECONDS_KEPT
from mlxtui.tui.figures import count, duration, percent, size
from mlxtui.tui.plot import SCALE, axis, bars, gathered, nice_bytes, shares, step_for
from mlxtui.tui.text import Line
from mlxtui.tui.view import Painted, View
from mlxtui.tui.widgets.panel import Paint

LINES = 8  # a plot with less, its heading among them, is not worth its place
EDGES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
"""Seconds: upper edges of the bins of the distribution; beyond the last one there is one more."""


def roomy(paint: Paint, *plots: Paint) -> Paint:
    """`paint`, and under it as many of the plots as have LINES lines each: what a zoomed pane shows."""

    def painted(view: View, area: Size) -> Painted:
        first = paint(view, area)
        count = min(len(plots), (area.height - len(first.lines)) // LINES)
        lines = [*first.lines]
        for number, plot in enumerate(plots[:count]):
            room = (area.height - len(lines)) // (count - number) - 2
            shown = plot(view, Size(area.width, room))
            lines += [(), ((shown.title, "head"),), *shown.lines]
        return Painted(lines, first.title)

    return painted


def memory_plot(view: View, area: Size) -> Painted:
    """The peak of each bar's seconds, so that none is missed; the prompt cache is part of it."""
    seconds = view.state.history(view.now)
    step = step_for(SECONDS_KEPT, area.width - SCALE)
    rows = max(1, area.height - 1)
    below = rows // 3 if rows >= 6 else 0
    active = _peaks([second.active_bytes for second in seconds], step, view.now)
    cache = _peaks([second.cache_bytes for second in seconds], step, view.now)
    lines = bars(active, rows - below, nice_bytes(max(active)), "accent", area.width, _bytes)
    lines += bars(cache, below, nice_bytes(max(cache)), "prefill", area.width, _bytes) if below else []
    used, machine = view.state.memory, view.state.server.memory_bytes
    of = f" of {size(machine)}" if machine else ""
    title = f"memory {size(used.active_bytes)}{of} · prompt cache {size(used.cache_bytes)}"
    return Painted([*lines, axis(SECONDS_KEPT, step, area.width)][: area.height], title=title)


def _bytes(value: float) -> str:
    """384M: as short as the scale is narrow."""
    return size(int(value)).replace(" ", "")[:-1]


def _peaks(values: list[int], step: int, now: float) -> list[float]:
    """Like gathered, but the greatest of each bar's seconds."""
    found, at = [], 0
    for length in (int(each) for each in gathered([1] * len(values), step, now)):
        found.append(float(max(values[at : at + length])))
        at += length
    return found or [0.0]


def hits_plot(view: View, area: Size) -> Painted:
    """Of the prompts that began in a bar's seconds, the share that came from the cache; a gap where there were none."""
    seconds = view.state.history(view.now)
    step = step_for(SECONDS_KEPT, area.width - SCALE)
    prompt = gathered([second.prompt for second in seconds], step, view.now)
    cached = gathered([second.cached for second in seconds], step, view.now)
    values = [reused / of if of else None for reused, of in zip(cached, prompt, strict=True)]
    lines = bars(values, max(1, area.height - 1), 1.0, "accent", area.width, percent)
    share = percent(sum(cached) / sum(prompt)) if sum(prompt) else "no prompts"
    title = f"cache hits {share} · {count(round(sum(cached)))} of {count(round(sum(prompt)))} tokens"
    return Painted([*lines, axis(SECONDS_KEPT, step, area.width)][: area.height], title=title)


def first_tokens(view: View, area: Size) -> Painted:
    """How many requests of the last five minutes waited how long for their first token."""
    times = sorted(_waits(view))
    median, slow = (times[min(len(times) - 1, int(q * len(times)))] if times else None for q in (0.5, 0.95))
    title = f"TTFT p50 {duration(median)} · p95 {duration(slow)} · {count(len(times))} requests"
    parts = _bins(times)
    while len(parts) > area.height:
        parts = _merged(parts)
    lines = shares(parts, area.width, "decode") or [_nothing()]
    return Painted(lines[: area.height], title=title)


def _nothing() -> Line:
    return (("no first token in the last five minutes", "dim"),)


def _waits(view: View) -> Iterator[float]:
    since = view.now - SECONDS_KEPT
    for row in (*view.state.requests.values(), *view.state.finished):
        if row.ttft is not None and row.received + row.ttft >= since:
            yield row.ttft


def _bins(times: list[float]) -> list[tuple[str, int]]:
    """From the first bin that has any to the last."""
    edges = (0.0, *EDGES, float("inf"))
    counts = [sum(low < each <= high for each in times) for low, high in pairwise(edges)]
    counts[0] += sum(each <= 0 for each in times)
    names = [f"≤ {_edge(edge)}" for edge in EDGES] + [f"> {_edge(EDGES[-1])}"]
    filled = [index for index, count in enumerate(counts) if count]
    return [*zip(names, counts, strict=True)][filled[0] : filled[-1] + 1] if filled else []


def _edge(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.0f} s"


def _merged(parts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Every two neighbours as one, under the name of the later."""
    pairs = [parts[at : at + 2] for at in range(0, len(parts), 2)]
    return [(pair[-1][0], sum(count for _, count in pair)) for pair in pairs]
