"""Two lists of models: those on the server's machine, and those that the Hub found. What was chosen goes out."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from mlxtui.models.entry import Entry
from mlxtui.models.hub import Hit
from mlxtui.state import Model
from mlxtui.tui.library import ENTRY_COLUMNS, HIT_COLUMNS, entry_line, head, hit_line
from mlxtui.tui.text import Line
from mlxtui.tui.widgets.rows import Rows


class ModelsTable(Rows[Entry]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "load", key_display="⏎", show=False, id="models.open", tooltip="Load this model"),
    ]

    class Opened(Message):
        """Chosen to be loaded."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.model = Model()

    def name_of(self, item: Entry) -> object:
        return item.id

    def head(self, width: int) -> Line:
        return head(ENTRY_COLUMNS, width)

    def line_of(self, item: Entry, width: int) -> Line:
        return entry_line(item, self.model, width)

    def open(self, item: Entry) -> None:
        self.post_message(self.Opened())


class HitsTable(Rows[Hit]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "download", key_display="⏎", id="hub.download", tooltip="Download this model"),
    ]

    class Opened(Message):
        """Chosen to be downloaded."""

        def __init__(self, id: str) -> None:
            super().__init__()
            self.id = id

    def name_of(self, item: Hit) -> object:
        return item.id

    def head(self, width: int) -> Line:
        return head(HIT_COLUMNS, width)

    def line_of(self, item: Hit, width: int) -> Line:
        return hit_line(item, width)

    def open(self, item: Hit) -> None:
        self.post_message(self.Opened(item.id))
