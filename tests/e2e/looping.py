"""An engine for agents: it calls one tool, and once it has that tool's result says so."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from mlxtui.engine.interface import ChatPrompt, Job, Output
from mlxtui.engine.replay import ReplayEngine

SAID = "said-by-a-shell"
COMMAND = "printf said-by-; printf a-shell"
"""What it says is nowhere in it: only who has run it knows."""


class Loop(ReplayEngine):
    answer: ReplayEngine

    async def run(self, job: Job) -> AsyncGenerator[tuple[Output, ...], None]:
        assert isinstance(job.prompt, ChatPrompt)
        results = [message.content for message in job.prompt.messages if message.role == "tool"]
        outputs = self.answer.run(job) if results and SAID in results[-1] else super().run(job)
        async with aclosing(outputs):
            async for batch in outputs:
                yield batch


async def loop(tool: str, arguments: dict[str, Any]) -> Loop:
    """Calls `tool`, again and again until its result has `SAID` in it; then says "The command ran."."""
    call = json.dumps({"name": tool, "arguments": arguments})
    engine = Loop.scripted(("<tool_call>\n", call, "\n</tool_call>"))
    assert isinstance(engine, Loop)
    engine.answer = ReplayEngine.scripted(("The command ", "ran."))
    await engine.answer.start()
    return engine
