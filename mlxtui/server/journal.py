"""A list that grows until it ends, and any number of readers that follow it, each at its own pace.

Whoever writes it never waits for whoever reads it. It does not know what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Generic, TypeVar

from mlxtui.errors import ApiError

T = TypeVar("T")


class Journal(Generic[T]):
    """`entries` are all so far; `error` is why it ended, if it did not end well."""

    def __init__(self, entries: Iterable[T] = ()) -> None:
        self.entries = list(entries)
        self.error: ApiError | None = None
        self._ended = asyncio.Event()
        self._readers: set[asyncio.Event] = set()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def add(self, entries: Iterable[T]) -> None:
        self.entries.extend(entries)
        self._wake()

    def end(self, error: ApiError | None = None) -> None:
        self.error = error
        self._ended.set()
        self._wake()

    async def begun(self) -> None:
        """Wait for the first entry, or for the end without any.

        Raises:
            ApiError: why it ended without any.
        """
        async with aclosing(self.follow()) as batches:
            async for _ in batches:
                return

    async def over(self) -> None:
        """Wait for the end, whatever it is."""
        await self._ended.wait()

    async def follow(self, at: int = 0, silence: float | None = None) -> AsyncGenerator[tuple[T, ...], None]:
        """The entries from number `at` on, then those to come, in batches; an empty one after `silence` seconds.

        Raises:
            ApiError: `error`, after the last entry.
        """
        woken, loop = asyncio.Event(), asyncio.get_running_loop()
        self._readers.add(woken)
        try:
            while True:
                if at < len(self.entries):
                    batch = tuple(self.entries[at:])
                    at = len(self.entries)
                    yield batch
                elif self.error:
                    raise self.error
                elif self.ended:
                    return
                else:
                    woken.clear()
                    known = len(self.entries)
                    # Once a token and stream: `asyncio.timeout` would cost three times as much.
                    timer = loop.call_later(silence, woken.set) if silence is not None else None
                    await woken.wait()
                    if timer:
                        timer.cancel()
                    if len(self.entries) == known and not self.ended:
                        yield ()
        finally:
            self._readers.discard(woken)

    def _wake(self) -> None:
        for reader in self._readers:
            reader.set()
