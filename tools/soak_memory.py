"""Whether memory stays level: short requests by the thousand through a real worker, its memory after the first thousand
and at the end.

    python tools/soak_memory.py [--requests 10000] [--settled 1000] [--clients 16] [--model mlxtui-tiny]

Prints a line every thousand requests; exit code 1 if the end is more than 5 % above the level.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mlxtui.engine.interface import ChatPrompt, Job
from mlxtui.engine.process import EngineProcess
from mlxtui.events import EngineStep, Event
from mlxtui.settings import Settings
from mlxtui.types import NEUTRAL_SAMPLING, Message, Sampling

ALLOWED = 1.05
REST = 6.0  # seconds: after five without work the worker gives MLX's spare buffers back, which are no leak
CACHE_BYTES = 16 << 20  # full long before memory counts as settled
GREEDY = Sampling(temperature=0.0).over(NEUTRAL_SAMPLING)


@dataclass
class Soak:
    """`levels`: (requests, resident bytes, active bytes, cache entries) whenever it was measured."""

    active: int = 0
    entries: int = 0
    levels: list[tuple[int, int, int, int]] = field(default_factory=list)

    def take(self, event: Event) -> None:
        if isinstance(event, EngineStep):
            self.active, self.entries = event.active_bytes, event.cache_entries

    def measure(self, engine: EngineProcess, done: int) -> None:
        resident = psutil.Process(engine.pid).memory_info().rss
        self.levels.append((done, resident, self.active, self.entries))
        print(f"{done:>7,} requests   resident {resident / 1e6:7.1f} MB   active {self.active / 1e6:6.1f} MB   "
              f"{self.entries} entries", flush=True)  # fmt: skip


async def ask(engine: EngineProcess, number: int) -> None:
    """A short prompt of its own, as an agent's side calls are."""
    text = f"Request {number}: " + " ".join(f"w{number * 7919 % 99_991 + i}" for i in range(number % 23))
    job = Job(f"soak{number}", ChatPrompt((Message("user", text),)), GREEDY, max_tokens=1 + number % 4)
    async for _ in engine.run(job):
        pass


async def soak(options: argparse.Namespace, home: Path) -> Soak:
    seen = Soak()
    settings = Settings(model=options.model, cache_bytes=CACHE_BYTES, disk_cache_bytes=0, home=home)
    engine = EngineProcess(settings, seen.take)
    await engine.start()
    while engine.status.state != "ready":  # noqa: ASYNC110 - what is waited for happens in another process
        await asyncio.sleep(0.05)
    try:
        for batch in range(0, options.requests, options.settled):
            numbers = iter(range(batch, min(batch + options.settled, options.requests)))

            async def client(numbers: object = numbers) -> None:
                for number in numbers:  # type: ignore[attr-defined]
                    await ask(engine, number)

            await asyncio.gather(*(client() for _ in range(options.clients)))
            await asyncio.sleep(REST)
            seen.measure(engine, min(batch + options.settled, options.requests))
    finally:
        await engine.close()
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--settled", type=int, default=1_000, help="requests after which memory has its level")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--model", default="mlxtui-tiny")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        levels = asyncio.run(soak(options, Path(home))).levels
    (_, resident, active, _), (done, last_resident, last_active, _) = levels[0], levels[-1]
    ratios = last_resident / resident, last_active / active
    took = time.monotonic() - began
    print(f"after {done:,} requests in {took:.0f} s, to the level after {levels[0][0]:,}:")
    print(f"resident x{ratios[0]:.3f}, active x{ratios[1]:.3f}")
    return 0 if max(ratios) <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
