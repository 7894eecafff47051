"""How many answers the small server gives at once, how many wait, and the counters it shows. Knows no HTTP."""

from __future__ import annotations

import asyncio

SLOTS = 2
QUEUE = 8


class Load:
    """The slots of one endpoint. `deaf` goes on waiting for clients that left."""

    def __init__(self, flags: frozenset[str]) -> None:
        self.slots = asyncio.Semaphore(1 if "serial" in flags else SLOTS)
        self.deaf = "deaf" in flags or "deaf-queue" in flags
        self.running = 0
        self.queued = 0
        self.answered = 0
        self.failed = 0

    @property
    def full(self) -> bool:
        return self.queued >= QUEUE

    async def turn(self, reader: asyncio.StreamReader) -> bool:
        """Whether a slot came free before the client left; `leave` gives it back."""
        self.queued += 1
        mine = asyncio.ensure_future(self.slots.acquire())
        gone = asyncio.ensure_future(reader.read(1))  # a client says no more: only its leaving wakes this
        try:
            await asyncio.wait((mine,) if self.deaf else (mine, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.queued -= 1
            gone.cancel()
            if not mine.done():
                mine.cancel()
        self.running += mine.done()
        return mine.done()

    def leave(self) -> None:
        self.running -= 1
        self.answered += 1
        self.slots.release()

    def metrics(self) -> bytes:
        """In the format of Prometheus."""
        return f"# TYPE requests_total counter\nrequests_total {self.answered}\nfailed_total {self.failed}\n".encode()
