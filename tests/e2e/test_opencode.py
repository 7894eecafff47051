"""opencode as a real client, on chat completions, set up as the README says. Runs where its program is:
`npm install -g opencode-ai`, or MLXTUI_OPENCODE=path; its own home and working directory are temporary."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.looping import COMMAND, SAID, loop
from tests.e2e.server import Server
from tests.server.serving import serving

OPENCODE = os.environ.get("MLXTUI_OPENCODE") or shutil.which("opencode")
README = Path(__file__).parents[2] / "README.md"
pytestmark = [
    pytest.mark.skipif(not OPENCODE, reason="opencode is not installed (npm install -g opencode-ai)"),
    pytest.mark.timeout(600),
]


def command(folder: Path, url: str, model: str, *words: str) -> tuple[list[str], dict[str, str]]:
    """opencode set up for our server: the words of its command, and its environment."""
    written = re.search(r"^opencode, in `opencode.json`:\n\n```json\n(.*?)```", README.read_text(), re.M | re.S)
    assert written
    settings = json.loads(written[1].replace("http://127.0.0.1:8080", url).replace("mlxtui-tiny", model))
    (folder / "opencode.json").write_text(json.dumps(settings))
    own = {name: str(folder / name) for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    options = ["--format", "json", "--model", f"mlxtui/{model}", *words]
    return [OPENCODE or "", "run", *options], os.environ | own | {"HOME": str(folder), "PWD": str(folder)}


def events(output: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert told
    assert [event for event in told if event["type"] == "error"] == []
    return told


def said(told: list[dict[str, Any]]) -> str:
    return "".join(event["part"]["text"] for event in told if event["type"] == "text")


def ask(folder: Path, server: Server, *words: str) -> list[dict[str, Any]]:
    words_, environ = command(folder, server.url, "mlxtui-tiny", *words)
    done = subprocess.run(
        words_, cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return events(done.stdout)


def tokens(told: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the last step of its turn."""
    finished: list[dict[str, Any]] = [event["part"]["tokens"] for event in told if event["type"] == "step_finish"]
    return finished[-1]


def test_two_turns_with_the_embedded_model_and_the_second_is_warm(server: Server, tmp_path: Path) -> None:
    first = ask(tmp_path, server, "What is the capital of France?")
    assert "Paris" in said(first)
    second = ask(tmp_path, server, "--continue", "What is the capital of Italy?")
    assert "Rome" in said(second)
    before, now = tokens(first), tokens(second)
    assert now["cache"]["read"] > 0.95 * (before["input"] + before["cache"]["read"])


def test_its_tool_loop_runs_a_command_end_to_end(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(engine=await loop("bash", {"command": COMMAND, "description": "Speak"})) as served:
            words, environ = command(tmp_path, served.url, "scripted", "--auto", "Run the command.")
            process = await asyncio.create_subprocess_exec(
                *words, cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
            )
            output, _ = await asyncio.wait_for(process.communicate(), 300)
        told = events(output.decode())
        ran = [event["part"]["state"] for event in told if event["type"] == "tool_use"]
        assert [(state["status"], SAID in state["output"]) for state in ran] == [("completed", True)]
        assert said(told) == "The command ran."

    asyncio.run(main())
