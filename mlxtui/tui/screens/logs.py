"""Logs: what the server said, followed or held still, filtered; enter goes to the request that a line is about."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size

from mlxtui.tui.export import log_json, log_text
from mlxtui.tui.help import filter_lines
from mlxtui.tui.logbook import FIELDS, ORDER, Entry, entries, whole
from mlxtui.tui.messages import ExportAsked
from mlxtui.tui.screens.filtered import FilteredScreen
from mlxtui.tui.screens.reader import Reader
from mlxtui.tui.text import Line, wrapped
from mlxtui.tui.view import Painted, View
from mlxtui.tui.widgets.filter import Filter
from mlxtui.tui.widgets.header import header
from mlxtui.tui.widgets.keys import Keys
from mlxtui.tui.widgets.logtable import LogTable
from mlxtui.tui.widgets.panel import Panel
from mlxtui.tui.widgets.requests import RequestsTable
from mlxtui.tui.widgets.titles import entitle


class LogsScreen(FilteredScreen):
    AUTO_FOCUS = "LogTable"
    HELP_LINES = filter_lines("lines", FIELDS, "level:error")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", key_display="/", id="logs.filter", tooltip="Show only some lines"),
        Binding("l", "level", "level", id="logs.level", tooltip="From which level on: debug, info, warning, error"),
        Binding("f", "follow", "follow", id="logs.follow", tooltip="Stay with the newest line"),
        Binding("v", "whole", "whole line", id="logs.whole", tooltip="Read the whole line"),
        Binding("e", "export", "export", id="logs.export", tooltip="Write these lines to a file"),
        Binding("escape", "unfilter", "Clear filter", show=False, id="logs.unfilter", tooltip="Show all lines again"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.level = "debug"

    def compose(self) -> ComposeResult:
        yield Panel(header, id="header")
        yield LogTable(id="lines")
        yield Panel(self._whole, id="whole")
        yield Filter("text  !not  level:error  request:…")
        yield Keys(id="keys")

    @property
    def _table(self) -> LogTable:
        return self.query_one(LogTable)

    def draw(self, view: View) -> None:
        self._view = view
        table, query = self._table, self._filter.words
        table.show(entries(view.state.log, self.level, query), _empty(view, query))
        self._title(table, query)
        for panel in self.query(Panel):
            panel.draw(view)

    def _title(self, table: LogTable, query: str) -> None:
        since = "" if self.level == ORDER[0] else f" · {self.level} and worse"
        shown = f" · {len(table.rows)} match {query!r}" if query else ""
        entitle(table, f"logs{since}{shown}", "following" if table.following else "held (f follows)")

    def _whole(self, view: View, area: Size) -> Painted:
        entry = self._table.selected
        lines: list[Line] = [row for line in (whole(entry) if entry else ()) for row in wrapped(line, area.width)]
        return Painted(lines[: area.height], title="this line")

    def on_log_table_opened(self, message: LogTable.Opened) -> None:
        if message.entry.line.request:
            self.post_message(RequestsTable.Inspected(message.entry.line.request))
        else:
            self._read(message.entry)

    def _read(self, entry: Entry) -> None:
        self.app.push_screen(Reader("log line", whole(entry)))

    def action_level(self) -> None:
        self.level = ORDER[(ORDER.index(self.level) + 1) % len(ORDER)]
        self._redraw()

    def action_follow(self) -> None:
        self._table.action_bottom()
        self._redraw()

    def action_whole(self) -> None:
        if (entry := self._table.selected) is not None:
            self._read(entry)

    def action_export(self) -> None:
        shown = [*self._table.rows]
        texts = {"txt": ("plain text", lambda: log_text(shown)), "json": ("JSON", lambda: log_json(shown))}
        self.post_message(ExportAsked("log", texts))


def _empty(view: View, query: str) -> list[Line]:
    if query:
        return [(("no line matches ", "dim"), (query, "bold"), ("   (esc shows all)", "dim"))]
    return [(("nothing was logged yet" if view.state.server.started else "the log will show here", "dim"),)]
