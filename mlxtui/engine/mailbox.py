"""What has arrived for one job and was not yet taken: put by the engine's reader, taken by the job's consumer."""

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
