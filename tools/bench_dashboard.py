"""What the dashboard costs: a frame with 10,000 requests in the list, its share of a core beside 32 busy streams, and
what it takes from the server's decode.

For the share a feed of made-up engine steps goes over a real socket to a real `mlxtui attach` in a pseudo-terminal; no
model is loaded, so what is measured is the dashboard's process alone. For the decode 32 streams of the embedded model
run in turns with and without a dashboard.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import httpx2
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))
from mlxtui.bus import Bus
from mlxtui.client import LISTED
from mlxtui.events import (
    Decoded,
    EngineStep,
    Event,
    ModelReady,
    PrefillProgress,
    RequestFinished,
    RequestQueued,
    RequestReceived,
    ServerStarted,
)
from mlxtui.fold import fold
from mlxtui.state import State
from mlxtui.tui.widgets.requests import RequestsTable
from tests.e2e.server import serving
from tests.e2e.terminal import Terminal
from tests.fake_server import FakeServer
from tests.tui.scene import StillClient, dashboard

GB = 1 << 30
ENDS = {"1013": -100, "1015": -100}
"""The embedded model's end tokens, out of bounds."""
MODEL = "Qwen3-4B-4bit"


def past(requests: int) -> Iterator[Event]:
    """As many finished requests, one after the other."""
    now = time.time()
    for n in range(requests):
        request, t = f"chatcmpl-{n:032x}", now - (requests - n) / 10
        yield RequestReceived(t, request, "chat", "opencode", MODEL, True)
        yield RequestQueued(t, request, 1000)
        yield EngineStep(t, (PrefillProgress(request, 1000, 1000, 500),), (), GB, GB, GB, 1)
        yield EngineStep(t, (), (Decoded(request, 32),), GB, GB, GB, 1)
        yield RequestFinished(t, request, 200, "stop", None, 1000, 500, 32, 0, 0.1, 3.0)


async def frames(requests: int, count: int) -> None:
    """Milliseconds of the app's own work for a frame, plain and with a filter and a sort on."""
    client = StillClient(State(finished=deque(maxlen=LISTED)))
    fold(client.state, ServerStarted(time.time(), "0.1.0", "http://127.0.0.1:8080", 1, 32))
    for event in past(requests):
        fold(client.state, event)
    for n in range(32):
        fold(client.state, RequestReceived(time.time(), f"live{n}", "chat", "zed", MODEL, True))
    async with dashboard(client) as (app, pilot):
        for keys in ("", ["slash", *"!nobody", "enter", "s"]):
            await pilot.press(*keys)
            times = []
            for _ in range(count):
                step(client.state)
                begun = time.process_time()
                app.draw()
                await pilot.pause()
                times.append((time.process_time() - begun) * 1000)
            what = "filtered and sorted" if keys else "plain"
            listed = len(app.query_one(RequestsTable).rows)
            print(f"frame after {requests:,} requests ({listed:,} in the list), {what}: {median(times):.1f} ms of CPU")
    print(f"resident memory of this process: {psutil.Process().memory_info().rss / 1e6:.0f} MB")


def step(state: State) -> None:
    fold(state, EngineStep(time.time(), (), tuple(Decoded(f"live{n}", 1) for n in range(32)), GB, GB, GB, 1))


async def feed(seconds: float, steps: float, requests: int) -> None:
    async with FakeServer() as server:
        bus = server.bus
        bus.publish(ServerStarted(time.time(), "0.1.0", server.url, os.getpid(), 32, 16 * GB))
        bus.publish(ModelReady(time.time(), MODEL, 32768, 4_000_000_000, 2 * GB, "gpu", 2.0))
        for n in range(32):
            bus.publish(RequestReceived(time.time(), f"live{n}", "chat", "zed", MODEL, True))
        async with watching(server.url) as watched:
            await remembered(server, requests)
            decoding = tuple(Decoded(f"live{n}", 1) for n in range(32))
            await publish(bus, decoding, 5.0, steps)
            before, begun = cpu(watched), time.monotonic()
            published = await publish(bus, decoding, seconds, steps)
            share = (cpu(watched) - before) / (time.monotonic() - begun)
            rss = watched.memory_info().rss / 1e6
    rate = f"{published * 32 / seconds:.0f} tok/s"
    print(f"32 streams, {rate}, {requests:,} requests in the list: {share:.1%} of a core, {rss:.0f} MB resident")


async def remembered(server: FakeServer, requests: int) -> None:
    """As many requests end before the eyes of the dashboard: a snapshot does not bring so many."""
    for number, event in enumerate(past(requests)):
        server.bus.publish(event)
        while number % 1000 == 0 and server.sent < server.bus.last_id:  # noqa: ASYNC110 - another task's writing
            await asyncio.sleep(0.01)


async def toll(pairs: int, tokens: int) -> None:
    """Decode tokens a second of 32 streams of the embedded model, alone and with a dashboard attached, in turns."""
    ratios = []
    with tempfile.TemporaryDirectory() as home, serving(Path(home), "--max-running", "32") as server:
        await streamed(server.url, tokens)
        for number in range(pairs):
            alone = attached = 0.0
            for watched in ((False, True), (True, False))[number % 2]:
                if watched:
                    async with watching(server.url):
                        attached = await streamed(server.url, tokens)
                else:
                    alone = await streamed(server.url, tokens)
            ratios.append(attached / alone)
            print(f"decode of 32 streams: {alone:.0f} tok/s alone, {attached:.0f} attached: {ratios[-1]:.3f}")
    print(f"attached / alone: {median(ratios):.3f} (median of {pairs} pairs, {min(ratios):.3f} to {max(ratios):.3f})")


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[psutil.Process]:
    """A dashboard in a pseudo-terminal whose home screen is drawn."""
    with tempfile.TemporaryDirectory() as home:
        environ = os.environ | {"MLXTUI_HOME": home}
        terminal = Terminal([sys.executable, "-m", "mlxtui", "attach", url], environ)
        await asyncio.to_thread(terminal.read_until, "requests")
        reader = threading.Thread(target=terminal.close, daemon=True)
        reader.start()
        try:
            yield psutil.Process(terminal.process.pid)
        finally:
            terminal.process.terminate()
            await asyncio.to_thread(reader.join, 30)


async def streamed(url: str, tokens: int) -> float:
    """Tokens a second over 32 requests that may not end by themselves."""
    body = {
        "model": "default",
        "messages": [{"role": "user", "content": "Tell me a story."}],
        "logit_bias": ENDS,
        "max_tokens": tokens,
        "stream": True,
    }

    async def one(client: httpx2.AsyncClient) -> None:
        async with client.stream("POST", "/v1/chat/completions", json=body) as response:
            async for _ in response.aiter_raw():
                pass

    async with httpx2.AsyncClient(base_url=url, timeout=600, limits=httpx2.Limits(max_connections=64)) as client:
        begun = time.monotonic()
        await asyncio.gather(*(one(client) for _ in range(32)))
        return 32 * tokens / (time.monotonic() - begun)


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def publish(bus: Bus, decoding: tuple[Decoded, ...], seconds: float, steps: float) -> int:
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        bus.publish(EngineStep(time.time(), (), decoding, 3 * GB, 5 * GB, GB, 12))
        count += 1
        await asyncio.sleep(1 / steps)
    return count


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=10_000)
    options.add_argument("--frames", type=int, default=60)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--steps", type=float, default=30.0, help="engine steps a second")
    options.add_argument("--pairs", type=int, default=5, help="runs of the model with and without a dashboard")
    options.add_argument("--tokens", type=int, default=400, help="of each of the 32 streams in such a run")
    chosen = options.parse_args()
    asyncio.run(frames(chosen.requests, chosen.frames))
    asyncio.run(feed(chosen.seconds, chosen.steps, chosen.requests))
    asyncio.run(toll(chosen.pairs, chosen.tokens))


if __name__ == "__main__":
    main()
