"""The log as a list with a cursor, newest last. What a line is about goes out: a request, or the line itself."""

from __future__ import annotations

from typing import ClassVar

from textual.message import Message

from mlxtui.tui.logbook import HEAD, Entry, entry_line
from mlxtui.tui.text import Line
from mlxtui.tui.widgets.rows import Rows


class LogTable(Rows[Entry]):
    NEWEST_LAST: ClassVar[bool] = True

    class Opened(Message):
        def __init__(self, entry: Entry) -> None:
            super().__init__()
            self.entry = entry

    def name_of(self, item: Entry) -> object:
        """Its first line: a repeat makes the entry no other."""
        return item.since, item.line.message

    def head(self, width: int) -> Line:
        return ((HEAD, "head"),)

    def line_of(self, item: Entry, width: int) -> Line:
        return entry_line(item)

    def open(self, item: Entry) -> None:
        self.post_message(self.Opened(item))
