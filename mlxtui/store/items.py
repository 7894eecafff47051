"""Items as both kinds of owner keep them: JSON text in rows with a position, read back whole or in pages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any, Literal

Item = Mapping[str, Any]
Order = Literal["asc", "desc"]
INPUT = "response_items WHERE output = 0 AND owner = ?"
CONVERSATION = "conversation_items WHERE owner = ?"


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the items; `more` come after the last one of them, in the order that was asked for."""

    items: tuple[dict[str, Any], ...]
    more: bool


def page(db: Connection, rows: str, owner: str, after: str | None, limit: int, order: Order) -> Page | None:
    """Up to `limit` of the `rows` (INPUT or CONVERSATION) of `owner`; None: `after` is none of them."""
    where, parameters = rows, [owner]
    if after is not None:
        found = db.execute(f"SELECT position FROM {rows} AND id = ?", (owner, after)).fetchone()
        if found is None:
            return None
        where, parameters = f"{rows} AND position {'>' if order == 'asc' else '<'} ?", [owner, found[0]]
    query = f"SELECT item FROM {where} ORDER BY position {'ASC' if order == 'asc' else 'DESC'} LIMIT ?"
    found = read(db.execute(query, (*parameters, limit + 1)))
    return Page(tuple(found[:limit]), len(found) > limit)


def read(rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """The items in the first column."""
    return [json.loads(row[0]) for row in rows]


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
