"""Kills a server with SIGKILL at random points while clients talk to it, and looks at what its store has kept.

    uv run python -m tools.kill_store --kills 100

After each kill: the database is sound, every response that a client was told has ended is there exactly as told, and
those that were cut off have failed. The engine is scripted: what is tested is the store, the routes and the process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import signal
import socket
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from hypercorn.asyncio import serve

from mlxtui.bus import Bus
from mlxtui.engine.interface import Job
from mlxtui.engine.replay import ReplayEngine
from mlxtui.serve import _config
from mlxtui.server.app import create_app
from mlxtui.server.downloads import Downloads
from mlxtui.server.ledger import Ledger
from mlxtui.settings import Settings
from mlxtui.store.database import Store

CLIENTS = 4
WORDS = [f"word{n} " for n in range(12)]
ENDED = ("completed", "incomplete", "failed", "cancelled")


@dataclass
class Told:
    """What clients were told: whole responses that have ended, and ids of those that have begun.

    `enough` is set after `left` more lines.
    """

    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    left: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def line(self) -> None:
        self.left -= 1
        if self.left <= 0:
            self.enough.set()


async def trial(path: Path, kills: int, seed: int) -> Told:
    """Raises:
    AssertionError: something that was told is not there.
    """
    chance, told = random.Random(seed), Told()
    for number in range(kills + 1):
        async with server(path) as (process, url):
            await check(url, told)
            if number == kills:
                return told
            clients = [asyncio.create_task(talk(url, told, random.Random(chance.random()))) for _ in range(CLIENTS)]
            told.left = chance.randint(1, 600)  # lines, not seconds: the machine may be busy
            told.enough.clear()
            waiting = asyncio.create_task(told.enough.wait())
            await asyncio.wait([waiting, *clients], return_when=asyncio.FIRST_COMPLETED)  # a client may see a fault
            waiting.cancel()
            await asyncio.sleep(chance.uniform(0, 0.01))
            process.send_signal(signal.SIGKILL)
            await asyncio.gather(*clients)
            await process.wait()
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        print(f"kill {number + 1}: {len(told.ended)} ended, {len(told.begun - told.ended.keys())} cut off", flush=True)
    raise AssertionError("unreachable")


async def check(url: str, told: Told) -> None:
    async with httpx2.AsyncClient(base_url=url, timeout=60, verify=False) as http:
        for id, response in told.ended.items():
            found = await http.get(f"/v1/responses/{id}")
            assert found.json() == response, f"{id} was told as {response}, and is {found.text}"
        for id in told.begun - told.ended.keys():
            found = (await http.get(f"/v1/responses/{id}")).json()
            assert found["status"] in ENDED, found
            told.ended[id] = found


async def talk(url: str, told: Told, chance: random.Random) -> None:
    """Ask until the server is gone; half of the time go on from an earlier answer."""
    try:
        async with httpx2.AsyncClient(base_url=url, timeout=60, verify=False) as http:
            while True:
                body: dict[str, Any] = {
                    "model": "scripted",
                    "input": f"x{chance.random()}",
                    "stream": chance.random() < 0.7,
                }
                done = [id for id, response in told.ended.items() if response["status"] == "completed"]
                if done and chance.random() < 0.5:
                    body["previous_response_id"] = chance.choice(done)
                await ask(http, body, told)
    except httpx2.TransportError:
        return


async def ask(http: httpx2.AsyncClient, body: dict[str, Any], told: Told) -> None:
    async with http.stream("POST", "/v1/responses", json=body) as response:
        assert response.status_code == 200, await response.aread()
        if not body["stream"]:
            whole = json.loads(await response.aread())
            told.ended[whole["id"]] = whole
            told.line()
            return
        async for line in response.aiter_lines():
            told.line()
            event = json.loads(line[6:]) if line.startswith("data: {") else {}
            if event.get("type") == "response.created":
                told.begun.add(event["response"]["id"])
            if event.get("type") == "response.completed":
                told.ended[event["response"]["id"]] = event["response"]


@asynccontextmanager
async def server(path: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A server in a process of its own on the store at `path`; it is killed with the block, if not before."""
    command = (sys.executable, "-m", "tools.kill_store", "--serve", str(path))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout
        port = (await process.stdout.readline()).decode().strip()
        assert port, "the server did not start"
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def serve_scripted(path: Path) -> None:
    chance = random.Random()

    async def pace(job: Job, number: int, dt: float) -> None:
        await asyncio.sleep(chance.uniform(0, 0.01))

    bus, store = Bus(), Store(path)
    engine = ReplayEngine.scripted(WORDS, pace=pace)
    settings = Settings()
    ledger = Ledger(bus.publish, settings.keep_requests)
    app = create_app(engine, bus, ledger, settings, lambda: None, store, Downloads(bus.publish))
    await store.open()
    await engine.start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        await serve(app, _config(listener, logging.getLogger("kill_store")), shutdown_trigger=asyncio.Event().wait)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve_scripted(given.serve))
        return
    with tempfile.TemporaryDirectory() as room:
        told = asyncio.run(trial(Path(room) / "store.sqlite3", given.kills, given.seed))
    failed = sum(response["status"] == "failed" for response in told.ended.values())
    print(f"{given.kills} kills: {len(told.ended)} responses, {failed} of them cut off and marked as failed, none lost")


if __name__ == "__main__":
    main()
