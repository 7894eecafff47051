"""The store: one SQLite file, one thread that reads and writes it, and an async face for the server.

Work (the functions of `responses`, `conversations`, ...) goes in and runs there as one transaction; its result comes
out, or an ApiError that says what to do. The event loop never waits for the disk.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from mlxtui.errors import ApiError, Unavailable
from mlxtui.store import responses, retention
from mlxtui.store.schema import connect, damaged, put_aside
from mlxtui.store.secret import secret

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

SWEEPS = 60.0
"""Seconds between two sweeps, at most."""


@dataclass(frozen=True, slots=True)
class Retention:
    """`ttl` in seconds, infinite: for ever. `archive` is the directory that gets what is swept, None: nothing does."""

    ttl: float = math.inf
    archive: Path | None = None


class Store:
    """Opened with its first work, or by `open`; `close` ends its thread after all work that was given to it."""

    def __init__(self, path: Path | None = None, retention: Retention | None = None) -> None:
        """`path` None: kept in memory only."""
        self.path = path
        self.secret = secret(path.with_suffix(".secret")) if path else os.urandom(32)
        self._retention = retention or Retention()
        self._thread = ThreadPoolExecutor(1, "mlxtui-store")
        self._connection: sqlite3.Connection | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Settle what an earlier server left unfinished, and sweep, now and from time to time.

        Raises:
            UserError: the file can't be opened.
        """
        try:
            if cut := await self.run(responses.recover):
                log.warning("%d responses were cut off by the end of the last server: they have failed", cut)
        except ApiError:  # `run` has logged it: there is no room, say; they read as failed all the same
            log.warning("what the last server left unfinished can't be marked as failed")
        if self._retention.ttl < math.inf:
            await self._sweep()
            self._sweeper = asyncio.create_task(self._keep_swept(), name="store sweeper")

    async def run(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`work(connection, ...)` on the store's thread, as one transaction: all of it is on the disk, or nothing.

        Raises:
            ApiError: the store can't do it (503: full, locked, unreadable; 500: damaged).
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: self._do(lambda db: work(db, *args, **kwargs)))

    async def close(self) -> None:
        """May be called again."""
        if self._sweeper:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])
        self._sweeper = None
        await asyncio.to_thread(self._thread.shutdown)
        if self._connection:
            self._connection.close()
        self._connection = None

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._connection = self._connection or connect(self.path)
            with self._connection:
                return work(self._connection)
        except sqlite3.Error as error:
            failure = _failure(error)
            log.error("%s: %s", self.path, failure)
            if self.path and self._connection and damaged(error):
                self._connection.close()
                self._connection = None
                put_aside(self.path, error)
            raise failure from error

    async def _keep_swept(self) -> None:
        while True:
            await asyncio.sleep(min(SWEEPS, self._retention.ttl / 2))
            await self._sweep()

    async def _sweep(self) -> None:
        ttl = self._retention.ttl
        try:
            gone = await self.run(retention.sweep, time.time() - ttl, self._retention.archive)
            log.debug("%d chains and conversations were not used for %g s and are gone", gone, ttl)
        except OSError as error:
            log.error("nothing is swept, the archive %s can't be written: %s", self._retention.archive, error)
        except ApiError as error:  # `run` has logged it; the next sweep may find room
            log.debug("nothing is swept: %s", error)


def _failure(error: sqlite3.Error) -> ApiError:
    """What SQLite says, in words that tell what to do. Where the store lies is not for clients to know."""
    why = f"the store of responses can't be used ({error})"
    match getattr(error, "sqlite_errorname", "").split("_")[1:2]:
        case ["FULL" | "IOERR" | "NOMEM" | "TOOBIG"]:
            advice = 'make room on its disk, or send "store": false'
            return Unavailable(f"{why}: {advice}", code="store_full", retry_after=5)
        case ["BUSY" | "LOCKED"]:
            return Unavailable(f"{why}: another process holds it", code="store_locked", retry_after=1)
        case ["CORRUPT" | "NOTADB"]:
            return ApiError(f"{why}: an empty one is begun, see the server's log", code="store_damaged")
        case _:
            advice = "see the server's log, or start it with another --store"
            return Unavailable(f"{why}: {advice}", code="store_failed", retry_after=5)
