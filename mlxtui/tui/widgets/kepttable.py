"""The table of what the prompt cache keeps: one line an entry, in as many columns as fit, the last used first.

Values of `kept` come in; Opened goes out. It does not know where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.message import Message

from mlxtui.kept import Kept
from mlxtui.tui.figures import age, count, size
from mlxtui.tui.text import Line, Piece, fit
from mlxtui.tui.widgets.rows import Rows

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """`cell` of an entry and the present."""

    title: str
    width: int
    cell: Callable[[Kept, float], Piece]
    right: bool = True


def _pinned(kept: Kept, _: float) -> Piece:
    return ("◆ pinned", "accent") if kept.pinned else (("· disk", "dim") if kept.where == "disk" else ("● memory", ""))


COLUMNS = (
    Column("TOKENS", 8, lambda kept, _: (count(kept.tokens), "bold")),
    Column("HITS", 5, lambda kept, _: (count(kept.hits or None), "good" if kept.hits else "dim")),
    Column("BYTES", 8, lambda kept, _: (size(kept.nbytes), "")),
    Column("USED", 6, lambda kept, now: (age(now - kept.used), "")),
    Column("WHERE", 8, _pinned, right=False),
    Column("AGE", 6, lambda kept, now: (age(now - kept.created), "dim")),
    Column("CLIENT", 13, lambda kept, _: (kept.client or "-", ""), right=False),
)
OPENING = "BEGINS WITH"
_LEAST = 16  # cells for how the conversation begins, or nothing of it


def columns_for(width: int) -> tuple[list[Column], int]:
    """As many columns as fit beside some of the text, and the cells that are left for that."""
    chosen: list[Column] = []
    left = width
    for column in COLUMNS:
        if chosen and left - column.width - len(GAP) < _LEAST:
            break
        chosen.append(column)
        left -= column.width + len(GAP)
    return chosen, max(0, left)


class KeptTable(Rows[Kept]):
    class Opened(Message):
        def __init__(self, kept: Kept) -> None:
            super().__init__()
            self.kept = kept

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._now = 0.0

    def draw(self, rows: Sequence[Kept], now: float, empty: Sequence[Line] = ()) -> None:
        self._now = now
        self.show(rows, empty)

    def name_of(self, item: Kept) -> object:
        return item.id

    def head(self, width: int) -> Line:
        columns, left = columns_for(width)
        titles = [fit(column.title, column.width, column.right) for column in columns]
        return ((GAP.join([*titles, fit(OPENING, left)]), "head"),)

    def line_of(self, item: Kept, width: int) -> Line:
        columns, left = columns_for(width)
        line: list[Piece] = []
        for column in columns:
            text, tone = column.cell(item, self._now)
            line += [(fit(text, column.width, column.right), tone), (GAP, "")]
        return (*line, (fit(item.opening or "-", left), "dim"))

    def open(self, item: Kept) -> None:
        self.post_message(self.Opened(item))
