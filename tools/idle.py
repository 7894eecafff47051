"""How much of a CPU an idle server takes: `python -m tools.idle [SECONDS]` starts one with the embedded model, asks it
once, and prints the CPU time of its two processes while nothing happens, without and with a dashboard's feed open.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing

import httpx2
import psutil

from mlxtui.client import ServerClient
from mlxtui.up import own_server

ASKED = {"model": "mlxtui-tiny", "messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 64}


def main(seconds: float) -> None:
    with own_server() as url:
        httpx2.post(f"{url}/v1/chat/completions", json=ASKED, timeout=120).raise_for_status()
        server = next(child for child in psutil.Process().children() if child.children())
        processes = {"server": server, "worker": server.children()[0]}
        for watched in (False, True):
            for name, percent in asyncio.run(_measured(url, processes, seconds, watched)).items():
                print(f"{name:8} {'with' if watched else 'without'} a dashboard: {percent:.3f} % of a CPU")


async def _measured(url: str, processes: dict[str, psutil.Process], seconds: float, watched: bool) -> dict[str, float]:
    feed = asyncio.create_task(_follow(url)) if watched else None
    await asyncio.sleep(6)  # the worker gives spare buffers back after five seconds: that belongs to the work before
    before = {name: _used(process) for name, process in processes.items()}
    await asyncio.sleep(seconds)
    if feed:
        feed.cancel()
    return {name: 100 * (_used(process) - before[name]) / seconds for name, process in processes.items()}


async def _follow(url: str) -> None:
    async with aclosing(ServerClient(url).follow()) as changes:
        async for _ in changes:
            pass


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0)
