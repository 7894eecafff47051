"""Downloads from the Hub, each in a process of its own (`mlxtui models pull --json`), so that no request waits for one.

Ids and cancellations come in, events go out. It knows neither the Hub nor the disk: what the child prints is all.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mlxtui.errors import RateLimited, Unavailable
from mlxtui.events import Downloading, DownloadStatus, Event
from mlxtui.text import safe_line

AT_ONCE = 4
"""Downloads under way, and searches: each is a process."""


class Downloads:
    """Those under way. They end with the server; what they have fetched is kept."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._running: dict[str, asyncio.Task[None]] = {}
        self._last: dict[str, Downloading] = {}

    def __contains__(self, id: str) -> bool:
        return id in self._running

    def under_way(self) -> list[Downloading]:
        return [self._last[id] for id in self._running]

    def begin(self, id: str) -> None:
        """Nothing, if it is under way already.

        Raises:
            RateLimited: enough are.
        """
        if id in self._running:
            return
        if len(self._running) >= AT_ONCE:
            raise RateLimited(f"{AT_ONCE} models are being downloaded, which is the limit", retry_after=60)
        self._tell(id, "running", 0, 0)
        self._running[id] = asyncio.create_task(self._fetch(id), name=f"download of {id}")

    async def cancel(self, id: str) -> bool:
        """Whether there was something to cancel."""
        task = self._running.get(id)
        if task is None:
            return False
        task.cancel()
        await asyncio.wait([task])
        return True

    async def close(self) -> None:
        for id in [*self._running]:
            await self.cancel(id)

    async def _fetch(self, id: str) -> None:
        status: DownloadStatus = "failed"
        detail = ""
        try:
            process = await _spawn("pull", id)
            try:
                detail = await self._follow(id, process)
                status = "failed" if detail else "done"
            finally:
                await _end(process)
        except asyncio.CancelledError:
            status, detail = "cancelled", "what is here is kept: another download goes on from there"
        except OSError as error:
            detail = f"the download can't be started: {error}"
        except ValueError as error:
            detail = f"what the download printed is no progress: {error}"
        finally:
            del self._running[id]
            last = self._last.pop(id)
            self._tell(id, status, last.done_bytes, last.total_bytes, detail)
            self._last.pop(id)

    async def _follow(self, id: str, process: Process) -> str:
        """Tell the progress; returns what went wrong, if anything did."""
        assert process.stdout is not None
        assert process.stderr is not None
        complaints = asyncio.create_task(process.stderr.read())
        async for line in process.stdout:
            said = _said(line)
            if "total" in said:
                self._tell(id, "running", said["done"], said["total"])
        said_last = _complaint(await complaints)
        code = await process.wait()
        return "" if code == 0 else said_last or f"the download ended with exit code {code}"

    def _tell(self, id: str, status: DownloadStatus, done: int, total: int, detail: str = "") -> None:
        self._last[id] = event = Downloading(time.time(), id, status, done, total, detail)
        self._publish(event)


async def ask_hub(text: str) -> list[object]:
    """What `mlxtui models search` finds, as it prints it.

    Raises:
        Unavailable: offline, the Hub does not answer, or what answers is not our search.
    """
    process = await _spawn("search", text)
    try:
        found, complaints = await process.communicate()
    finally:
        await _end(process)
    if process.returncode:
        raise Unavailable(_complaint(complaints) or "the search failed", code="hub_unavailable")
    hits = _parsed(found)
    if not isinstance(hits, list):
        raise Unavailable(f"what the search printed is no list of models: {_quoted(found)}", code="hub_unavailable")
    return hits


async def _spawn(command: str, argument: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "mlxtui", "models", command, "--json", "--", argument),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )


async def _end(process: Process) -> None:
    """Its part file is whole at any moment: there is nothing to wait for."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _said(line: bytes) -> dict[str, Any]:
    """Raises:
    ValueError: it is not what our child prints.
    """
    said = _parsed(line)
    if not isinstance(said, dict):
        raise ValueError(_quoted(line))
    return said


def _parsed(printed: bytes) -> Any:
    """None: it is no JSON."""
    try:
        return json.loads(printed)
    except ValueError:
        return None


def _quoted(printed: bytes) -> str:
    return repr(safe_line(printed.decode(errors="replace").strip(), 200))


def _complaint(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("mlxtui: ") if lines else ""
