"""What the dashboard costs: a frame with 10,000 requests behind it, its share of a core beside 32 busy streams.

A feed of made-up engine steps goes over a real socket to a real `mlxtui attach` in a pseudo-terminal; no model is
loaded, so what is measured is the dashboard's process alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))
from mlxtui.events import (
    Decoded,
    EngineStep,
    ModelReady,
    PrefillProgress,
    RequestFinished,
    RequestQueued,
    RequestReceived,
    ServerStarted,
)
from mlxtui.state import FINISHED_KEPT, State, fold
from tests.e2e.terminal import Terminal
from tests.fake_server import FakeServer
from tests.tui.scene import StillClient, dashboard

GB = 1 << 30
MODEL = "Qwen3-4B-4bit"


def past(state: State, requests: int) -> None:
    """As many finished requests, one after the other."""
    now = time.time()
    for n in range(requests):
        request, t = f"chatcmpl-{n:032x}", now - (requests - n) / 10
        fold(state, RequestReceived(t, request, "chat", "opencode", MODEL, True))
        fold(state, RequestQueued(t, request, 1000))
        fold(state, EngineStep(t, (PrefillProgress(request, 1000, 1000, 500),), (), GB, GB, GB, 1))
        fold(state, EngineStep(t, (), (Decoded(request, 32),), GB, GB, GB, 1))
        fold(state, RequestFinished(t, request, 200, "stop", None, 1000, 500, 32, 0, 0.1, 3.0))


async def frames(requests: int, count: int) -> None:
    """Milliseconds of the app's own work for a frame, plain and with a filter and a sort on."""
    client = StillClient(State())
    fold(client.state, ServerStarted(time.time(), "0.1.0", "http://127.0.0.1:8080", 1, 32))
    past(client.state, requests)
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
            print(f"frame after {requests:,} requests ({FINISHED_KEPT:,} kept), {what}: {median(times):.1f} ms of CPU")
    print(f"resident memory of this process: {psutil.Process().memory_info().rss / 1e6:.0f} MB")


def step(state: State) -> None:
    fold(state, EngineStep(time.time(), (), tuple(Decoded(f"live{n}", 1) for n in range(32)), GB, GB, GB, 1))


async def feed(seconds: float, steps: float, requests: int) -> None:
    async with FakeServer() as server:
        bus = server.bus
        bus.publish(ServerStarted(time.time(), "0.1.0", server.url, os.getpid(), 32, 16 * GB))
        bus.publish(ModelReady(time.time(), MODEL, 32768, 4_000_000_000, 2 * GB, "gpu", 2.0))
        past(bus.state, requests)
        for n in range(32):
            bus.publish(RequestReceived(time.time(), f"live{n}", "chat", "zed", MODEL, True))
        with tempfile.TemporaryDirectory() as home:
            environ = os.environ | {"MLXTUI_HOME": home}
            terminal = Terminal([sys.executable, "-m", "mlxtui", "attach", server.url], environ)
            reader = threading.Thread(target=terminal.close, daemon=True)
            reader.start()
            decoding = tuple(Decoded(f"live{n}", 1) for n in range(32))
            await publish(bus, decoding, 5.0, steps)
            watched = psutil.Process(terminal.process.pid)
            before, begun = cpu(watched), time.monotonic()
            published = await publish(bus, decoding, seconds, steps)
            share = (cpu(watched) - before) / (time.monotonic() - begun)
            rss = watched.memory_info().rss / 1e6
            terminal.process.terminate()
            await asyncio.to_thread(reader.join, 30)
    rate = published * 32 / seconds
    print(f"feed of 32 streams, {rate:.0f} tok/s: {share:.1%} of a core, {rss:.0f} MB resident")


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def publish(bus: object, decoding: tuple[Decoded, ...], seconds: float, steps: float) -> int:
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        bus.publish(EngineStep(time.time(), (), decoding, 3 * GB, 5 * GB, GB, 12))  # type: ignore[attr-defined]
        count += 1
        await asyncio.sleep(1 / steps)
    return count


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=10_000)
    options.add_argument("--frames", type=int, default=60)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--steps", type=float, default=30.0, help="engine steps a second")
    chosen = options.parse_args()
    asyncio.run(frames(chosen.requests, chosen.frames))
    asyncio.run(feed(chosen.seconds, chosen.steps, chosen.requests))


if __name__ == "__main__":
    main()
