"""Keeps a worker alive: worker after worker, with growing pauses, each watched for silence.

Which model to load, what a report means and what a death means is its owner's business. Knows no jobs.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from mlxtui.engine.child import Child
from mlxtui.engine.wire import Command, Note, Report, Setup

_FIRST_PAUSE, _LONGEST_PAUSE, _HEALTHY = 0.1, 30.0, 60.0


class Owner(Protocol):
    """Whose worker it is."""

    def setup(self) -> Setup | None:
        """What to load next; None: nothing more."""

    def heard(self, report: Report) -> None: ...

    def died(self, model: str, how: str, pause: float) -> bool:
        """Whether the next worker is to be started only after the pause, in seconds."""

    def waiting_since(self) -> float | None:
        """`time.monotonic` of the longest wait for the worker; None: nobody waits."""


class Supervisor:
    """One worker at a time. `stall_timeout`: seconds of silence while somebody waits after which it is killed."""

    def __init__(self, owner: Owner, stall_timeout: float = 120.0) -> None:
        self.stall_timeout = stall_timeout
        self.spawned = 0.0
        """`time.monotonic` when the present worker was."""
        self._owner = owner
        self._heard = 0.0
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The worker's process id while there is one."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        self._task = asyncio.create_task(self._supervise(), name="engine supervisor")

    def send(self, command: Command) -> None:
        """Nothing, while there is no worker."""
        if self._child:
            self._child.send(command)

    async def end(self) -> None:
        """No worker any more, and nobody who would start another."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._child:
            await self._child.stop()
            self._child = None

    async def _supervise(self) -> None:
        pause = _FIRST_PAUSE
        while setup := self._owner.setup():
            self.spawned = self._heard = time.monotonic()
            how = await self._live(setup)
            pause = _FIRST_PAUSE if time.monotonic() - self.spawned > _HEALTHY else pause
            if self._owner.died(setup.model, how, pause):
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _live(self, setup: Setup) -> str:
        """One worker from spawn to end; returns how it ended."""
        try:
            self._child = child = await Child.spawn(setup, self._owner.heard)
        except OSError as error:
            return f"the engine can't be started: {error}"
        watchdog = asyncio.create_task(self._watch(child), name="engine watchdog")
        try:
            while (report := await child.receive()) is not None:
                self._heard = time.monotonic()
                self._owner.heard(report)
        finally:
            watchdog.cancel()
        died = await child.ended()
        self._child = None
        return died

    async def _watch(self, child: Child) -> None:
        while True:
            await asyncio.sleep(min(1.0, self.stall_timeout / 4))
            waiting = self._owner.waiting_since()
            if waiting is not None and (silent := time.monotonic() - max(self._heard, waiting)) > self.stall_timeout:
                progress = f"the engine made no progress for {silent:.0f} s: it is killed and restarted"
                self._owner.heard(Note("error", progress))
                child.kill()
                return
