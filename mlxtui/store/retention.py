"""What is kept no longer: chains and conversations that nobody has used for the time to live, archived when asked.

A chain goes as a whole, once its last turn is old enough: turn 50 never finds turn 1 gone.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from mlxtui.store import conversations, responses


def sweep(db: Connection, before: float, archive: Path | None) -> int:
    """Delete what was last used before that Unix time, and return how many it was. What can't be archived stays.

    Raises:
        OSError: the archive can't be written.
    """
    query = """SELECT root FROM responses GROUP BY root
        HAVING max(used) < ? AND NOT max(status IN (?, ?))"""  # what is under way is in use
    roots = [root for [root] in db.execute(query, (before, *responses.PENDING))]
    query = """SELECT id FROM conversations WHERE used < ? AND NOT EXISTS
        (SELECT 1 FROM responses WHERE conversation = conversations.id AND status IN (?, ?))"""
    idle = [id for [id] in db.execute(query, (before, *responses.PENDING))]
    for root in roots:
        if archive:
            _write(archive, root, chain(db, root))
        db.execute("DELETE FROM responses WHERE root = ?", (root,))
    for id in idle:
        if archive:
            _write(archive, id, conversation(db, id))
        conversations.delete(db, id)
    return len(roots) + len(idle)


def chain(db: Connection, root: str) -> dict[str, Any]:
    """All responses that go back to `root`, in order, as a person would read them."""
    ids = [id for [id] in db.execute("SELECT id FROM responses WHERE root = ? ORDER BY created, rowid", (root,))]
    return {"chain": root, "responses": [exported(db, id) for id in ids]}


def exported(db: Connection, id: str) -> dict[str, Any]:
    """One response with what was asked."""
    return {"request": responses.request(db, id), "input": responses.inputs(db, id), "response": responses.get(db, id)}


def conversation(db: Connection, id: str) -> dict[str, Any]:
    found = conversations.get(db, id)
    metadata = dict(found.metadata) if found else {}
    return {"conversation": id, "metadata": metadata, "items": conversations.items(db, id)}


def private(path: str, flags: int) -> int:
    """An `opener` of files for their owner only, as the store is."""
    return os.open(path, flags, 0o600)


def _write(archive: Path, id: str, content: dict[str, Any]) -> None:
    """Synced before the rows go, and never half: a full disk leaves no file that looks whole."""
    archive.mkdir(parents=True, exist_ok=True)
    day = datetime.now(UTC).date().isoformat()
    path = archive / f"{day}_{id}.json"
    draft = path.with_suffix(".part")
    with open(draft, "w", encoding="utf-8", opener=private) as file:
        json.dump(content, file, ensure_ascii=False, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
