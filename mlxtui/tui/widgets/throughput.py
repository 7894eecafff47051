"""Tokens per second: decode above, prefill below, on a fixed axis of one minute, or of five where there is room."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Size

from mlxtui.state import SECONDS_KEPT
from mlxtui.tui.figures import short
from mlxtui.tui.plot import SCALE, axis, bars, means, nice, step_for
from mlxtui.tui.text import Line, Tone
from mlxtui.tui.view import Painted, View

MINUTE = 60
TALL = 9  # lines from which on five minutes are shown, with an axis under them


def throughput(view: View, area: Size) -> Painted:
    tall = area.height >= TALL
    span = SECONDS_KEPT if tall else MINUTE
    seconds = view.state.history(view.now, span)
    step = step_for(span, area.width - SCALE)
    height = area.height - tall
    below = max(2, height // 3) if tall else 1 if height < 5 else 2
    decode = means([second.decode for second in seconds], step, view.now)
    prefill = means([second.prefill for second in seconds], step, view.now)
    lines = _rates(decode, height - below, "decode", area.width) + _rates(prefill, below, "prefill", area.width)
    decode_now, prefill_now = view.state.rates(view.now)
    over = f", {'5 min' if tall else '60 s'}" if area.width >= 40 else ""
    title = f"decode {short(decode_now)} · prefill {short(prefill_now)} tok/s{over}"
    return Painted([*lines, axis(span, step, area.width)] if tall else lines, title=title)


def _rates(values: Sequence[float], rows: int, tone: Tone, width: int) -> list[Line]:
    return bars(values, rows, nice(max(values, default=0)), tone, width, short)
