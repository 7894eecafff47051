"""The requests table: one line a request, in as many columns as fit. Inspected goes out.

Rows come in already chosen and sorted.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.message import Message

from mlxtui.row import Row
from mlxtui.tui.text import Line
from mlxtui.tui.widgets.columns import Moment, columns_for, head, row_line
from mlxtui.tui.widgets.rows import Rows


class RequestsTable(Rows[Row]):
    class Inspected(Message):
        def __init__(self, request: str) -> None:
            super().__init__()
            self.request = request

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._moment = Moment(0.0, {})

    def draw(self, rows: Sequence[Row], moment: Moment, empty: Sequence[Line] = ()) -> None:
        self._moment = moment
        self.show(rows, empty)

    def name_of(self, item: Row) -> object:
        return item.id

    def head(self, width: int) -> Line:
        return head(columns_for(width))

    def line_of(self, item: Row, width: int) -> Line:
        return row_line(columns_for(width), item, self._moment)

    def open(self, item: Row) -> None:
        self.post_message(self.Inspected(item.id))
