"""A client that leaves costs no step and loses nothing: its slot is free at once, a retry goes on where it stopped; and
who waits for the slot is served by priority. What the server's feed tells decides, no clock does."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from mlxtui.client import ServerClient
from mlxtui.events import EngineStep, Event, RequestFinished, RequestQueued, RequestReceived
from tests.e2e.server import Server, serving

FEW = 4
"""Steps that a worker may take between its waking up and its reader's hearing of the cancel; the scheduler itself frees
the slot at once, see tests/engine/test_scheduler.py."""


class Watch:
    """The server's feed from now on, and its worker's brakes."""

    def __init__(self, server: Server) -> None:
        self.server, self.events = server, list[Event]()
        self._came = asyncio.Event()

    async def read(self, joined: asyncio.Event) -> None:
        client = ServerClient(self.server.url)
        async with aclosing(client.follow()) as changes:
            async for change in changes:
                joined.set()
                if isinstance(change, Event):
                    self.events.append(change)
                    self._came.set()

    async def until(self, condition: Callable[[], Any]) -> Any:
        async with asyncio.timeout(60):
            while not (found := condition()):
                self._came.clear()
                await self._came.wait()
        return found

    def request(self, number: int) -> str:
        """The id of the request that came as the `number`th, "" before."""
        return ([event.id for event in self.events if isinstance(event, RequestReceived)] + [""] * 9)[number]

    def queued(self) -> int:
        return sum(isinstance(event, RequestQueued) for event in self.events)

    def prefills(self, id: str) -> list[tuple[int, int, int]]:
        """(done, total, cached) of each step."""
        steps = (event.prefills for event in self.events if isinstance(event, EngineStep))
        return [(p.done, p.total, p.cached) for prefills in steps for p in prefills if p.id == id]

    def decoded(self, id: str) -> int:
        steps = (event.decoded for event in self.events if isinstance(event, EngineStep))
        return sum(d.tokens for decoded in steps for d in decoded if d.id == id)

    def ended(self, id: str) -> RequestFinished | None:
        return next((e for e in self.events if isinstance(e, RequestFinished) and e.id == id), None)

    def steps_after_the_end(self, id: str) -> int:
        ended = self.ended(id)
        assert ended
        later = self.events[self.events.index(ended) :]
        steps = [event for event in later if isinstance(event, EngineStep)]
        return sum(id in {part.id for part in (*step.prefills, *step.decoded)} for step in steps)

    async def freeze(self) -> None:
        """Stop the worker; what it has said so far has been heard."""
        self.server.worker().send_signal(signal.SIGSTOP)
        async with httpx2.AsyncClient(base_url=self.server.url, timeout=30) as client:
            await client.get("/health")

    def thaw(self) -> None:
        self.server.worker().send_signal(signal.SIGCONT)


@asynccontextmanager
async def watching(server: Server) -> AsyncIterator[Watch]:
    watch, joined = Watch(server), asyncio.Event()
    reading = asyncio.create_task(watch.read(joined))
    await joined.wait()
    try:
        yield watch
    finally:
        watch.thaw()
        reading.cancel()


@asynccontextmanager
async def asking(server: Server, prompt: str) -> AsyncIterator[None]:
    """A streamed request whose connection is closed at the end of the block."""
    body = {"model": "mlxtui-tiny", "messages": [{"role": "user", "content": prompt}], "stream": True}
    async with httpx2.AsyncClient(base_url=server.url, timeout=60) as client:
        sent = asyncio.create_task(_read(client, body))
        yield
        sent.cancel()
        await asyncio.wait([sent])


async def _read(client: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    async with client.stream("POST", "/v1/chat/completions", json=body) as response:
        async for _ in response.aiter_lines():
            pass


def test_a_retry_goes_on_where_the_prefill_of_a_client_that_left_has_stopped(server: Server) -> None:
    prompt = f"{random.getrandbits(64):x} " + "The harbour opens at seven and closes late. " * 800

    async def main() -> None:
        async with watching(server) as watch:
            async with asking(server, prompt):
                first = await watch.until(lambda: watch.request(0))
                await watch.until(lambda: any(0 < done < total for done, total, _ in watch.prefills(first)))
                await watch.freeze()
            ended = await watch.until(lambda: watch.ended(first))
            watch.thaw()
            async with asking(server, prompt):
                retry = await watch.until(lambda: watch.request(1))
                _, _, cached = (await watch.until(lambda: watch.prefills(retry)))[0]
            usage = (await watch.until(lambda: watch.ended(retry))).cached_tokens
            done, total, _ = watch.prefills(first)[-1]
            assert (ended.status, ended.outcome) == (499, "cancelled")
            assert watch.steps_after_the_end(first) <= FEW
            assert 0 < done < total
            assert cached == usage == done

    asyncio.run(main())


def test_a_client_that_leaves_in_mid_answer_frees_its_slot_within_a_step_and_finds_its_prompt_again(
    server: Server,
) -> None:
    prompt = f"Tell me a long story about {random.getrandbits(64):x}."

    async def main() -> None:
        async with watching(server) as watch:
            async with asking(server, prompt):
                first = await watch.until(lambda: watch.request(0))
                await watch.until(lambda: watch.decoded(first))
                await watch.freeze()
            await watch.until(lambda: watch.ended(first))
            watch.thaw()
            async with asking(server, prompt):
                retry = await watch.until(lambda: watch.request(1))
                _, total, cached = (await watch.until(lambda: watch.prefills(retry)))[0]
            await watch.until(lambda: watch.ended(retry))
            assert watch.steps_after_the_end(first) <= FEW
            assert cached == total - 1  # the last token of a prompt is fed by the first decode step

    asyncio.run(main())


def test_the_free_slot_goes_to_who_was_raised_from_the_dashboard(tmp_path: Path) -> None:
    async def main(server: Server) -> None:
        client = ServerClient(server.url)
        async with watching(server) as watch, AsyncExitStack() as asked:
            async with asking(server, "Tell me a long story."):
                await watch.until(lambda: watch.decoded(watch.request(0)))
                await asked.enter_async_context(asking(server, "first"))
                await watch.until(lambda: watch.queued() == 2)
                await asked.enter_async_context(asking(server, "second"))
                await watch.until(lambda: watch.queued() == 3)
                first, second = watch.request(1), watch.request(2)
                await client.prioritise(second, "high")
            await watch.until(lambda: watch.prefills(first))
            order = [p.id for e in watch.events if isinstance(e, EngineStep) for p in e.prefills]
            assert order.index(second) < order.index(first)
        await client.close()

    with serving(tmp_path, "--max-running", "1") as server:
        asyncio.run(main(server))
