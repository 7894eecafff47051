"""Requests, the home screen: how busy, how fast, what is in memory, and one row per request."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input

from mlxtui.tui.choose import SORTS, chosen
from mlxtui.tui.help import FILTER
from mlxtui.tui.messages import CancelAsked, CopyAsked, SnippetKind
from mlxtui.tui.view import View
from mlxtui.tui.welcome import welcome
from mlxtui.tui.widgets.columns import Moment
from mlxtui.tui.widgets.header import header
from mlxtui.tui.widgets.keys import Keys
from mlxtui.tui.widgets.latency import latency
from mlxtui.tui.widgets.log import log
from mlxtui.tui.widgets.memory import memory
from mlxtui.tui.widgets.panel import Panel
from mlxtui.tui.widgets.requests import RequestsTable
from mlxtui.tui.widgets.throughput import throughput


class HomeScreen(Screen[None]):
    AUTO_FOCUS = "RequestsTable"
    HELP_LINES = FILTER
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", key_display="/", id="home.filter", tooltip="Show only some requests"),
        Binding("x", "cancel", "cancel", id="request.cancel", tooltip="Cancel this request (asks first)"),
        Binding("y", "copy('curl')", "curl", id="request.curl", tooltip="Copy this request as a curl command"),
        Binding("Y", "copy('python')", "Python", show=False, id="request.python", tooltip="Copy it as Python"),
        Binding("s", "sort", "sort", id="home.sort", tooltip="Sort by the next column"),
        Binding(
            "escape", "unfilter", "Clear filter", show=False, id="home.unfilter", tooltip="Show all requests again"
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.filter = ""
        self.sort = "arrival"
        self._view: View | None = None

    def compose(self) -> ComposeResult:
        yield Panel(header, id="header")
        with Horizontal(id="panels"):
            yield Panel(throughput, id="throughput")
            yield Panel(memory, id="memory")
            yield Panel(latency, id="latency")
        yield RequestsTable(id="requests")
        yield Input(placeholder="text  !not  state:decode  client:zed  model:…", id="filter", compact=True)
        yield Panel(log, id="log")
        yield Keys(id="keys")

    def on_mount(self) -> None:
        self.query_one(Input).display = False

    def draw(self, view: View) -> None:
        self._view = view
        for panel in self.query(Panel):
            panel.draw(view)
        table = self.query_one(RequestsTable)
        rows = chosen(view.state, self.filter, self.sort, view.now)
        table.draw(rows, Moment(view.now, view.state.queue()), welcome(view, self.filter))
        self._title(table, view)

    def _title(self, table: RequestsTable, view: View) -> None:
        state = view.state
        counts = [
            ("decode", state.count("decode")),
            ("prefill", state.count("prefill")),
            ("queued", state.count("queued")),
        ]
        said = " · ".join(f"{count} {name}" for name, count in counts if count) or "idle"
        shown = f" · {len(table.rows)} match {self.filter!r}" if self.filter else ""
        title, subtitle = f"requests: {said}{shown}", "" if self.sort == "arrival" else f"by {self.sort}"
        if table.border_title != (wanted := Content(title)).markup:
            table.border_title = wanted
        if (table.border_subtitle or "") != subtitle:
            table.border_subtitle = Content(subtitle)

    def _redraw(self) -> None:
        if self._view is not None:
            self.draw(self._view)

    def action_filter(self) -> None:
        box = self.query_one(Input)
        box.display = True
        box.focus()

    def action_unfilter(self) -> None:
        box = self.query_one(Input)
        box.value = ""
        self._leave_filter(box)

    def _leave_filter(self, box: Input) -> None:
        box.display = bool(box.value)
        self.query_one(RequestsTable).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.filter = event.value.strip()
        self._redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._leave_filter(event.input)

    def action_sort(self) -> None:
        names = [*SORTS]
        self.sort = names[(names.index(self.sort) + 1) % len(names)]
        self._redraw()

    def action_cancel(self) -> None:
        row = self.query_one(RequestsTable).selected
        if row is not None:
            self.post_message(CancelAsked(row.id))

    def action_copy(self, kind: SnippetKind) -> None:
        row = self.query_one(RequestsTable).selected
        if row is not None:
            self.post_message(CopyAsked(row.id, kind))
