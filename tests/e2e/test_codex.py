"""Codex as a real client, on the Responses API. Runs where its program is: `npm install -g @openai/codex`, or
MLXTUI_CODEX=path; its own home and working directory are temporary."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.looping import COMMAND, SAID, loop
from tests.e2e.server import Server
from tests.server.serving import serving

CODEX = os.environ.get("MLXTUI_CODEX") or shutil.which("codex")
pytestmark = [
    pytest.mark.skipif(not CODEX, reason="codex is not installed (npm install -g @openai/codex)"),
    pytest.mark.timeout(600),
]


def command(folder: Path, url: str, model: str, *words: str) -> tuple[list[str], dict[str, str]]:
    """Codex set up for our server: the words of its command, and its environment."""
    home = folder / "codex"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(
        f'model = "{model}"\nmodel_provider = "mlxtui"\n[model_providers.mlxtui]\nname = "mlxtui"\n'
        f'base_url = "{url}/v1"\nwire_api = "responses"\n'
    )
    options = ["--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    return [CODEX or "", "exec", *options, *words], os.environ | {"CODEX_HOME": str(home), "HOME": str(folder)}


def events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def ask(folder: Path, server: Server, *words: str) -> list[dict[str, Any]]:
    words_, environ = command(folder, server.url, "mlxtui-tiny", *words)
    done = subprocess.run(
        words_, cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return events(done.stdout)


def complaints(told: list[dict[str, Any]]) -> list[str]:
    """What Codex says is wrong, but for that it knows nothing of our model."""
    said = [event["item"]["message"] for event in told if event.get("item", {}).get("type") == "error"]
    said += [event["message"] for event in told if event["type"] == "error"]
    return [message for message in said if not message.startswith("Model metadata for")]


def usage(told: list[dict[str, Any]]) -> dict[str, int]:
    assert told[-1]["type"] == "turn.completed", told
    figures: dict[str, int] = told[-1]["usage"]
    return figures


def test_two_turns_with_the_embedded_model_and_the_second_is_warm(server: Server, tmp_path: Path) -> None:
    first = ask(tmp_path, server, "What is the capital of France?")
    assert complaints(first) == []
    assert usage(first)["output_tokens"] > 0
    second = ask(tmp_path, server, "resume", "--last", "And of Italy?")
    assert complaints(second) == []
    assert usage(second)["cached_input_tokens"] > 0.95 * usage(first)["input_tokens"]


def test_its_tool_loop_runs_a_command_end_to_end(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(engine=await loop("exec_command", {"cmd": COMMAND})) as served:
            words, environ = command(tmp_path, served.url, "scripted", "Run the command.")
            process = await asyncio.create_subprocess_exec(
                *words, cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
            )
            output, _ = await asyncio.wait_for(process.communicate(), 300)
        told = events(output.decode())
        assert complaints(told) == []
        ran = [e["item"] for e in told if e["type"] == "item.completed" and e["item"]["type"] == "command_execution"]
        assert [(item["exit_code"], SAID in item["aggregated_output"]) for item in ran] == [(0, True)]
        assert [e["item"]["text"] for e in told if e.get("item", {}).get("type") == "agent_message"] == [
            "The command ran."
        ]

    asyncio.run(main())
