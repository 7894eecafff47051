"""A scrolling text: lines come in, are wrapped to the width, and only what is on the screen is rendered.

Grows cheaply: lines that did not change are not wrapped again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mlxtui.tui.text import Line, match_of, plain, wrapped
from mlxtui.tui.widgets.panel import TONE_CLASSES, to_strip


class Pager(ScrollView, can_focus=True, inherit_bindings=False):
    COMPONENT_CLASSES: ClassVar[set[str]] = TONE_CLASSES
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False, id="pager.up", tooltip="A line up"),
        Binding("down,j", "scroll_down", "Down", show=False, id="pager.down", tooltip="A line down"),
        Binding("pageup", "page_up", "Page up", show=False, id="pager.page_up", tooltip="A page up"),
        Binding("pagedown", "page_down", "Page down", show=False, id="pager.page_down", tooltip="A page down"),
        Binding("home,g", "scroll_home", "Top", show=False, id="pager.top", tooltip="To the beginning"),
        Binding("end,G", "scroll_end", "End", show=False, id="pager.end", tooltip="To the end"),
    ]

    def __init__(self, *, id: str, hang: int = 0) -> None:
        """`hang`: cells by which the further rows of a line are indented, as wide as its first piece."""
        super().__init__(id=id)
        self._hang = hang
        self._found: int | None = None
        """The row in which what was looked for begins."""
        self._source: list[Line] = []
        self._wrapped: list[list[Line]] = []
        self._rows: list[Line] = []
        self._width = 0

    @property
    def _room(self) -> int:
        """The width without the scrollbar, which is always there."""
        return self.scrollable_content_region.width

    @property
    def text(self) -> str:
        """All of it, unwrapped."""
        return "\n".join(plain(line) for line in self._source)

    def show(self, lines: Sequence[Line], follow: bool = False) -> None:
        """Replace the text; with `follow`, who was at the end stays at the end."""
        if list(lines) == self._source and self._width == self._room:
            return
        at_end = follow and self.scroll_offset.y >= self.max_scroll_y
        self._wrap([*lines])
        self.virtual_size = Size(0, len(self._rows))
        self.refresh()
        if at_end:
            self.call_after_refresh(self.scroll_end, animate=False)

    def find(self, words: str, by: int) -> bool:
        """Go to the next line where this is said, or the one before; False: it is not said."""
        starts = [0, *accumulate(map(len, self._wrapped))]
        here = bisect_right(starts, self.scroll_offset.y if self._found is None else self._found) - 1
        ends = [0, *accumulate(len(plain(line)) + 1 for line in self._source)]
        after = min(here + (self._found is not None), len(ends) - 1)
        place = match_of(words, self.text, ends[after] - 1 if by > 0 else ends[here], by) if self._source else None
        if place is None:
            return False
        line = bisect_right(ends, place) - 1
        self._found = starts[line] + self._row_in(line, place - ends[line])
        self.scroll_to(y=max(0, self._found - 2), animate=False)
        self.refresh()
        return True

    def _row_in(self, line: int, place: int) -> int:
        """The row of this line that its character number `place` stands in."""
        for number, row in enumerate(self._wrapped[line]):
            place -= len(plain(row))
            if place < 0:
                return number
        return len(self._wrapped[line]) - 1

    def _wrap(self, lines: list[Line]) -> None:
        width = self._room
        same = _common(self._source, lines) if width == self._width else 0
        self._wrapped = self._wrapped[:same] + [[*self._rows_of(line, width)] for line in lines[same:]]
        self._source, self._width, self._found = lines, width, self._found if same else None
        self._rows = [row for rows in self._wrapped for row in rows]

    def _rows_of(self, line: Line, width: int) -> Iterator[Line]:
        if not (self._hang and line and len(line[0][0]) == self._hang < width):
            yield from wrapped(line, width)
            return
        margin, *rest = line
        for row in wrapped(tuple(rest), width - self._hang):
            yield (margin, *row)
            margin = (" " * self._hang, "")

    def on_resize(self) -> None:
        self.show(self._source)

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        line = self._rows[index] if index < len(self._rows) else ()
        base = self.rich_style
        return to_strip(self, line, self._room, base + Style(reverse=True) if index == self._found else base)


def _common(before: Sequence[Line], after: Sequence[Line]) -> int:
    """How many lines at the beginning are the same."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(before), len(after)))
