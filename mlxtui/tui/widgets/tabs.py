"""One line of tabs, each with its key, the shown one in brackets. Clickable. It does not know what they show."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from mlxtui.tui.widgets.bar import Tab, bar_line
from mlxtui.tui.widgets.panel import TONE_CLASSES, to_strip


class TabLine(Widget):
    COMPONENT_CLASSES = TONE_CLASSES

    class Chosen(Message):
        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    shown: reactive[str] = reactive("")

    def __init__(self, tabs: Sequence[Tab], shown: str, *, id: str) -> None:
        super().__init__(id=id)
        self._tabs = tabs
        self.set_reactive(TabLine.shown, shown)

    def render_line(self, y: int) -> Strip:
        width = self.content_size.width
        return to_strip(self, bar_line(self._tabs, self.shown, "", width)[0], width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        _, begins = bar_line(self._tabs, self.shown, "", self.content_size.width)
        clicked = [tab for tab, begin in zip(self._tabs, begins, strict=True) if begin <= event.x]
        if clicked:
            self.post_message(self.Chosen(clicked[-1].mode))
