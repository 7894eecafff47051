"""What is going on right now, at the bottom of a terminal: the checks that run, the verdicts so far, how far it is.

Knows nothing of what a verdict is about.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .check import Check, Verdict
from .looks import LOOKS

SHOWN = 6  # running checks, at most
TICK = 8  # drawings a second


class Board:
    """A few lines that redraw themselves; nothing at all where there is no terminal to redraw."""

    def __init__(self, console: Console, total: int) -> None:
        self.total = total
        self.running: dict[str, float] = {}
        self.verdicts: Counter[Verdict] = Counter()
        self.live = Live(self, console=console, refresh_per_second=TICK, transient=True)
        if console.is_terminal and not console.is_dumb_terminal:
            self.live.start()

    def begun(self, check: Check) -> None:
        self.running[check.id] = time.monotonic()

    def ended(self, check: Check, verdict: Verdict) -> None:
        self.running.pop(check.id, None)
        self.verdicts[verdict] += 1

    def close(self) -> None:
        self.live.stop()

    def __rich__(self) -> RenderableType:
        running = list(self.running.items())  # the drawing thread must not see it change
        table = Table.grid(padding=(0, 2))
        for id, begun in running[:SHOWN]:
            table.add_row(Text("▸", style="cyan"), Text(id), Text(f"{time.monotonic() - begun:5.1f} s", style="dim"))
        if len(running) > SHOWN:
            table.add_row("", Text(f"and {len(running) - SHOWN} more", style="dim"))
        return Group(Text(), table, self._sums())

    def _sums(self) -> Table:
        done = self.verdicts.total()
        line = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=self.total, completed=done, width=24, complete_style="cyan", finished_style="green")
        line.add_row(bar, Text(f"{done} of {self.total}"), tally(self.verdicts))
        return line


def tally(verdicts: Counter[Verdict]) -> Text:
    """How often each verdict came, those that never came left out."""
    parts: Sequence[tuple[str, str]] = [
        (f"{LOOKS[verdict][0]} {verdicts[verdict]} {verdict.value}  ", LOOKS[verdict][1])
        for verdict in Verdict
        if verdicts[verdict]
    ]
    return Text.assemble(*parts)
