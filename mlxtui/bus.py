"""Where events meet: published once, folded into the one State, numbered, read by any number of subscribers.

Events come in; batches of a Snapshot and Numbered events go out. It does not know HTTP, SSE or who listens. One bounded
ring serves all subscribers, each with its own place in it: the publisher never waits, a slow reader skips ahead.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mlxtui.events import Event
from mlxtui.fold import fold
from mlxtui.state import State

RING = 4096


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole state as of event `id`, as `State.to_json` gives it."""

    id: int
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Numbered:
    id: int
    event: Event


Item = Snapshot | Numbered


class Bus:
    """Owned by one event loop: the running one it is made in, else the first one it is subscribed to in."""

    def __init__(self, ring: int = RING, last_id: int | None = None) -> None:
        """`last_id` by default is the time in ms, so that no id of an earlier server is ever met again."""
        self.state = State()
        self.last_id = int(time.time() * 1000) if last_id is None else last_id
        self.closed = False
        self._ring: deque[Numbered] = deque(maxlen=ring)
        self._subscribers: set[Subscription] = set()
        self._loop = _running_loop()

    def publish(self, event: Event) -> None:
        """Fold `event` and wake the subscribers; only on the owning loop's thread. Never waits, never raises."""
        fold(self.state, event)
        self.last_id += 1
        self._ring.append(Numbered(self.last_id, event))
        for subscriber in self._subscribers:
            subscriber.wake()

    def publish_threadsafe(self, event: Event) -> None:
        """`publish`, from any thread; an event that comes after the loop has ended is dropped."""
        if self._loop is None:
            raise RuntimeError("the bus has no event loop yet: make it inside one, or subscribe first")
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.publish, event)

    def subscribe(self, last_id: int | None = None, pace: float = 0.0, silence: float | None = None) -> Subscription:
        """A stream of batches: what was missed since `last_id` if that is still known, else a Snapshot first.

        `pace` is the least number of seconds between two batches: 200 engine steps a second then cost 20 writes.
        After `silence` seconds without an event comes an empty batch: time for a heartbeat.
        """
        self._loop = self._loop or _running_loop()
        return Subscription(self, last_id, pace, silence)

    def close(self) -> None:
        """End all subscriptions, once they have handed on what was published so far."""
        self.closed = True
        for subscriber in self._subscribers:
            subscriber.wake()

    def _since(self, last_id: int | None) -> list[Item]:
        """Everything after `last_id`, as events if all of them are still in the ring, else as a Snapshot."""
        missed = self.last_id - last_id if last_id is not None else -1
        if not 0 <= missed <= len(self._ring):
            return [Snapshot(self.last_id, self.state.to_json())]
        events: list[Item] = [*islice(reversed(self._ring), missed)]
        return events[::-1]


class Subscription:
    """`async for batch in subscription`; every iteration really suspends.

    Use it as a context manager, or call `close()`: the bus forgets it then.
    """

    def __init__(self, bus: Bus, last_id: int | None, pace: float, silence: float | None) -> None:
        self._bus = bus
        self._last_id = last_id
        self._pace = pace
        self._silence = silence
        self._woken = asyncio.Event()
        self._started = last_id is not None and last_id == bus.last_id
        bus._subscribers.add(self)

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        self._bus._subscribers.discard(self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> list[Item]:
        await asyncio.sleep(self._pace if self._started else 0)
        while self._started and self._last_id == self._bus.last_id:
            if self._bus.closed:
                self.close()
                raise StopAsyncIteration
            self._woken.clear()
            try:
                async with asyncio.timeout(self._silence):
                    await self._woken.wait()
            except TimeoutError:
                return []
        return self._take()

    def _take(self) -> list[Item]:
        self._started = True
        batch = self._bus._since(self._last_id)
        self._last_id = batch[-1].id
        return batch


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
