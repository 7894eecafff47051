"""What the model really emitted, for whoever looks: pieces of text and their token ids, markup and all. Bounded.

It takes an engine's Pieces as they come and knows nothing of what they mean.
"""

from __future__ import annotations

from array import array

from mlxtui.engine.interface import Piece

MOST = 100_000
"""Tokens that are kept of one answer."""
_EACH = 80
"""Bytes that one kept piece takes up, about."""


class Raw:
    """`ids` are those of all pieces in a row, `counts` how many belong to each; `left_out` tokens were too many."""

    def __init__(self, most: int = MOST) -> None:
        self.texts: list[str] = []
        self.ids = array("I")
        self.counts = array("I")
        self.left_out = 0
        self._most = most

    def take(self, piece: Piece) -> None:
        if len(self.ids) + len(piece.tokens) > self._most:
            self.left_out += len(piece.tokens)
            return
        self.texts.append(piece.text)
        self.ids.extend(piece.tokens)
        self.counts.append(len(piece.tokens))

    def since(self, at: int) -> list[tuple[str, int]]:
        """The pieces from number `at` on: each text and how many tokens it took."""
        return list(zip(self.texts[at:], self.counts[at:], strict=True))

    @property
    def nbytes(self) -> int:
        return len(self.texts) * _EACH
