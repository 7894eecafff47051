"""Which rows the table shows and in what order: the filter a person typed, and the sort key. Pure.

`decode` finds text, `!zed` excludes it, `state:decode client:zed !model:tiny` look at one field; all words must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from mlxtui.row import Row
from mlxtui.state import State

Item = TypeVar("Item")
Predicate = Callable[[Item], bool]

FIELDS: dict[str, Callable[[Row], str]] = {
    "id": lambda row: row.id,
    "state": lambda row: f"{row.state} {row.outcome or ''}",
    "client": lambda row: row.client,
    "model": lambda row: row.model,
    "endpoint": lambda row: row.endpoint,
    "status": lambda row: str(row.status or ""),
    "error": lambda row: row.error or "",
}

SORTS: dict[str, Callable[[Row, float], float]] = {
    "arrival": lambda row, now: 0.0,  # as they come
    "tok/s": lambda row, now: -(row.rate(now) or 0.0),
    "TTFT": lambda row, now: -(row.ttft or 0.0),
    "prompt": lambda row, now: -(row.prompt_tokens or 0),
    "out": lambda row, now: -row.completion_tokens,
    "duration": lambda row, now: -(row.total or now - row.received),
}


def matcher(query: str, fields: Mapping[str, Callable[[Item], str]]) -> Predicate[Item]:
    tests = [_word(word, fields) for word in query.lower().split()]
    return lambda row: all(test(row) for test in tests)


def _word(word: str, fields: Mapping[str, Callable[[Item], str]]) -> Predicate[Item]:
    wanted = not word.startswith("!")
    name, colon, text = word.removeprefix("!").partition(":")
    if not colon or name not in fields:
        name, text = "", word.removeprefix("!")
    if not text:
        return lambda row: True
    values = [fields[name]] if name else [*fields.values()]
    return lambda row: (text in "\n".join([value(row) for value in values]).lower()) == wanted


class Chooser:
    """What the filter says of a request that has ended it says again: only new ones are looked at."""

    def __init__(self) -> None:
        self._query = ""
        self._ended: dict[str, bool] = {}

    def chosen(self, state: State, query: str, sort: str, now: float) -> list[Row]:
        """Live rows, then finished ones, newest first; each group filtered and sorted."""
        live, ended = [*state.requests.values()], [*reversed(state.finished)]
        if query.strip():
            matches = matcher(query, FIELDS)
            known = self._ended if query == self._query else {}
            self._ended = {row.id: known[row.id] if row.id in known else matches(row) for row in ended}
            live, ended = [*filter(matches, live)], [row for row in ended if self._ended[row.id]]
        self._query = query
        return [*_ordered(live, sort, now), *_ordered(ended, sort, now)]


def _ordered(rows: list[Row], sort: str, now: float) -> list[Row]:
    return rows if sort == "arrival" else sorted(rows, key=lambda row: SORTS[sort](row, now))
