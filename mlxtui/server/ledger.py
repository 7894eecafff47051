"""The exchanges of this server: those under way and the last ones that ended, bounded in number and bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from mlxtui.errors import Unavailable
from mlxtui.events import Event
from mlxtui.server.exchange import Exchange

KEPT_BYTES = 64 << 20


class Ledger:
    """The exchanges that are under way and the last ones that ended."""

    def __init__(self, publish: Callable[[Event], None], kept: int, kept_bytes: int = KEPT_BYTES) -> None:
        self.closing = False
        self._publish = publish
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._exchanges: dict[str, Exchange] = {}
        self._open: list[Exchange] = []  # that were not over when last looked at
        self._over: deque[tuple[Exchange, int]] = deque()  # with their bytes then
        self._bytes = 0

    def open(self, endpoint: str, client: str, raw: bytes, id: str = "") -> Exchange:
        """A new exchange; a replayed one keeps the `id` it was recorded under.

        Raises:
            Unavailable: the server is shutting down.
        """
        if self.closing:
            raise Unavailable("the server is shutting down", code="shutting_down", retry_after=5)
        exchange = Exchange(endpoint, client, raw, self._publish, id)
        self._exchanges[exchange.id] = exchange
        self._open.append(exchange)
        self._forget_old()
        return exchange

    def get(self, id: str) -> Exchange | None:
        if not self._kept:
            self._forget_old()
        return self._exchanges.get(id)

    def live(self) -> list[Exchange]:
        return [exchange for exchange in self._open if not exchange.over]

    async def drain(self, grace: float) -> None:
        """Take nothing new, let what runs finish for `grace` seconds, then end the rest with an error in band."""
        self.closing = True
        try:
            async with asyncio.timeout(grace):
                await self._all_ended()
        except TimeoutError:
            for exchange in self.live():
                exchange.cancel(Unavailable("the server is shutting down", code="shutting_down", retry_after=5))
            await self._all_ended()

    async def _all_ended(self) -> None:
        for exchange in self.live():
            await exchange.ended()

    def _forget_old(self) -> None:
        ended = [exchange for exchange in self._open if exchange.over]
        self._open = self.live()
        self._over += [(exchange, exchange.size) for exchange in ended]
        self._bytes += sum(exchange.size for exchange in ended)
        while self._over and (len(self._over) > self._kept or self._bytes > self._kept_bytes):
            oldest, size = self._over.popleft()
            self._bytes -= size
            if self._exchanges.get(oldest.id) is oldest:  # a replayed one comes again under the same id
                del self._exchanges[oldest.id]
