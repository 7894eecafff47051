"""The checks of a run on Textual's line API: a cursor that follows the run, then stands on the first failure, until
somebody moves it. Chosen goes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mlxtui.proof import Probe
from mlxtui.tui.probing import probe_line
from mlxtui.tui.text import Line, Piece
from mlxtui.tui.widgets.panel import TONE_CLASSES, to_strip

MARK = "▸ "


class ProbeTable(ScrollView, can_focus=True, inherit_bindings=False):
    COMPONENT_CLASSES: ClassVar[set[str]] = TONE_CLASSES | {"probes--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="probes.up", tooltip="The check above"),
        Binding("down,j", "move(1)", "Down", show=False, id="probes.down", tooltip="The check below"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="probes.page_up", tooltip="A page of checks up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="probes.page_down", tooltip="A page of checks down"),
        Binding("home,g", "move_to(0)", "Top", show=False, id="probes.top", tooltip="The first check"),
        Binding("end,G", "move_to(-1)", "Bottom", show=False, id="probes.bottom", tooltip="The last check"),
    ]

    class Chosen(Message):
        """Another check is under the cursor."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.probes: Sequence[Probe] = ()
        self.following = True
        self._cursor = 0
        self._painted: list[tuple[Line, bool]] = []
        self._empty: Sequence[Line] = ()

    @property
    def selected(self) -> Probe | None:
        return self.probes[self._cursor] if self._cursor < len(self.probes) else None

    def draw(self, probes: Sequence[Probe], at: int | None, empty: Sequence[Line]) -> None:
        """These checks, or `empty` where there are none; `at` is where the run is, for a cursor that follows."""
        chosen = self.selected
        self.probes, self._empty = probes, empty
        if self.following and at is not None:
            self._cursor = at
        elif chosen is not None:
            self._cursor = next((n for n, each in enumerate(probes) if each.id == chosen.id), self._cursor)
        self._cursor = max(0, min(self._cursor, len(probes) - 1))
        self.virtual_size = Size(0, len(probes))
        self._show_cursor()
        self._refresh_changed()

    def _refresh_changed(self) -> None:
        width = self.scrollable_content_region.width
        painted = [self._line(y) for y in range(self.size.height)]
        for y, line in enumerate(painted):
            if y >= len(self._painted) or self._painted[y] != line:
                self.refresh(Region(0, y, width, 1))
        self._painted = painted

    def _line(self, y: int) -> tuple[Line, bool]:
        index = y + self.scroll_offset.y
        if index >= len(self.probes):
            hint = self._empty[y] if not self.probes and y < len(self._empty) else ()
            return ((" " * len(MARK), ""), *hint), False
        here = index == self._cursor
        mark: Piece = (MARK if here else " " * len(MARK), "accent")
        width = self.scrollable_content_region.width - len(MARK)
        return (mark, *probe_line(self.probes[index], width)), here

    def render_line(self, y: int) -> Strip:
        line, here = self._line(y)
        base = self.rich_style
        style = base + self.get_component_rich_style("probes--cursor") if here else base
        return to_strip(self, line, self.scrollable_content_region.width, style)

    def _show_cursor(self) -> None:
        top, page = self.scroll_offset.y, max(1, self.size.height)
        if not top <= self._cursor < top + page:
            self.scroll_to(y=self._cursor if self._cursor < top else self._cursor - page + 1, animate=False)

    def action_move_to(self, index: int) -> None:
        """Counted from the end where negative."""
        if self.probes:
            self.following = False
            self._cursor = max(0, min(index if index >= 0 else len(self.probes) + index, len(self.probes) - 1))
            self._show_cursor()
            self.refresh()
            self.post_message(self.Chosen())

    def action_move(self, by: int) -> None:
        self.action_move_to(max(0, self._cursor + by))

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height - 1))

    def on_click(self, event: events.Click) -> None:
        at = event.get_content_offset(self)
        if at is not None and at.y + self.scroll_offset.y < len(self.probes):
            self.action_move_to(at.y + self.scroll_offset.y)
