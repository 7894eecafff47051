"""One response on its way: the exchange's deltas go to the answer, whose events are logged, read and kept.

A Turn outlives its client where it runs in the background. Its last event is logged only after the store has the whole
response: what a client was told is there stays there. Any number of readers follow the log, each at its own pace.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from mlxtui.api.responses_answer import ResponseAnswer
from mlxtui.api.responses_events import Event
from mlxtui.errors import ApiError, Cancelled, EngineFailed
from mlxtui.server.exchange import Exchange, internal_error
from mlxtui.server.journal import Journal
from mlxtui.store import responses
from mlxtui.store.database import Store
from mlxtui.store.responses import Kept
from mlxtui.types import Finish

log = logging.getLogger(__name__)


class Turn:
    """`kept` says what is stored with the response, None: nothing is. `patience`: seconds of silence on the stream
    after which `response.in_progress` is said once more, for clients that count parsed events as a sign of life.
    """

    def __init__(
        self, exchange: Exchange, answer: ResponseAnswer, store: Store, kept: Kept | None, patience: float
    ) -> None:
        self.exchange = exchange
        self.kept = kept
        self.unkept: ApiError | None = None
        """Why the store has not got it."""
        self._answer = answer
        self._store = store
        self._patience = patience
        self._batches = exchange.follow(patience)
        self._events: Journal[Event] = Journal()
        self._said = time.monotonic()

    def to_json(self) -> dict[str, Any]:
        """The response as of now; what could not be stored does not say that it is."""
        found = self._answer.to_json()
        return found | {"store": False} if self.unkept else found

    async def run(self, opening: Sequence[Event]) -> None:
        """Until the exchange is over and the response stored. `opening` is said once the store knows of it."""
        await self._keep(opening)
        if self.unkept and self.exchange.background:
            self.exchange.cancel(self.unkept)  # nobody could ever fetch it
        self._say(opening)
        last = await self._answered()
        await self._keep(last)
        if self.unkept:
            last = [event | {"response": self.to_json()} if "response" in event else event for event in last]
        self._say(last)
        self._events.end()

    def follow(self, after: int = -1, silence: float | None = None) -> AsyncGenerator[tuple[Event, ...], None]:
        """The events after that sequence number, then those to come; an empty batch after `silence` seconds."""
        return self._events.follow(max(0, after + 1), silence)

    async def begun(self) -> None:
        """Wait until the store knows of it, or can't."""
        await self._events.begun()

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._events.over()

    async def _answered(self) -> list[Event]:
        """Log what comes; what comes with the end is returned."""
        try:
            self._say(self._answer.in_progress())
            return await self._followed()
        except Cancelled:
            return self._answer.cancel()
        except ApiError as error:
            return self._answer.fail(error)
        except Exception:
            log.exception("response %s broke the server's own code", self.exchange.id)
            self.exchange.cancel(internal_error())
            return self._answer.fail(internal_error())

    async def _followed(self) -> list[Event]:
        async with aclosing(self._batches) as batches:
            async for batch in batches:
                events = self._answer.feed(batch)
                if batch and isinstance(batch[-1], Finish):
                    return events
                if not events and time.monotonic() - self._said >= self._patience:
                    events = self._answer.in_progress()
                self._say(events)
        raise EngineFailed("the engine ended this response without finishing it")

    async def _keep(self, coming: Sequence[Event]) -> None:
        """A store that fails costs the response its place there, not the client its answer."""
        if self.kept is None:
            return
        try:
            now = replace(self.kept, object=self._answer.to_json(), events=[*self._events.entries, *coming])
            await self._store.run(responses.put, now)
            self.unkept = None
        except ApiError as error:
            self.unkept = error
        except Exception:
            log.exception("response %s can't be stored", self.exchange.id)
            self.unkept = internal_error()

    def _say(self, events: Sequence[Event]) -> None:
        if events:
            self._events.add(events)
            self._said = time.monotonic()


class Turns:
    """The responses that are under way, by id."""

    def __init__(self) -> None:
        self._live: dict[str, Turn] = {}

    def get(self, id: str) -> Turn | None:
        return self._live.get(id)

    def begin(self, turn: Turn, opening: Sequence[Event]) -> None:
        id = turn.to_json()["id"]
        task = asyncio.create_task(turn.run(opening), name=f"response {id}")
        self._live[id] = turn
        turn.exchange.keep(task)
        task.add_done_callback(lambda _: self._live.pop(id))
