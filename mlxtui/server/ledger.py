"""The exchanges of this server: those under way and the last ones that ended, bounded in number and bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
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
        self._exchanges: OrderedDict[str, Exchange] = OrderedDict()

    def open(self, endpoint: str, client: str, raw: bytes, id: str = "") -> Exchange:
        """A new exchange; a replayed one keeps the `id` it was recorded under.

        Raises:
            Unavailable: the server is shutting down.
        """
        if self.closing:
            raise Unavailable("the server is shutting down", code="shutting_down", retry_after=5)
        exchange = Exchange(endpoint, client, raw, self._publish, id)
        self._exchanges[exchange.id] = exchange
        self._forget_old()
        return exchange

    def get(self, id: str) -> Exchange | None:
        if not self._kept:
            self._forget_old()
        return self._exchanges.get(id)

    def live(self) -> list[Exchange]:
        return [exchange for exchange in self._exchanges.values() if not exchange.over]

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
        done = [exchange for exchange in self._exchanges.values() if exchange.over]
        size = sum(exchange.size for exchange in done)
        while done and (len(done) > self._kept or size > self._kept_bytes):
            oldest = done.pop(0)
            size -= oldest.size
            del self._exchanges[oldest.id]
