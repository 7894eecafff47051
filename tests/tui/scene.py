"""A dashboard on a stage: a state with every kind of row, a clock that stands still, the screen as text."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console
from textual.pilot import Pilot

from mlxtui.client import Link, ServerClient
from mlxtui.events import (
    Decoded,
    EngineStep,
    Event,
    Logged,
    ModelLoading,
    ModelReady,
    PrefillProgress,
    RequestFinished,
    RequestQueued,
    RequestReceived,
    ServerStarted,
)
from mlxtui.fold import fold
from mlxtui.state import State
from mlxtui.tui.app import Dashboard, Outcome

NOW = 1_700_000_000.0
GB = 1 << 30


class StillClient(ServerClient):
    """A client whose feed has said all it has to say."""

    def __init__(self, state: State | None = None, link: Link | None = None, readonly: bool = False) -> None:
        super().__init__("http://127.0.0.1:8080", readonly=readonly)
        self.state = state or busy()
        self.link = link or Link("connected")

    async def follow(self) -> AsyncGenerator[Link | Event, None]:
        yield self.link
        await asyncio.Event().wait()


def folded(events: Iterable[Event]) -> State:
    state = State()
    for event in events:
        fold(state, event)
    return state


def busy() -> State:
    """Twelve rows: decoding, stalled, in prefill, queued, new, and finished in each way."""
    return folded(sorted(_events(), key=lambda event: event.t))


def _events() -> Iterable[Event]:
    yield ServerStarted(NOW - 4320, "0.1.0", "http://127.0.0.1:8080", 4242, 32, 16 * GB)
    yield ModelLoading(NOW - 4320, "Qwen3-4B-4bit", "reading weights")
    yield ModelReady(NOW - 4318, "Qwen3-4B-4bit", 32768, 4_000_000_000, int(2.3 * GB), "gpu", 2.1)
    yield from _ended("e5a001", "zed", 31, "stop", 200, None)
    yield from _ended("1b2c01", "curl", 55, "error", 400, "messages[0].role must be system, user, assistant or tool")
    yield from _ended("77aa01", "opencode", 20, "tool_calls", 200, None)
    yield from _ended("88bb01", "opencode", 18, "length", 200, None)
    yield from _ended("99cc01", "continue.dev", 5, "cancelled", 499, "the request was cancelled")
    yield from _came("a1f301", "opencode", 12_480, NOW - 12)
    yield from _came("5ta110", "zed", 900, NOW - 11)
    yield from _came("c0de01", "continue.dev", 24_010, NOW - 2.5)
    yield from _came("d9e801", "curl", 940, NOW - 1.5)
    yield from _came("d9e802", "openai-python", 1_940, NOW - 1)
    yield RequestReceived(NOW - 0.5, "f00d01", "responses", "codex", "Qwen3-4B-4bit", True)
    yield _step(NOW - 11, PrefillProgress("a1f301", 12_000, 12_480, 12_000), PrefillProgress("5ta110", 0, 900, 0))
    for tick in range(11 * 20):
        t = NOW - 10.9 + tick / 20
        parts = [Decoded("a1f301", 2)] + ([Decoded("5ta110", 1)] if t < NOW - 4 else [])
        yield _step(t, *parts)
    yield _step(NOW - 2, PrefillProgress("c0de01", 3_000, 24_010, 3_000))
    yield _step(NOW - 1, PrefillProgress("c0de01", 9_000, 24_010, 3_000), Decoded("a1f301", 1))
    yield _step(NOW - 0.01, PrefillProgress("c0de01", 15_126, 24_010, 3_000), Decoded("a1f301", 1))
    yield Logged(NOW - 3, "warning", "the prompt cache is full: the oldest entry was dropped", None)


def _came(request: str, client: str, prompt: int, t: float) -> Iterable[Event]:
    yield RequestReceived(t, request, "chat", client, "Qwen3-4B-4bit", True)
    yield RequestQueued(t + 0.01, request, prompt)


def _ended(request: str, client: str, ago: float, outcome: Any, status: int, error: str | None) -> Iterable[Event]:
    """A finished request; one that failed never got a token."""
    good = outcome != "error"
    tokens, ttft = (231, 0.12) if good else (0, None)
    yield RequestReceived(NOW - ago - 6, request, "chat", client, "Qwen3-4B-4bit", True)
    if good:
        yield RequestQueued(NOW - ago - 6, request, 1204)
        yield _step(NOW - ago - 5.9, PrefillProgress(request, 1204, 1204, 1060))
        yield _step(NOW - ago - 5.8, Decoded(request, 231))
    yield RequestFinished(
        NOW - ago, request, status, outcome, error, 1204 if good else 0, 1060 if good else 0, tokens, 0, ttft, 6.0
    )


def _step(t: float, *parts: PrefillProgress | Decoded) -> EngineStep:
    prefills = tuple(part for part in parts if isinstance(part, PrefillProgress))
    decoded = tuple(part for part in parts if isinstance(part, Decoded))
    return EngineStep(t, prefills, decoded, int(4.1 * GB), 5 * GB, int(1.4 * GB), 12)


@asynccontextmanager
async def dashboard(
    client: ServerClient | None = None, size: tuple[int, int] = (140, 36), owns_server: bool = True, **more: Any
) -> AsyncIterator[tuple[Dashboard, Pilot[Outcome]]]:
    """A running dashboard with its first frame drawn."""
    app = Dashboard(client or StillClient(), owns_server, clock=lambda: NOW, **more)
    app.NOTIFICATION_TIMEOUT = 600  # type: ignore[misc] # or a slow machine would not see them
    async with app.run_test(size=size, notifications=True) as pilot:
        await drawn(app, pilot)
        yield app, pilot
    await app.client.close()


class Stage:
    """A running dashboard whose screen does work of its own."""

    def __init__(self, app: Dashboard, pilot: Pilot[Outcome]) -> None:
        self.app = app
        self.pilot = pilot

    async def press(self, *keys: str) -> str:
        await self.pilot.press(*keys)
        return await drawn(self.app, self.pilot)

    async def until(self, true: Callable[[], Any]) -> str:
        """What is waited for is done in another thread or process: it is polled for."""
        async with asyncio.timeout(60):
            while not true():
                await self.pilot.pause(0.01)
        return await drawn(self.app, self.pilot)


async def drawn(app: Dashboard, pilot: Pilot[Outcome]) -> str:
    """Draw a frame, let it reach the screen, and read it."""
    app.draw()
    await pilot.pause()
    return screen_text(app)


async def settled(app: Dashboard, pilot: Pilot[Outcome]) -> str:
    """Wait for what the last key began (all workers but the feed), then draw."""
    if working := [worker for worker in app.workers if worker.name != "feed"]:
        await app.workers.wait_for_complete(working)
    return await drawn(app, pilot)


def screen_text(app: Dashboard) -> str:
    """What stands on the screen, without colours."""
    width, height = app.size
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, record=True)
    console.print(app.screen._compositor.render_update(full=True, screen_stack=app._background_screens))
    lines = console.export_text(clear=True).splitlines()[:height]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def play(scene: Coroutine[Any, Any, None], patience: float = 90) -> None:
    asyncio.run(asyncio.wait_for(scene, patience))
