"""What lies on disk: the tables, their version, and how a connection to them is opened. Knows no HTTP and no threads.

Rows hold the wire's JSON as text: what a client got is what it gets again, whatever version wrote it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from pathlib import Path

from mlxtui.errors import UserError

log = logging.getLogger(__name__)

VERSION = 1
BUSY = 5.0
"""Seconds to wait for another process that writes: a second server on the same home, or `mlxtui responses delete`."""

_TABLES = """
CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    used REAL NOT NULL,
    metadata TEXT NOT NULL
) STRICT;
CREATE TABLE conversation_items (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    id TEXT NOT NULL,
    item TEXT NOT NULL,
    UNIQUE (owner, id)
) STRICT;
CREATE TABLE responses (
    id TEXT PRIMARY KEY,
    previous TEXT,
    root TEXT NOT NULL,
    conversation TEXT REFERENCES conversations ON DELETE SET NULL,
    status TEXT NOT NULL,
    owner TEXT NOT NULL,
    created INTEGER NOT NULL,
    used REAL NOT NULL,
    request TEXT NOT NULL,
    object TEXT NOT NULL
) STRICT;
CREATE INDEX responses_of_a_chain ON responses (root, used);
CREATE INDEX responses_by_conversation ON responses (conversation);
CREATE TABLE response_items (
    owner TEXT NOT NULL REFERENCES responses ON DELETE CASCADE,
    output INTEGER NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    item TEXT NOT NULL,
    PRIMARY KEY (owner, output, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX response_items_by_id ON response_items (id);
CREATE TABLE events (
    owner TEXT PRIMARY KEY REFERENCES responses ON DELETE CASCADE,
    lines BLOB NOT NULL
) STRICT;
"""


def connect(path: Path | None) -> sqlite3.Connection:
    """A connection that may write; None: a store that is gone with the process. A damaged file is put aside.

    Commits are handed to the system, not waited for on the disk (synchronous=NORMAL): a killed process loses nothing.
    Who loses power finds a sound file without its last turns, as FULL would have it on macOS, whose fsync does not
    reach the disk either. FULL holds up every first token and every reader behind it: 7 ms at the median, not 0.3.

    Raises:
        UserError: the file can't be opened, or a newer mlxtui has written it.
    """
    if path is None:
        return _prepared(":memory:")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _prepared(str(path))
        except sqlite3.DatabaseError as error:
            if not damaged(error):
                raise
            put_aside(path, error)
            return _prepared(str(path))
    except (sqlite3.Error, OSError) as error:
        raise UserError(f"can't open the store {path}: {error}; name another file with --store") from error


def damaged(error: sqlite3.Error) -> bool:
    """Whether it says that the file is no database, or one no longer. Extended codes hold the plain one below."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that can change nothing, also while a server writes.

    Raises:
        UserError: there is no store, or it can't be read.
    """
    if not path.exists():
        raise UserError(f"there is no store at {path}: no server has kept a response there yet (--store names another)")
    try:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY)
    except sqlite3.Error as error:
        raise UserError(f"can't read the store {path}: {error}") from error


def _prepared(name: str) -> sqlite3.Connection:
    """For its owner only: what people say to a model is theirs."""
    if name != ":memory:":
        os.close(os.open(name, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(name, timeout=BUSY, isolation_level="IMMEDIATE", check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    """Two servers may come here at once: the one that holds the lock writes the tables, the other one finds them."""
    connection.execute("BEGIN IMMEDIATE")
    [found] = connection.execute("PRAGMA user_version").fetchone()
    if found > VERSION:
        raise UserError(f"the store was written by a newer mlxtui (version {found}, this one knows {VERSION}): update")
    if found == 0:
        for statement in _TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.commit()


def put_aside(path: Path, error: sqlite3.Error) -> None:
    """Kept for whoever wants to save something from it, with its journal."""
    aside = f"{path.name}.damaged-{int(time.time())}"
    log.error("the store %s is damaged (%s): it is kept as %s and an empty one is begun", path, error, aside)
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(path.with_name(aside + ending))
