"""Responses on disk: each with its input, its output and the events of its stream. Called on the store's own thread.

A chain of `previous_response_id` shares its `root`: it is kept as long as any turn of it is used, and goes as a whole.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from sqlite3 import Connection
from typing import Any

import psutil

from mlxtui.store import conversations
from mlxtui.store.items import Item, read, text

PENDING = ("queued", "in_progress")
CHAIN = """WITH RECURSIVE chain (id, previous, depth) AS (
    SELECT id, previous, 0 FROM responses WHERE id = ?
    UNION ALL SELECT r.id, r.previous, depth + 1 FROM responses r JOIN chain ON r.id = chain.previous)"""
CUT = "the server ended before this response did; ask again"


@dataclass(frozen=True, slots=True)
class Kept:
    """A response as it is written; `object` is the wire's, with id, status, output and previous_response_id."""

    object: Mapping[str, Any]
    request: Mapping[str, Any] = field(default_factory=dict)
    input: Sequence[Item] = ()
    conversation: str | None = None
    events: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list."""

    id: str
    status: str
    created: int
    model: str
    previous: str | None
    conversation: str | None


@dataclass(frozen=True, slots=True)
class History:
    """All turns up to a response, oldest first. `missing` is an earlier turn that has been deleted since."""

    status: str
    items: tuple[dict[str, Any], ...]
    missing: str | None = None


def put(db: Connection, kept: Kept) -> None:
    """Write a response as it begins, and again as it ends: then its items join its conversation, if that still is."""
    thing = kept.object
    id, previous = thing["id"], thing["previous_response_id"]
    row = {
        "id": id,
        "previous": previous,
        "root": (db.execute("SELECT root FROM responses WHERE id = ?", (previous,)).fetchone() or (id,))[0],
        "conversation": kept.conversation if kept.conversation and conversations.use(db, kept.conversation) else None,
        "status": thing["status"],
        "owner": owner(),
        "created": thing["created_at"],
        "used": time.time(),
        "request": text(kept.request),
        "object": text({**thing, "output": []}),
    }
    db.execute(
        f"""INSERT INTO responses ({", ".join(row)}) VALUES ({", ".join(":" + name for name in row)})
        ON CONFLICT (id) DO UPDATE SET status = excluded.status, used = excluded.used, object = excluded.object""",
        row,
    )
    for output, items in ((0, kept.input), (1, thing["output"])):
        rows = ((id, output, position, item["id"], text(item)) for position, item in enumerate(items))
        db.executemany("INSERT OR IGNORE INTO response_items VALUES (?, ?, ?, ?, ?)", rows)
    if kept.events:
        lines = "\n".join(map(text, kept.events))
        db.execute("INSERT OR REPLACE INTO events VALUES (?, ?)", (id, zlib.compress(lines.encode(), 1)))
    if kept.conversation and thing["status"] in ("completed", "incomplete"):
        conversations.add(db, kept.conversation, [*kept.input, *thing["output"]])


def get(db: Connection, id: str) -> dict[str, Any] | None:
    """The response object; one that nobody works on any more reads as failed."""
    row = db.execute("SELECT object, status, owner FROM responses WHERE id = ?", (id,)).fetchone()
    if row is None:
        return None
    output = db.execute("SELECT item FROM response_items WHERE owner = ? AND output ORDER BY position", (id,))
    found: dict[str, Any] = json.loads(row[0]) | {"output": read(output)}
    return _cut(found) if row[1] in PENDING and not _works_on_it(row[2]) else found


def request(db: Connection, id: str) -> dict[str, Any] | None:
    """The body that asked for the response."""
    row = db.execute("SELECT request FROM responses WHERE id = ?", (id,)).fetchone()
    return dict(json.loads(row[0])) if row else None


def inputs(db: Connection, id: str) -> list[dict[str, Any]]:
    return read(db.execute("SELECT item FROM response_items WHERE owner = ? AND NOT output ORDER BY position", (id,)))


def events(db: Connection, id: str, after: int) -> list[dict[str, Any]] | None:
    """The events of its stream with a sequence number above `after`; None: it was not streamed, or cut off."""
    row = db.execute("SELECT lines FROM events WHERE owner = ?", (id,)).fetchone()
    if row is None:
        return None
    return [json.loads(line) for line in zlib.decompress(row[0]).decode().split("\n")[max(0, after + 1) :]]


def history(db: Connection, id: str) -> History | None:
    row = db.execute("SELECT status, owner FROM responses WHERE id = ?", (id,)).fetchone()
    if row is None:
        return None
    [oldest] = db.execute(f"{CHAIN} SELECT previous FROM chain ORDER BY depth DESC LIMIT 1", (id,)).fetchone()
    query = f"""{CHAIN} SELECT item FROM chain CROSS JOIN response_items ON owner = chain.id
        ORDER BY depth DESC, output, position"""
    return History(_status(*row), tuple(read(db.execute(query, (id,)))), oldest)


def chain(db: Connection, id: str) -> list[str]:
    """The response and those before it, the latest first, as far as they are there."""
    return [found for (found,) in db.execute(f"{CHAIN} SELECT id FROM chain ORDER BY depth", (id,))]


def find_items(db: Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Items of any response or conversation by their id."""
    found = {}
    for id in ids:
        query = """SELECT item FROM response_items WHERE id = ?1
            UNION ALL SELECT item FROM conversation_items WHERE id = ?1 LIMIT 1"""
        if row := db.execute(query, (id,)).fetchone():
            found[id] = json.loads(row[0])
    return found


def delete(db: Connection, id: str) -> bool:
    """False: there was none."""
    return db.execute("DELETE FROM responses WHERE id = ?", (id,)).rowcount > 0


def listed(db: Connection, limit: int) -> list[Summary]:
    """The newest first."""
    query = """SELECT status, owner, id, created, coalesce(json_extract(object, '$.model'), ''), previous, conversation
        FROM responses ORDER BY created DESC, rowid DESC LIMIT ?"""
    return [Summary(id, _status(status, by), *row) for status, by, id, *row in db.execute(query, (limit,))]


def recover(db: Connection) -> int:
    """Mark as failed what a server that is gone has left unfinished; returns how many."""
    rows = db.execute("SELECT id, owner FROM responses WHERE status IN (?, ?)", PENDING).fetchall()
    cut = [id for id, by in rows if by == owner() or not _works_on_it(by)]
    for id in cut:
        [thing] = db.execute("SELECT object FROM responses WHERE id = ?", (id,)).fetchone()
        failed = text(_cut(json.loads(thing)))
        db.execute("UPDATE responses SET status = 'failed', object = ? WHERE id = ?", (failed, id))
    return len(cut)


def _status(status: str, by: str) -> str:
    """What another process left unfinished has failed, as `get` says; this one may still be at it."""
    return "failed" if status in PENDING and by != owner() and not _works_on_it(by) else status


def _cut(thing: dict[str, Any]) -> dict[str, Any]:
    return thing | {"status": "failed", "error": {"code": "server_error", "message": CUT}}


@cache
def owner() -> str:
    """This process by its id and its start: ids are used again, in containers the very same one."""
    return f"{psutil.Process().pid}@{psutil.Process().create_time():.2f}"


def _works_on_it(by: str) -> bool:
    """Another server on the same store. What this process works on is asked of its routes, before the store."""
    if by == owner():
        return False
    try:
        return f"{psutil.Process(int(by.partition('@')[0])).create_time():.2f}" == by.partition("@")[2]
    except psutil.NoSuchProcess:
        return False
