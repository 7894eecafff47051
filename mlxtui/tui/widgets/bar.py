"""The line of screens: each with its number, the one that is shown in brackets. Clickable.

The tabs and which of them is shown come in; the app is asked to go where was clicked. It knows no screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.strip import Strip
from textual.widget import Widget

from mlxtui.tui.text import Line, Piece, cells
from mlxtui.tui.widgets.panel import TONE_CLASSES, to_strip


@dataclass(frozen=True, slots=True)
class Tab:
    key: str
    mode: str
    name: str


def bar_line(tabs: Sequence[Tab], shown: str, note: str, width: int) -> tuple[Line, list[int]]:
    """The line, and the cell each tab begins at. Names where all fit, else only the shown one's; `note` at the end."""
    named = [f"{tab.key} {tab.name}" for tab in tabs]
    if sum(map(len, named)) + len(tabs) + 1 > width:
        named = [text if tab.mode == shown else tab.key for tab, text in zip(tabs, named, strict=True)]
    line: list[Piece] = []
    begins: list[int] = []
    before = " "
    for tab, text in zip(tabs, named, strict=True):
        here = tab.mode == shown
        line.append(("[" if here else before, "accent"))
        begins.append(cells(tuple(line)))
        line.append((text, "bold" if here else "dim"))
        before = "]" if here else " "
    line.append((before, "accent"))
    room = width - cells(tuple(line)) - len(note) - 1
    return (*line, (" " * room + note, "warn")) if note and room >= 1 else tuple(line), begins


class Bar(Widget):
    COMPONENT_CLASSES = TONE_CLASSES

    def __init__(self, tabs: Sequence[Tab], shown: str, note: str = "") -> None:
        super().__init__(id="bar")
        self._tabs = tabs
        self._shown = shown
        self._note = note

    def render_line(self, y: int) -> Strip:
        width = self.content_size.width
        line, _ = bar_line(self._tabs, self._shown, self._note, width)
        return to_strip(self, line, width, self.rich_style)

    async def on_click(self, event: events.Click) -> None:
        _, begins = bar_line(self._tabs, self._shown, self._note, self.content_size.width)
        clicked = [tab for tab, begin in zip(self._tabs, begins, strict=True) if begin <= event.x]
        if clicked:
            await self.run_action(f"app.go('{clicked[-1].mode}')")
