"""The bare batch loop in a process of its own: work goes out, tokens a second come back. Imports no MLX itself."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any

from mlxtui.bench.scenario import FloorWork
from mlxtui.bench.wire import RequestFailed
from mlxtui.errors import UserError
from mlxtui.text import safe_line

MODULE = "mlxtui.engine.worker.floor"


class FloorUnusable(UserError):
    pass


@dataclass(frozen=True, slots=True)
class Done:
    tokens: int
    seconds: float


class Floor:
    """A loaded model behind a pipe: one line of JSON in, one out."""

    def __init__(self, process: Process, errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors

    async def measure(self, work: FloorWork) -> Done:
        """
        Raises:
            RequestFailed: the process has ended.
        """
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(asdict(work)).encode() + b"\n")
            done = await self.read()
        except asyncio.CancelledError:
            self._process.kill()  # else its late answer would be taken for the next one
            raise
        return Done(done["tokens"], done["seconds"])

    async def read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = await self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": self._last_words()}
        if "error" in answer:
            raise RequestFailed(f"the floor: {answer['error']}")
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return safe_line(said[-1], 300) if said else "its process has ended"


@asynccontextmanager
async def started(model: str) -> AsyncIterator[Floor]:
    """
    Raises:
        FloorUnusable: the model can't be loaded.
    """
    with tempfile.TemporaryFile() as errors:
        # In a session of its own: Ctrl-C in the terminal is for us; it ends with its standard input.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", MODULE, model),
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
            start_new_session=True,
        )
        floor = Floor(process, errors)
        try:
            await floor.read()
            yield floor
        except RequestFailed as failed:
            raise FloorUnusable(str(failed)) from failed
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
