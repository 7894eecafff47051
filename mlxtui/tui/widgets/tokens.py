"""Tokens on the screen: their boundaries, the part that came from the cache, whose words they are, a cursor.

A Spelled comes in and is laid out once for a width, some thousand pieces at a time; only what can be seen is rendered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mlxtui.tui.figures import count
from mlxtui.tui.flow import FEED, NOTHING, TAB, Flow, Part
from mlxtui.tui.spelled import Field, Spelled, said_of
from mlxtui.tui.text import Line, Tone, fit, one_line
from mlxtui.tui.transcript import ROLES
from mlxtui.tui.widgets.pager import Pager
from mlxtui.tui.widgets.panel import TONE_CLASSES, to_strip, tone_style

Edges = Literal["shades", "marks", "none"]
EDGES: tuple[Edges, ...] = ("shades", "marks", "none")
SLICE = 4000  # pieces laid out in one go: some 15 ms
MARK = "│"
GUTTER = 14
"""Cells left of the text: a role with its number, and whether the row came from the cache."""
SLIM = 4  # the same where there is little room


class TokenPager(ScrollView, can_focus=True, inherit_bindings=False):
    COMPONENT_CLASSES: ClassVar[set[str]] = TONE_CLASSES | {
        "token--even",
        "token--odd",
        "token--cached-even",
        "token--cached-odd",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        *Pager.BINDINGS,
        Binding("comma", "step(-1)", "Token", show=False, id="tokens.back", tooltip="The token before: id and bytes"),
        Binding(
            "full_stop", "step(1)", "Token", show=False, id="tokens.forward", tooltip="The next token: id and text"
        ),
        Binding("left_square_bracket", "jump(-1)", "Message", show=False, id="tokens.up", tooltip="Message before"),
        Binding("right_square_bracket", "jump(1)", "Message", show=False, id="tokens.down", tooltip="Next message"),
        Binding("d", "part", "parting", id="tokens.part", tooltip="To where it parted from what was cached"),
        Binding("b", "edges", "boundaries", id="tokens.boundaries", tooltip="Token boundaries: shades, marks, none"),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.spelled = Spelled()
        self.cursor: int | None = None
        self.edges: Edges = "shades"
        self.note = ""
        self.done: int | None = None
        """How many of the tokens are computed by now; None: all."""
        self._notes: Mapping[int, Sequence[Line]] = {}
        self._parting: int | None = None
        self._cached: int | None = None
        self._flow = Flow(1)
        self._laid: tuple[Any, ...] = ()
        self._growing = False
        self._done: int | None = None

    def show(
        self,
        spelled: Spelled,
        cached: int | None = None,
        notes: Mapping[int, Sequence[Line]] | None = None,
        parting: int | None = None,
        follow: bool = False,
    ) -> None:
        """`cached` tokens at the beginning came from the cache, None: that does not apply. `notes` by token. What has
        grown is gone on with; with `follow`, who was at the end stays at the end.
        """
        self.spelled, self._cached = spelled, cached
        if parting != self._parting:
            self._parting = parting
            self.refresh_bindings()
        self._notes = {
            spelled.piece_at(at) if at < spelled.tokens else len(spelled.texts): lines
            for at, lines in (notes or {}).items()
        }
        at_end = follow and self.scroll_offset.y >= self.max_scroll_y
        self._lay_out()
        if at_end:
            self.call_after_refresh(self.scroll_end, animate=False)

    def say(self, why: str) -> None:
        """There is nothing to show, and why."""
        self.note = why
        self.show(Spelled(), notes={0: [((why, "dim"),)]})

    @property
    def _room(self) -> int:
        return self.scrollable_content_region.width

    @property
    def _gutter(self) -> int:
        if self._cached is None and not self.spelled.fields:
            return 0
        return GUTTER if self._room >= 70 else SLIM

    def _lay_out(self) -> None:
        """Anew, if the text, the width or the marks are others; the token at the top stays there."""
        width = self._room - self._gutter
        wanted = (self.spelled if self.spelled.texts else None, width, self.edges == "marks", self._notes)
        if width <= 0:
            return
        if wanted[1:] == self._laid[1:] and self._laid[0] is wanted[0]:
            if self._flow.pieces < len(self.spelled.texts) and not self._growing:
                self._grow()
            elif self.done != self._done:
                self.refresh()
            self._done = self.done
            return
        same = bool(self._laid) and self._laid[0] is wanted[0]
        top = self.top if same else 0
        self._laid = wanted
        self._flow = Flow(width, self._notes, 1 if self.edges == "marks" else 0)
        self._grow(self.spelled.piece_at(top) if same and self.scroll_offset.y else 0)
        if same and self.scroll_offset.y:
            self.scroll_to(y=self._flow.row_of(self.spelled.piece_at(top)), animate=False)

    def _grow(self, least: int = 0) -> None:
        """Lay out a slice, and at least up to piece `least`; the rest when the keys have had their turn."""
        flow, texts = self._flow, self.spelled.texts
        until = max(flow.pieces + SLICE, least + 1)
        flow.feed(texts[flow.pieces : until])
        self._growing = flow.pieces < len(texts)
        if self._growing:
            self.call_later(self._grow)
        elif self._notes:
            flow.end()
        self.virtual_size = Size(0, len(flow.rows))
        self._tell()
        self.refresh()

    @property
    def top(self) -> int:
        """The token at the top of what can be seen."""
        firsts = self._flow.firsts
        piece = firsts[min(self.scroll_offset.y, len(firsts) - 1)] if firsts else 0
        return self.spelled.starts[min(piece, len(self.spelled.starts) - 1)]

    def on_resize(self) -> None:
        self._lay_out()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._tell()

    def _tell(self) -> None:
        """Where we are, in the border."""
        total = self.spelled.tokens
        if not total:
            said = self.note
        elif self.cursor is None:
            at = (
                f"from token {count(self.top + 1)} of {count(total)}" if self.max_scroll_y else f"{count(total)} tokens"
            )
            said = f"{at} · {self.note}" if self.note else at
        else:
            said = said_of(self.spelled, self.cursor, self._cached)
        width = max(1, self.size.width - 6)
        self.border_subtitle = Content(fit(said, min(width, len(said))))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "part" or self._parting is not None

    def action_edges(self) -> None:
        self.edges = EDGES[(EDGES.index(self.edges) + 1) % len(EDGES)]
        self._lay_out()

    def action_step(self, by: int) -> None:
        spelled = self.spelled
        if not spelled.texts:
            return
        piece = spelled.piece_at(self.cursor) + by if self.cursor is not None else spelled.piece_at(self.top)
        self._point(spelled.starts[max(0, min(piece, len(spelled.texts) - 1))])

    def action_jump(self, by: int) -> None:
        here = self.cursor if self.cursor is not None else self.top
        marks = self.spelled.landmarks()
        ahead = [mark for mark in marks if mark > here] if by > 0 else [mark for mark in reversed(marks) if mark < here]
        if ahead:
            self._point(ahead[0], top=True)

    def action_part(self) -> None:
        if self._parting is not None and self.spelled.texts:
            self._point(min(self._parting, self.spelled.tokens - 1), top=True)

    def find(self, words: str, by: int) -> bool:
        """Go to the next place where this is said, or the one before; False: it is not said."""
        here = self.spelled.piece_at(self.top) - (by > 0) if self.cursor is None else self.spelled.piece_at(self.cursor)
        found = self.spelled.find(words, here, by) if self.spelled.texts else None
        if found is not None:
            self._point(self.spelled.starts[found])
        return found is not None

    def _point(self, token: int, top: bool = False) -> None:
        """Move the cursor there, and what can be seen with it."""
        self.cursor = token
        piece = self.spelled.piece_at(token)
        if self._flow.pieces <= piece:
            self._grow(piece)
        row, seen = self._flow.row_of(piece), self.scroll_offset.y
        if top or not seen <= row < seen + self.scrollable_content_region.height:
            self.scroll_to(y=max(0, row - 2), animate=False)
        self._tell()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        row = place.y + self.scroll_offset.y if place else -1
        if place is None or not 0 <= row < len(self._flow.rows):
            return
        parts, x = self._flow.rows[row], place.x - self._gutter
        for piece, text in parts if isinstance(parts, list) else ():
            x -= len(one_line(text)) + (1 if self.edges == "marks" else 0)
            if x < 0:
                self._point(self.spelled.starts[piece])
                return

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        base = self.rich_style
        if index >= len(self._flow.rows):
            return Strip.blank(self._room, base)
        row = self._flow.rows[index]
        if isinstance(row, tuple):
            return to_strip(self, row, self._room, base)
        segments = [*self._margin(index, row, base), *self._tokens(row, base)]
        return Strip(segments).crop_extend(0, self._room, base)

    def _margin(self, index: int, row: list[Part], base: Style) -> list[Segment]:
        """Whose words these are, and whether they came from the cache."""
        width = self._gutter
        if not width:
            return []
        place = self._field_in(row)
        before = self._flow.rows[index - 1] if index else ()
        begins = place is not None and (isinstance(before, tuple) or self._field_in(before) != place)
        tone: Tone = ROLES.get(place.role, "head") if place else "dim"
        label = _label(place, width - 3) if place and begins else ("│" if place else "")
        start = self.spelled.starts[row[0][0]]
        known: tuple[str, Tone] = ("█", "good") if start < (self._cached or 0) else ("░", "dim")
        if self.done is not None and start >= self.done:
            known = (" ", "")
        glyph, glyph_tone = known if self._cached is not None else (" ", "")
        return [
            Segment(fit(label, width - 3, right=True) + " ", base + tone_style(self, tone)),
            Segment(glyph, base + tone_style(self, glyph_tone)),
            Segment(" ", base),
        ]

    def _field_in(self, row: Sequence[Any]) -> Field | None:
        found = (self.spelled.field_at(self.spelled.starts[piece]) for piece, _ in row)
        return next((place for place in found if place), None)

    def _tokens(self, row: list[Part], base: Style) -> list[Segment]:
        spelled, segments = self.spelled, []
        pointed = spelled.piece_at(self.cursor) if self.cursor is not None else -1
        for number, (piece, text) in enumerate(row):
            style = base + self._shade(piece)
            if text in (FEED, NOTHING) or text.startswith(TAB.strip()):
                style += tone_style(self, "dim")
            elif spelled.is_special(piece):
                style += tone_style(self, "accent") + Style(bold=True)
            if piece == pointed:
                style += Style(reverse=True)
            if number and self.edges == "marks":
                segments.append(Segment(MARK if row[number - 1][0] != piece else " ", base + tone_style(self, "dim")))
            segments.append(Segment(one_line(text), style))
        return segments

    def _shade(self, piece: int) -> Style:
        if self.edges != "shades":
            return Style.null()
        kind = "cached-" if self.spelled.starts[piece] < (self._cached or 0) else ""
        return _behind(self.get_component_rich_style(f"token--{kind}{('even', 'odd')[piece % 2]}"))


@lru_cache
def _behind(style: Style) -> Style:
    """Only what is behind the letters, and the line under them where there are no colours."""
    return Style(bgcolor=style.bgcolor, underline=style.underline)


def _label(place: Field, width: int) -> str:
    """user 3, assistant 4, tool 5; where there is little room only the first letter."""
    number = place.path.partition("[")[2].partition("]")[0]
    name = place.role if len(place.role) + len(number) < width else place.role[: max(1, width - len(number) - 1)]
    return f"{name} {number}" if width > 4 else place.role[:1].upper()
