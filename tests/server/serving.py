"""The real server on a real loopback socket, its engine playing what the test gives it."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from hypercorn.asyncio import serve
from hypercorn.typing import ASGIFramework
from openai import AsyncOpenAI
from quart import Quart

from mlxtui.bus import Bus
from mlxtui.engine.interface import Job
from mlxtui.engine.replay import ReplayEngine
from mlxtui.events import Event
from mlxtui.recorded import Recording
from mlxtui.recording import Writer
from mlxtui.serve import _config
from mlxtui.server import replayed
from mlxtui.server.app import create_app
from mlxtui.server.downloads import Downloads
from mlxtui.server.ledger import Ledger
from mlxtui.server.recorder import Recorder
from mlxtui.server.tape import RecordingEngine
from mlxtui.settings import Settings
from mlxtui.store.database import Store

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"model": "scripted", "messages": [{"role": "user", "content": "hello"}]}
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here speaks TLS; loading the system's certificates would cost each client more than its whole test."""
_Kind = TypeVar("_Kind", bound=Event)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 20))


class Gate:
    """An engine's pace: jobs stop before batch `at` (-1: before the prompt is rendered) until `open` is set."""

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.arrived = 0
        self.reached, self.open, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, job: Job, number: int, dt: float) -> None:
        if number != self.at:
            await asyncio.sleep(0)
            return
        self.arrived += 1
        self.reached.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise


class Served:
    """A running server: `events` are all that were published; `stopped` is set by a shutdown request."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.bus = Bus()
        self.ledger = Ledger(self.publish, settings.keep_requests)
        self.events: list[Event] = []
        self.stopped = asyncio.Event()
        self.url = ""
        self.app = Quart("unset")
        self.engine = ReplayEngine.scripted()
        self.store = Store()
        self.downloads = Downloads(self.publish)
        self._published = asyncio.Event()

    def publish(self, event: Event) -> None:
        self.bus.publish(event)
        self.events.append(event)
        self._published.set()

    async def event(self, kind: type[_Kind], count: int = 1) -> _Kind:
        """The `count`th event of this kind, as soon as it is published."""
        while len(found := [event for event in self.events if isinstance(event, kind)]) < count:
            self._published.clear()
            await self._published.wait()
        return found[count - 1]

    def http(self, **options: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, timeout=15, verify=_NO_TLS, **options)

    def openai(self, **options: Any) -> AsyncOpenAI:
        options = {"api_key": "none", "max_retries": 0, "http_client": self.http()} | options
        return AsyncOpenAI(base_url=f"{self.url}/v1", _strict_response_validation=True, **options)


@asynccontextmanager
async def serving(
    pieces: Iterable[str | tuple[str, ...]] = ("Hel", "lo"),
    *,
    engine: ReplayEngine | None = None,
    settings: Settings | None = None,
    start: bool = True,
    record: Path | None = None,
    replay: Recording | None = None,
    store: Store | None = None,
    **script: Any,
) -> AsyncIterator[Served]:
    """`pieces` and `script` as `ReplayEngine.scripted` takes them, unless there is an `engine`. A `store` is closed."""
    served = Served(settings or Settings())
    served.engine = engine or ReplayEngine.scripted(pieces, publish=served.publish, **script)
    taped = RecordingEngine(served.engine)
    served.store = store or served.store
    served.app = create_app(
        taped if record else served.engine,
        served.bus,
        served.ledger,
        served.settings,
        served.stopped.set,
        served.store,
        served.downloads,
    )
    if replay:
        replayed.install(served.app, replay)
    secrets = [served.settings.api_key or ""]
    app: ASGIFramework = Recorder(served.app, taped, Writer(record, secrets)) if record else served.app
    await served.store.open()
    if start:
        await served.engine.start()
    done = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = _config(listener, logging.getLogger("tests.hypercorn"))
        server = asyncio.create_task(serve(app, config, shutdown_trigger=done.wait))
        try:
            yield served
        finally:
            await served.ledger.drain(0)
            served.bus.close()
            done.set()
            await server
            await served.downloads.close()
            await served.engine.close()
            await served.store.close()


def chat(**fields: Any) -> dict[str, Any]:
    return HELLO | fields


def function(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}


async def sse(response: httpx2.Response) -> list[Any]:
    """The data of each event, parsed where it is JSON; comments as strings with their colon."""
    events: list[Any] = []
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            data = line.removeprefix("data: ")
            events.append(data if data == "[DONE]" else json.loads(data))
        elif line.startswith(":"):
            events.append(line)
    return events
