"""Tokens broken into rows for the screen: texts of tokens come in, as many as there are by now; rows of their parts go
out. Pure. A row ends at a line feed or where it is full, at a space if there is one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len

from mlxtui.tui.text import Line, one_line, wrapped

FEED, TAB, NOTHING = "⏎", "⇥   ", "∅"
SPACES = (" ", "\u3000", "⇥", FEED)

Part = tuple[int, str]
"""The number of a piece of text, and what of it stands in this row."""


class Flow:
    """`firsts` says of each row with which piece it begins; `notes` stand in rows of their own before a piece.

    With `gap`, that many cells are left between two pieces, for a mark.
    """

    def __init__(self, width: int, notes: Mapping[int, Sequence[Line]] | None = None, gap: int = 0) -> None:
        self.rows: list[list[Part] | Line] = []
        self.firsts: list[int] = []
        self.pieces = 0
        self._width = max(1, width)
        self._gap = gap
        self._notes = notes or {}
        self._open: list[Part] | None = None
        self._room = 0

    def feed(self, texts: Iterable[str]) -> None:
        """The texts of the next pieces."""
        for text in texts:
            if self.pieces in self._notes:
                self._note(self._notes[self.pieces])
            for number, line in enumerate(text.split("\n") if "\n" in text else (text,)):
                if number:
                    self._put(FEED)
                    self._open = None
                if line:
                    self._lay(line)
            if not text:
                self._put(NOTHING)
            self.pieces += 1

    def end(self) -> None:
        """No piece comes any more: what is noted for after the last one."""
        if self.pieces in self._notes:
            self._note(self._notes[self.pieces])

    def row_of(self, piece: int) -> int:
        """The row in which this piece begins, or what is noted before it."""
        at = bisect_right(self.firsts, piece) - 1
        while at > 0 and self.firsts[at - 1] == piece:
            at -= 1
        return max(0, at)

    def _note(self, lines: Sequence[Line]) -> None:
        self._open = None
        for line in lines:
            for row in wrapped(line, self._width):
                self.rows.append(row)
                self.firsts.append(self.pieces)

    def _lay(self, line: str) -> None:
        shown = one_line(line.replace("\t", TAB)) if "\t" in line else one_line(line)
        while (size := _cells(shown)) > self._width:
            cut = _fitting(shown, self._width)
            self._put(shown[:cut], self._width)
            shown = shown[cut:]
        if shown:
            self._put(shown, size)

    def _put(self, shown: str, size: int = 1) -> None:
        gap = self._gap if self._open else 0
        if self._open is None:
            self._begin([])
        elif size + gap > self._room:
            self._begin(self._broken(shown))
            gap = self._gap if self._open else 0
        assert self._open is not None
        self._open.append((self.pieces, shown))
        self._room -= size + gap

    def _begin(self, parts: list[Part]) -> None:
        self._open = parts
        self._room = self._width - sum(_cells(text) + self._gap for _, text in parts)
        self.rows.append(parts)
        self.firsts.append(parts[0][0] if parts else self.pieces)

    def _broken(self, coming: str) -> list[Part]:
        """The last word of the full row, which goes on with `coming`: it moves to the next row."""
        row = self._open or []
        if coming.startswith(SPACES) or row[-1][1].endswith(SPACES):
            return []
        taken = _cells(coming)
        for at in range(len(row) - 1, 0, -1):
            taken += _cells(row[at][1]) + self._gap
            if taken > self._width:
                return []
            if row[at][1].startswith(SPACES) or row[at - 1][1].endswith(SPACES):
                moved = row[at:]
                del row[at:]
                return moved
        return []


def _cells(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _fitting(text: str, width: int) -> int:
    """How many characters fill at most `width` cells; at least one."""
    taken = 0
    for count, char in enumerate(text):
        taken += _cells(char)
        if taken > width:
            return max(1, count)
    return len(text)
