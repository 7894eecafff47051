"""Which rows the table shows and in what order: the filter a person typed, and the sort key. Pure.

`decode` finds text, `!zed` excludes it, `state:decode client:zed !model:tiny` look at one field; all words must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    "arrival": lambda row, now: 0.0,  # sorting is stable: as they come
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
    return lambda row: any(text in value(row).lower() for value in values) == wanted


def chosen(state: State, query: str, sort: str, now: float) -> list[Row]:
    """Live rows, then finished ones, newest first; each group filtered and sorted."""
    matches = matcher(query, FIELDS) if query.strip() else None
    return [
        *_ordered(state.requests.values(), matches, sort, now),
        *_ordered(reversed(state.finished), matches, sort, now),
    ]


def _ordered(rows: Iterable[Row], matches: Predicate[Row] | None, sort: str, now: float) -> list[Row]:
    kept = [row for row in rows if matches is None or matches(row)]
    return sorted(kept, key=lambda row: SORTS[sort](row, now))
