"""The conformance suite as a child process: a target comes in, its JSON lines go out as they come.

The child holds the other end of a pipe of ours and ends when that closes: it can't outlive us, however we end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mlxtui.errors import UserError

LONGEST_LINE = 16 << 20


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint, the key it wants, and one of the suite's profiles."""

    url: str
    key: str = ""
    profile: str = "all"


async def proving(target: Target, stop: asyncio.Event) -> AsyncGenerator[Mapping[str, Any], None]:
    """Run the suite to its end, or until `stop`: then what is known by then is told. Closing it kills the child.

    Raises:
        UserError: what the suite had to say when it could not check anything.
    """
    process = await _spawn(target)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    said = asyncio.create_task(process.stderr.read())
    stopping = asyncio.create_task(_close_when(stop, process.stdin))
    try:
        async for line in process.stdout:
            yield json.loads(line)
        code, words = await process.wait(), (await said).decode(errors="replace").strip()
        if code and words and not stop.is_set():
            raise UserError(words.splitlines()[-1])
    finally:
        stopping.cancel()
        process.stdin.close()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await said


async def _close_when(stop: asyncio.Event, stdin: asyncio.StreamWriter) -> None:
    await stop.wait()
    stdin.close()


async def _spawn(target: Target) -> asyncio.subprocess.Process:
    """The key travels in the environment, where no `ps` shows it; another one that lies there is nobody's business."""
    environ = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    words = ["-P", "-m", "mlxtui_conformance", target.url, "--json", "--until-eof", "--profile", target.profile]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ | ({"OPENAI_API_KEY": target.key} if target.key else {}),
        limit=LONGEST_LINE,
    )
