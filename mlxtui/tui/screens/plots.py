"""Plots: five minutes of throughput, first tokens, memory and the cache's hit rate. `z` shows one of them alone."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen

from mlxtui.tui.view import View
from mlxtui.tui.widgets.header import header
from mlxtui.tui.widgets.keys import Keys
from mlxtui.tui.widgets.minutes import first_tokens, hits_plot, memory_plot
from mlxtui.tui.widgets.panel import Panel
from mlxtui.tui.widgets.throughput import throughput


class PlotsScreen(Screen[None]):
    AUTO_FOCUS = "#plot-throughput"

    def compose(self) -> ComposeResult:
        yield Panel(header, id="header")
        with Container(id="plots"):
            yield Panel(throughput, id="plot-throughput", alone=True)
            yield Panel(first_tokens, id="plot-ttft", alone=True)
            yield Panel(memory_plot, id="plot-memory", alone=True)
            yield Panel(hits_plot, id="plot-hits", alone=True)
        yield Keys(id="keys")

    def draw(self, view: View) -> None:
        for panel in self.query(Panel):
            panel.draw(view)
