"""Tokens per second over the last minute: decode above, prefill below, on a fixed axis of 60 seconds."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Size

from mlxtui.state import SECONDS_KEPT
from mlxtui.tui.figures import short
from mlxtui.tui.text import Line, Tone
from mlxtui.tui.view import Painted, View

EIGHTHS = " ▁▂▃▄▅▆▇█"
SCALE = 6  # cells at the right for the scale


def throughput(view: View, area: Size) -> Painted:
    history = view.state.history(view.now)
    decode_now, prefill_now = view.state.rates(view.now)
    seconds = next((each for each in (1, 2, 3, 4, 6) if SECONDS_KEPT // each <= area.width - SCALE), 10)
    decode = gathered([d for d, _ in history], seconds, view.now)
    prefill = gathered([p for _, p in history], seconds, view.now)
    below = 1 if area.height < 5 else 2
    lines = _plot(decode, area.height - below, "decode", area.width) + _plot(prefill, below, "prefill", area.width)
    span = f", {SECONDS_KEPT} s" if area.width >= 40 else ""
    return Painted(lines, title=f"decode {short(decode_now)} · prefill {short(prefill_now)} tok/s{span}")


def gathered(values: Sequence[int], seconds: int, now: float) -> list[float]:
    """Means over `seconds`. The bins stand still on the clock, so that bars move but never flicker."""
    begun = int(now) % seconds
    whole = len(values) // seconds - bool(begun)
    ended = len(values) - begun
    bins = [values[at : at + seconds] for at in range(ended - whole * seconds, ended, seconds)]
    return [sum(each) / len(each) for each in (*bins, values[ended:]) if each]


def _plot(values: Sequence[float], rows: int, tone: Tone, width: int) -> list[Line]:
    top = nice(max(values, default=0))
    lines: list[Line] = []
    for row in reversed(range(rows)):
        bars = "".join(_cell(value / top * rows - row if top else 0, value > 0 and row == 0) for value in values)
        scale = short(top) if top and row == rows - 1 else ""
        lines.append(((bars.rjust(width - SCALE), tone), (scale.rjust(SCALE), "dim")))
    return lines


def _cell(height: float, at_least: bool) -> str:
    """One cell of a bar that is `height` cells high from this cell's foot; anything at all shows at the foot."""
    return EIGHTHS[max(int(at_least), min(8, round(height * 8)))]


def nice(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... at or above: a scale that holds still."""
    if value <= 0:
        return 0
    magnitude = 10.0 ** (len(str(int(value))) - 1)
    return next(step * magnitude for step in (1, 2, 5, 10) if value <= step * magnitude)
