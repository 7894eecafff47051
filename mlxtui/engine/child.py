"""One worker process: spawned with a socket, spoken to over it, stopped gently. Its stray output becomes Notes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable

from mlxtui.engine.wire import Command, Note, Report, Setup, frame, receive

# The worker ends MLX cleanly by itself when the socket closes; on macOS a killed process can leak wired memory.
_LEAVE, _TERM = 8.5, 4.0
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "USE_TORCH": "0",
    "PYTHONUNBUFFERED": "1",
}


class Child:
    """A running worker, made by `spawn`."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process, self._reader, self._writer = process, reader, writer
        self._said: deque[str] = deque(maxlen=3)
        self._listener: asyncio.Task[None] | None = None

    @classmethod
    async def spawn(cls, setup: Setup, log: Callable[[Note], None]) -> Child:
        """Start a worker and tell it what to load."""
        ours, theirs = socket.socketpair()
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            theirs.close()
            raise
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "mlxtui.engine.worker", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                env=os.environ | _ENVIRONMENT,
            )
        except BaseException:
            writer.close()
            raise
        finally:
            theirs.close()
        child = cls(process, reader, writer)
        child._listener = asyncio.create_task(child._listen(log), name="engine output")
        child.send(setup)
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, command: Command) -> None:
        self._writer.write(frame(command))

    async def receive(self) -> Report | None:
        """The next report; None when the worker has hung up."""
        return await receive(self._reader)

    async def ended(self) -> str:
        """Reap a worker that has hung up; returns in words how it ended."""
        self._writer.close()
        await self._leave(_TERM, signal.SIGKILL)
        code = await self._reap()
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        last = f", its last words: {' / '.join(self._said)}" if self._said else ""
        return f"the engine ended with {how}{last}"

    async def stop(self) -> None:
        """Close the socket, wait, SIGTERM, wait, SIGKILL."""
        self._writer.close()
        await self._leave(_LEAVE, signal.SIGTERM)
        await self._leave(_TERM, signal.SIGKILL)
        await self._reap()

    async def _reap(self) -> int:
        if self._listener:
            await self._listener
        return await self._process.wait()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _leave(self, seconds: float, otherwise: signal.Signals) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(otherwise)

    async def _listen(self, log: Callable[[Note], None]) -> None:
        """Whatever the worker or a library prints: never to the terminal, which belongs to the dashboard."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if text := line.decode("utf-8", "replace").rstrip():
                self._said.append(text)
                log(Note("warning", text))
