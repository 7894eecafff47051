"""The newest log lines, as many as fit, newest last."""

from __future__ import annotations

import time
from itertools import islice

from textual.geometry import Size

from mlxtui.state import LogLine
from mlxtui.tui.text import Line, Tone
from mlxtui.tui.view import Painted, View
from mlxtui.tui.widgets.columns import short_id

LEVELS: dict[str, Tone] = {"debug": "dim", "info": "", "warning": "warn", "error": "bad"}


def log(view: View, area: Size) -> Painted:
    newest = [*islice(reversed(view.state.log), area.height)][::-1]
    return Painted([log_line(entry) for entry in newest], title="log")


def clock(t: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(t))


def log_line(entry: LogLine) -> Line:
    about: Line = ((f"{short_id(entry.request)}  ", "accent"),) if entry.request else ()
    tone = LEVELS[entry.level]
    word = entry.level if entry.level != "info" else ""
    return (
        (f"{clock(entry.t)}  ", "dim"),
        (f"{word:<8}" if word else "", tone),
        *about,
        (entry.message.split("\n")[0], tone),
    )
