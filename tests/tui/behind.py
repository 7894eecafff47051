"""The real server with an engine that plays a script, on a loop of its own: Hypercorn must not share Textual's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from tests.server.serving import Gate, Served, serving


class Behind:
    """`served` belongs to another thread's loop: what is done to it goes through `do`."""

    def __init__(self, served: Served, loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
        self.served = served
        self.url = served.url
        self._loop = loop
        self._done = done

    def do(self, act: Callable[[], Any]) -> None:
        self._loop.call_soon_threadsafe(act)

    def open(self, gate: Gate) -> None:
        self.do(gate.open.set)

    def end(self) -> None:
        self.do(self._done.set)


@contextmanager
def behind(pieces: Iterable[str | tuple[str, ...]] = ("Hel", "lo"), **script: Any) -> Iterator[Behind]:
    """As `serving` takes them."""
    started: Future[Behind] = Future()

    async def main() -> None:
        async with serving(pieces, **script) as served:
            done = asyncio.Event()
            started.set_result(Behind(served, asyncio.get_running_loop(), done))
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    server = started.result(20)
    try:
        yield server
    finally:
        if thread.is_alive():
            server.end()
        thread.join(20)
