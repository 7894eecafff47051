"""A text over the screen: help, or what was copied. Knows nothing of what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from mlxtui.tui.text import Line
from mlxtui.tui.widgets.pager import Pager


class Reader(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "dismiss", "back", id="reader.back", tooltip="Back to the screen"),
    ]

    def __init__(self, title: str, lines: Sequence[Line], hint: str = "") -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._hint = hint

    def compose(self) -> ComposeResult:
        with Vertical(id="reader") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content(self._hint or "esc back")
            yield Pager(id="text")

    def on_mount(self) -> None:
        self.query_one(Pager).show(self._lines)
