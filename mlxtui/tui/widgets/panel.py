"""A box of lines painted by a pure function of the View; only lines that changed are drawn again.

It does not know what it shows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from mlxtui.tui.text import TONES, Line, Tone, one_line
from mlxtui.tui.view import Painted, View

Paint = Callable[[View, Size], Painted]

TONE_CLASSES = {f"tone--{tone}" for tone in TONES}


def tone_style(widget: Widget, tone: Tone) -> Style:
    """Of the letters only: what is behind them is the row's business."""
    return _letters(widget.get_component_rich_style(f"tone--{tone}")) if tone else Style.null()


@lru_cache
def _letters(style: Style) -> Style:
    return Style(color=style.color, bold=style.bold, dim=style.dim, italic=style.italic)


def to_strip(widget: Widget, line: Line, width: int, base: Style) -> Strip:
    """The line as the terminal gets it, `width` cells wide: the last place where text is made safe."""
    strip = Strip([Segment(one_line(text), base + tone_style(widget, tone)) for text, tone in line])
    if strip.cell_length > width > 0:
        strip = Strip([*strip.crop(0, width - 1), Segment("…", base)])
    return strip.crop_extend(0, width, base)


class Panel(Widget):
    COMPONENT_CLASSES = TONE_CLASSES

    def __init__(self, paint: Paint, *, id: str, alone: bool = False) -> None:
        """`alone`: it can have the focus, and be zoomed."""
        super().__init__(id=id)
        self.can_focus = alone
        self._paint = paint
        self._view: View | None = None
        self._shown = Painted([])

    @property
    def lines(self) -> list[Line]:
        return self._shown.lines

    def draw(self, view: View) -> None:
        """Paint, and refresh what differs from the last frame."""
        self._view = view
        if not self.display or not self.content_size:
            return
        painted = self._paint(view, self.content_size)
        before, self._shown = self._shown, painted
        if painted.title != before.title:
            self.border_title = Content(painted.title)
        for y in range(max(len(before.lines), len(painted.lines))):
            if before.lines[y : y + 1] != painted.lines[y : y + 1]:
                self.refresh(Region(0, y, self.content_size.width, 1))

    def on_resize(self) -> None:
        if self._view is not None:
            self.draw(self._view)

    def render_line(self, y: int) -> Strip:
        line = self._shown.lines[y] if y < len(self._shown.lines) else ()
        return to_strip(self, line, self.content_size.width, self.rich_style)
