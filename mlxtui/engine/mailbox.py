"""What has arrived for a job and was not yet taken: put by the engine's reader, taken by the job's consumer."""

from __future__ import annotations

import asyncio
import time

from mlxtui.engine.interface import Output
from mlxtui.errors import ApiError


class Mailbox:
    """Never waits for its consumer; it can't hold more than the job's own answer."""

    def __init__(self) -> None:
        self.opened = time.monotonic()
        self._items: list[Output] = []
        self._error: ApiError | None = None
        self._arrived = asyncio.Event()

    def put(self, output: Output) -> None:
        self._items.append(output)
        self._arrived.set()

    def fail(self, error: ApiError) -> None:
        self._error = error
        self._arrived.set()

    async def take(self) -> tuple[Output, ...]:
        """All that is there, at least one; really suspends each time, so that one busy stream can't starve the loop.

        Raises:
            ApiError: what `fail` was given, once everything that came before it is taken.
        """
        if self._arrived.is_set():
            await asyncio.sleep(0)
        await self._arrived.wait()
        if not self._items and self._error:
            raise self._error
        if not self._error:
            self._arrived.clear()
        taken, self._items = tuple(self._items), []
        return taken


class Mailboxes:
    """Those of all jobs in flight, by job. What comes for a job that has left is dropped."""

    def __init__(self) -> None:
        self._open: dict[str, Mailbox] = {}
        self._left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, job: str) -> bool:
        return job in self._open

    def open(self, job: str) -> Mailbox:
        mailbox = self._open[job] = Mailbox()
        return mailbox

    def close(self, job: str) -> None:
        self._open.pop(job, None)
        self._left.set()

    def put(self, output: Output) -> None:
        if mailbox := self._open.get(output.id):
            mailbox.put(output)

    def fail(self, job: str, error: ApiError) -> None:
        if mailbox := self._open.get(job):
            mailbox.fail(error)

    def fail_all(self, error: ApiError) -> None:
        for mailbox in self._open.values():
            mailbox.fail(error)

    def oldest(self) -> float | None:
        """`time.monotonic` when the oldest was opened; None: there is none."""
        return min((mailbox.opened for mailbox in self._open.values()), default=None)

    async def all_closed(self) -> None:
        while self._open:
            self._left.clear()
            await self._left.wait()
