"""A list with a cursor on Textual's line API: only rows on the screen are rendered, and only when they changed.

Items come in, already chosen and sorted. What an item is called and how it reads is for those who make a table of it.
The cursor stays on its item while the others move about; until it is moved it stays with the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mlxtui.tui.text import Line, Piece
from mlxtui.tui.widgets.panel import TONE_CLASSES, to_strip

MARK = "▸ "

Item = TypeVar("Item")


class Rows(ScrollView, Generic[Item], can_focus=True, inherit_bindings=False):
    COMPONENT_CLASSES: ClassVar[set[str]] = TONE_CLASSES | {"rows--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="table.up", tooltip="The line above"),
        Binding("down,j", "move(1)", "Down", show=False, id="table.down", tooltip="The line below"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="table.page_up", tooltip="A page up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="table.page_down", tooltip="A page down"),
        Binding("home,g", "top", "Top", show=False, id="table.top", tooltip="To the first line"),
        Binding("end,G", "bottom", "Bottom", show=False, id="table.bottom", tooltip="To the last line"),
        Binding("enter", "open", "inspect", key_display="⏎", id="table.inspect", tooltip="Look into this request"),
    ]
    NEWEST_LAST: ClassVar[bool] = False

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.rows: Sequence[Item] = ()
        self.rendered = 0
        """Rows rendered so far: the cost of a frame, for tests."""
        self._chosen: object = None
        self._cursor = 0
        self._painted: dict[int, tuple[Line, bool]] = {}
        self._fresh: dict[int, tuple[Line, bool]] = {}
        self._empty: Sequence[Line] = ()
        self._width = 0  # without the scrollbar

    def name_of(self, item: Item) -> object:
        """What stays the same of an item from frame to frame."""
        raise NotImplementedError

    def head(self, width: int) -> Line:
        raise NotImplementedError

    def line_of(self, item: Item, width: int) -> Line:
        raise NotImplementedError

    def open(self, item: Item) -> None:
        """What enter and a double click do."""
        raise NotImplementedError

    @property
    def selected(self) -> Item | None:
        return self.rows[self._cursor] if self._cursor < len(self.rows) else None

    @property
    def following(self) -> bool:
        """Whether the cursor stays with the newest item."""
        return self._chosen is None

    def show(self, rows: Sequence[Item], empty: Sequence[Line] = ()) -> None:
        """Show these rows, or `empty` if there are none; refresh the lines that differ from what is on the screen."""
        self.rows, self._empty = rows, empty
        self._cursor = self._place()
        self.virtual_size = Size(0, len(rows) + 1)
        self._measure()
        if self.NEWEST_LAST and self.following:
            self._reveal()
        self._fresh = {y: self._line(y) for y in range(1, self.size.height)}
        for y, line in self._fresh.items():
            if self._painted.get(y) != line:
                self.refresh(Region(0, y, self._width, 1))

    def _measure(self) -> None:
        width = self.scrollable_content_region.width
        if width != self._width:
            self._width = width
            self.refresh()

    def _place(self) -> int:
        """Where the chosen item is now; about where it was, when it is gone."""
        if self._chosen is None:
            return max(0, len(self.rows) - 1) if self.NEWEST_LAST else 0
        found = next((index for index, row in enumerate(self.rows) if self.name_of(row) == self._chosen), None)
        return found if found is not None else max(0, min(self._cursor, len(self.rows) - 1))

    def _line(self, y: int) -> tuple[Line, bool]:
        """What belongs on line `y` of the screen, and whether the cursor is on it."""
        index = y - 1 + self.scroll_offset.y
        if index >= len(self.rows):
            hint = self._empty[y - 2] if not self.rows and 2 <= y < len(self._empty) + 2 else ()
            return ((" " * len(MARK), ""), *hint), False
        here = index == self._cursor
        mark: Piece = (MARK if here else " " * len(MARK), "accent")
        return (mark, *self.line_of(self.rows[index], self._width - len(MARK))), here

    def render_line(self, y: int) -> Strip:
        width = self._width
        if y == 0:
            titles: Line = ((" " * len(MARK), ""), *self.head(width - len(MARK)))
            return to_strip(self, titles, width, self.rich_style)
        line, here = self._painted[y] = self._fresh.pop(y) if y in self._fresh else self._line(y)
        self.rendered += len(line) > 1
        base = self.rich_style
        return to_strip(self, line, width, base + self.get_component_rich_style("rows--cursor") if here else base)

    def on_resize(self) -> None:
        self._painted.clear()
        self._measure()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        self._fresh.clear()
        super().watch_scroll_y(old_value, new_value)

    def move_to(self, index: int) -> None:
        if not self.rows:
            return
        self._fresh.clear()
        self._cursor = max(0, min(index, len(self.rows) - 1))
        self._chosen = self.name_of(self.rows[self._cursor])
        self._reveal()
        self.refresh()

    def _reveal(self) -> None:
        """Scroll as far as it takes to have the cursor on the screen."""
        page, top = max(1, self.size.height - 1), self.scroll_offset.y
        if not top <= self._cursor < top + page:
            self.scroll_to(y=self._cursor if self._cursor < top else self._cursor - page + 1, animate=False)

    def action_move(self, by: int) -> None:
        self.move_to(self._cursor + by)

    def action_page(self, by: int) -> None:
        self.move_to(self._cursor + by * max(1, self.size.height - 2))

    def action_top(self) -> None:
        self.move_to(0)
        if not self.NEWEST_LAST:
            self._chosen = None

    def action_bottom(self) -> None:
        self.move_to(len(self.rows) - 1)
        if self.NEWEST_LAST:
            self._chosen = None

    def action_open(self) -> None:
        if self.selected is not None:
            self.open(self.selected)

    def on_click(self, event: events.Click) -> None:
        at = event.get_content_offset(self)
        index = at.y - 1 + self.scroll_offset.y if at is not None else -1
        if at is not None and at.y >= 1 and index < len(self.rows):
            self.move_to(index)
            if event.chain == 2:
                self.action_open()
