"""openai-node's `runTools` against the embedded model: calls parsed, tools run, results sent back, streamed or not."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server

ROOM = Path(__file__).parents[2] / "tools" / "node"
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="there is no node on this machine")
@pytest.mark.skipif(not (ROOM / "node_modules" / "openai").is_dir(), reason=f"openai-node is missing: npm ci in {ROOM}")
def test_run_tools_calls_answers_and_ends(server: Server) -> None:
    command = [str(NODE), "run_tools.mjs", server.url]
    done = subprocess.run(command, cwd=ROOM, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(runs) == 4
    for run in runs:
        check(run)
    for whole, streamed in (runs[:2], runs[2:]):
        assert texts(whole) == texts(streamed)


def texts(run: dict[str, Any]) -> list[str]:
    """A stream opens with "" before it is known that only calls will come, where a whole answer says null."""
    return [message.get("content") or "" for message in run["messages"]]


def check(run: dict[str, Any]) -> None:
    roles = [message["role"] for message in run["messages"]]
    calls = [call for message in run["messages"] for call in message.get("tool_calls") or ()]
    answered = [message["tool_call_id"] for message in run["messages"] if message["role"] == "tool"]
    assert roles[:2] == ["user", "assistant"]
    assert answered == [call["id"] for call in calls]
    assert run["cities"] == [json.loads(call["function"]["arguments"])["city"] for call in calls]
    if run["tool_choice"] == "auto":  # whether it calls is the model's own affair; that it comes to an end is not
        assert run["messages"][-1]["role"] == "assistant"
        assert run["messages"][-1]["content"]
    else:
        assert calls
