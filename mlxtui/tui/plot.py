"""Plots in blocks of text: numbers come in, Lines go out. Eighths of a cell, a scale that holds still. Pure.

A plot over time stands still on the clock: its bars move, but never flicker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlxtui.tui.text import Line, Tone

EIGHTHS = " ▁▂▃▄▅▆▇█"
SCALE = 6  # cells at the right for the scale
STEPS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)  # seconds that a bar may stand for


def step_for(span: int, width: int) -> int:
    """Seconds a bar stands for, so that `span` seconds fit into `width` cells."""
    return next((step for step in STEPS if span // step <= width), STEPS[-1])


def gathered(values: Sequence[float], step: int, now: float) -> list[float]:
    """Sums over `step` seconds, oldest first; `values` has one for each whole second before `now`."""
    begun = int(now) % step
    whole = len(values) // step - bool(begun)
    ended = len(values) - begun
    bins = [values[at : at + step] for at in range(ended - whole * step, ended, step)]
    return [sum(each) for each in (*bins, values[ended:]) if each]


def lengths(count: int, step: int, now: float) -> list[int]:
    """How many seconds each of the bars of `gathered` is made of."""
    return [int(each) for each in gathered([1] * count, step, now)]


def means(values: Sequence[float], step: int, now: float) -> list[float]:
    """Like `gathered`, by the second."""
    sums = gathered(values, step, now)
    return [total / seconds for total, seconds in zip(sums, lengths(len(values), step, now), strict=True)]


def bars(
    values: Sequence[float | None], rows: int, top: float, tone: Tone, width: int, label: Callable[[float], str]
) -> list[Line]:
    """A bar chart `rows` high: `top` is the value at its upper edge, None leaves a gap."""
    lines: list[Line] = []
    for row in reversed(range(rows)):
        cells = "".join(_cell(value, top, rows, row) for value in values[-max(0, width - SCALE) :])
        lines.append(((cells.rjust(width - SCALE), tone), (_scale(row, rows, top, label).rjust(SCALE), "dim")))
    return lines


def _cell(value: float | None, top: float, rows: int, row: int) -> str:
    """One cell of a bar, the `row`-th from its foot; anything at all shows at the foot."""
    if not value or top <= 0:
        return " "
    height = value / top * rows - row
    return EIGHTHS[max(int(row == 0), min(8, round(height * 8)))]


def _scale(row: int, rows: int, top: float, label: Callable[[float], str]) -> str:
    """The value at the upper edge of the first row and, where there is room, of the middle one."""
    if top <= 0:
        return ""
    if row == rows - 1:
        return label(top)
    return label(top / 2) if rows >= 6 and row == rows // 2 - 1 and rows % 2 == 0 else ""


def axis(span: int, step: int, width: int) -> Line:
    """Under a plot: how long ago its first bar and its middle were."""
    room = min(span // step, width - SCALE)
    if room < 12:
        return ((" " * max(0, width - SCALE - 3) + "now", "dim"),)
    first, middle = _ago(room * step), _ago(room * step // 2)
    half = room // 2
    text = first.ljust(half) + middle.ljust(room - half - 3) + "now" if room >= 24 else first.ljust(room - 3) + "now"
    return ((text.rjust(width - SCALE), "dim"),)


def _ago(seconds: int) -> str:
    minutes = seconds / 60
    return f"{seconds} s" if seconds < 120 else f"{minutes:.0f} min" if minutes % 1 == 0 else f"{minutes:.1f} min"


def nice(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... at or above: a scale that holds still."""
    if value <= 0:
        return 0
    magnitude = 10.0 ** (len(str(int(value))) - 1)
    return next(step * magnitude for step in (1, 2, 5, 10) if value <= step * magnitude)


def nice_bytes(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 6, 8, ... in binary units at or above."""
    if value <= 0:
        return 0
    step = 1.0
    while step * 1.5 < value:
        step *= 2
    return step if value <= step else step * 1.5


def shares(parts: Sequence[tuple[str, int]], width: int, tone: Tone) -> list[Line]:
    """One line each: its name, a bar against the greatest, its count."""
    named = max((len(name) for name, _ in parts), default=0)
    most = max((count for _, count in parts), default=0)
    room = max(0, width - named - len(str(most)) - 3)
    lines: list[Line] = []
    for name, count in parts:
        eighths = round(count / most * room * 8) if most else 0
        bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8] if eighths else "▏" if count else ""
        lines.append(((f"{name:>{named}} ", "dim"), (bar.strip(), tone), (f" {count}" if count else "", "")))
    return lines
