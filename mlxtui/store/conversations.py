"""Conversations on disk: metadata and a growing list of items. Called on the store's own thread."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from mlxtui.store.items import Item, read, text


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    created: int
    metadata: Mapping[str, Any]


def create(db: Connection, conversation: Conversation, items: Sequence[Item]) -> None:
    row = (conversation.id, conversation.created, time.time(), text(conversation.metadata))
    db.execute("INSERT INTO conversations VALUES (?, ?, ?, ?)", row)
    add(db, conversation.id, items)


def get(db: Connection, id: str) -> Conversation | None:
    row = db.execute("SELECT id, created, metadata FROM conversations WHERE id = ?", (id,)).fetchone()
    return row and Conversation(row[0], row[1], json.loads(row[2]))


def update(db: Connection, id: str, metadata: Mapping[str, Any]) -> Conversation | None:
    row = (text(metadata), time.time(), id)
    db.execute("UPDATE conversations SET metadata = ?, used = ? WHERE id = ?", row)
    return get(db, id)


def delete(db: Connection, id: str) -> bool:
    """False: there was none. Its responses stay, as OpenAI has it."""
    return db.execute("DELETE FROM conversations WHERE id = ?", (id,)).rowcount > 0


def add(db: Connection, id: str, items: Sequence[Item]) -> bool:
    """Append items; one with an id that the conversation has already is left as it is. False: no such conversation."""
    if not use(db, id):
        return False
    rows = ((id, item["id"], text(item)) for item in items)
    db.executemany("INSERT OR IGNORE INTO conversation_items (owner, id, item) VALUES (?, ?, ?)", rows)
    return True


def added(db: Connection, id: str, items: Sequence[Item]) -> tuple[dict[str, Any], ...] | None:
    """`add` them, and return each as it is kept from now on; None: no such conversation."""
    if not add(db, id, items):
        return None
    return tuple(kept for one in items if (kept := item(db, id, one["id"])))


def use(db: Connection, id: str) -> bool:
    """Keep it from being swept for another while. False: no such conversation."""
    return db.execute("UPDATE conversations SET used = ? WHERE id = ?", (time.time(), id)).rowcount > 0


def items(db: Connection, id: str) -> list[dict[str, Any]] | None:
    """All of them, oldest first; None: no such conversation."""
    if get(db, id) is None:
        return None
    return read(db.execute("SELECT item FROM conversation_items WHERE owner = ? ORDER BY position", (id,)))


def item(db: Connection, id: str, item_id: str) -> dict[str, Any] | None:
    row = db.execute("SELECT item FROM conversation_items WHERE owner = ? AND id = ?", (id, item_id)).fetchone()
    return dict(json.loads(row[0])) if row else None


def delete_item(db: Connection, id: str, item_id: str) -> bool:
    return db.execute("DELETE FROM conversation_items WHERE owner = ? AND id = ?", (id, item_id)).rowcount > 0
