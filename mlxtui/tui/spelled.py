"""Tokens as the server spells them, with what is known of each: where it stands, what field it is of, if it was cached.

The JSON of GET /mlxtui/requests/{id}/prompt and /raw comes in; values to lay out and look up go out. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from mlxtui.tui.figures import count
from mlxtui.tui.text import match_of


class Field(NamedTuple):
    """Tokens [start, end) are what `path` of the request became; `role` is its message's, or "tools"."""

    start: int
    end: int
    path: str
    role: str


@dataclass(slots=True)
class Spelled:
    """Pieces of text, each of one token or of the few that make up one character; `starts` has the number of each
    piece's first token, and one more: how many tokens there are.
    """

    texts: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    ids: list[int] = field(default_factory=list)
    special: frozenset[int] = frozenset()
    fields: tuple[Field, ...] = ()
    _pending: int = 0

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Spelled:
        """Raises:
        ValueError: it is not what this version of the server says.
        """
        try:
            starts = [0, *accumulate(int(count) for count in told["counts"])]
            fields = sorted(Field(*place) for place in told.get("fields", ()))
            texts = [str(text) for text in told["texts"]]
            return cls(texts, starts, [*told["ids"]], frozenset(told["special"]), tuple(fields))
        except (KeyError, TypeError) as error:
            raise ValueError(f"the server tells tokens in a way this version does not know: {error!r}") from error

    @property
    def tokens(self) -> int:
        return self.starts[-1]

    def add(self, pieces: Iterable[tuple[str, int]]) -> None:
        """Further pieces, as they come: text and number of tokens; without text they belong to the next with some."""
        for text, tokens in pieces:
            self._pending += tokens
            if text:
                self.texts.append(text)
                self.starts.append(self.starts[-1] + self._pending)
                self._pending = 0

    def piece_at(self, token: int) -> int:
        """The piece that this token is in; the last one for what is beyond it."""
        return max(0, min(bisect_right(self.starts, token), len(self.texts)) - 1)

    def is_special(self, piece: int) -> bool:
        start = self.starts[piece]
        return start < len(self.ids) and self.starts[piece + 1] - start == 1 and self.ids[start] in self.special

    def field_at(self, token: int) -> Field | None:
        """The innermost field that this token is of."""
        at = bisect_right(self.fields, token, key=lambda place: place.start)
        return next((place for place in reversed(self.fields[max(0, at - 4) : at]) if token < place.end), None)

    def find(self, words: str, piece: int, by: int) -> int | None:
        """The next piece after this one in which these words begin, or the one before; around the ends."""
        begins = [0, *accumulate(map(len, self.texts))]
        place = match_of(words, "".join(self.texts), begins[piece + 1] - 1 if by > 0 else begins[piece], by)
        return None if place is None else bisect_right(begins, place) - 1

    def landmarks(self) -> list[int]:
        """The first tokens of the messages and tools, in order."""
        starts = [place.start for place in self.fields]
        return starts[:1] + [start for before, start in pairwise(starts) if start != before]


def said_of(spelled: Spelled, token: int, cached: int | None) -> str:
    """All that is known of one token, in a line."""
    piece = spelled.piece_at(token)
    parts = [f"token {count(token + 1)} of {count(spelled.tokens)}"]
    if token < len(spelled.ids):
        parts.append(f"id {spelled.ids[token]}")
    parts.append(repr(spelled.texts[piece]))
    if (several := spelled.starts[piece + 1] - spelled.starts[piece]) > 1:
        parts.append(f"{several} tokens make this character")
    if place := spelled.field_at(token):
        parts.append(place.path)
    if cached is not None:
        parts.append("cached" if token < cached else "computed")
    return " · ".join(parts)
