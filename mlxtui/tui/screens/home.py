"""Requests, the home screen: how busy, how fast, what is in memory, and one row per request."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from mlxtui.tui.choose import FIELDS, SORTS, Chooser
from mlxtui.tui.export import rows_json, rows_markdown
from mlxtui.tui.help import filter_lines
from mlxtui.tui.messages import CancelAsked, CopyAsked, ExportAsked, PriorityAsked, SnippetKind
from mlxtui.tui.readonly import offered
from mlxtui.tui.screens.filtered import FilteredScreen
from mlxtui.tui.view import View
from mlxtui.tui.welcome import welcome
from mlxtui.tui.widgets.columns import Moment
from mlxtui.tui.widgets.filter import Filter
from mlxtui.tui.widgets.header import header
from mlxtui.tui.widgets.keys import Keys
from mlxtui.tui.widgets.latency import latency
from mlxtui.tui.widgets.log import log
from mlxtui.tui.widgets.memory import memory
from mlxtui.tui.widgets.minutes import first_tokens, hits_plot, memory_plot, roomy
from mlxtui.tui.widgets.panel import Panel
from mlxtui.tui.widgets.requests import RequestsTable
from mlxtui.tui.widgets.throughput import throughput
from mlxtui.tui.widgets.titles import entitle

RAISE, LOWER = "Let this request go before others", "Let this request wait for others"


class HomeScreen(FilteredScreen):
    AUTO_FOCUS = "RequestsTable"
    HELP_LINES = filter_lines("rows", FIELDS, "state:decode")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", key_display="/", id="home.filter", tooltip="Show only some requests"),
        Binding("x", "cancel", "cancel", id="request.cancel", tooltip="Cancel this request (asks first)"),
        Binding("plus", "prioritise(-1)", "raise", key_display="+", show=False, id="request.raise", tooltip=RAISE),
        Binding("minus", "prioritise(1)", "lower", key_display="-", show=False, id="request.lower", tooltip=LOWER),
        Binding("y", "copy('curl')", "curl", id="request.curl", tooltip="Copy this request as a curl command"),
        Binding("Y", "copy('python')", "Python", show=False, id="request.python", tooltip="Copy it as Python"),
        Binding("s", "sort", "sort", id="home.sort", tooltip="Sort by the next column"),
        Binding("e", "export", "export", id="home.export", tooltip="Write these rows to a file (JSON, Markdown)"),
        Binding(
            "escape", "unfilter", "Clear filter", show=False, id="home.unfilter", tooltip="Show all requests again"
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.sort = "arrival"
        self._chooser = Chooser()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return offered(self, action)

    def compose(self) -> ComposeResult:
        yield Panel(header, id="header")
        with Horizontal(id="panels"):
            yield Panel(throughput, id="throughput", alone=True)
            yield Panel(roomy(memory, memory_plot), id="memory", alone=True)
            yield Panel(roomy(latency, first_tokens, hits_plot), id="latency", alone=True)
        yield RequestsTable(id="requests")
        yield Filter("text  !not  state:decode  client:zed  model:…")
        yield Panel(log, id="log", alone=True)
        yield Keys(id="keys")

    @property
    def _table(self) -> RequestsTable:
        return self.query_one(RequestsTable)

    def draw(self, view: View) -> None:
        self._view, table, query = view, self._table, self._filter.words
        for panel in self.query(Panel):
            panel.draw(view)
        rows = self._chooser.chosen(view.state, query, self.sort, view.now)
        table.draw(rows, Moment(view.now, view.state.queue()), welcome(view, query))
        self._title(table, view, query)

    def _title(self, table: RequestsTable, view: View, query: str) -> None:
        state = view.state
        counts = [
            ("decode", state.count("decode")),
            ("prefill", state.count("prefill")),
            ("queued", state.count("queued")),
        ]
        said = " · ".join(f"{count} {name}" for name, count in counts if count) or "idle"
        shown = f" · {len(table.rows)} match {query!r}" if query else ""
        entitle(table, f"requests: {said}{shown}", "" if self.sort == "arrival" else f"by {self.sort}")

    def action_sort(self) -> None:
        names = [*SORTS]
        self.sort = names[(names.index(self.sort) + 1) % len(names)]
        self._redraw()

    def action_export(self) -> None:
        if self._view is None:
            return
        rows, moment = [*self._table.rows], Moment(self._view.now, self._view.state.queue())
        forms = {"json": ("JSON", lambda: rows_json(rows)), "md": ("Markdown", lambda: rows_markdown(rows, moment))}
        self.post_message(ExportAsked("requests", forms))

    def action_cancel(self) -> None:
        row = self._table.selected
        if row is not None:
            self.post_message(CancelAsked(row.id))

    def action_prioritise(self, by: int) -> None:
        row = self._table.selected
        if row is not None:
            self.post_message(PriorityAsked(row.id, by))

    def action_copy(self, kind: SnippetKind) -> None:
        row = self._table.selected
        if row is not None:
            self.post_message(CopyAsked(row.id, kind))
