"""`mlxtui serve` as a process that answers from a recording: it records itself, it drains; no model is loaded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from mlxtui import recording
from mlxtui.compare import response_diff

RECORDINGS = Path(__file__).parents[2] / "recordings"
CHAT = "/v1/chat/completions"


@contextmanager
def serving(home: Path, session: str, speed: str, *flags: str) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    """Who uses it ends the server; it must then leave with exit code 0."""
    replayed = ["--port", "0", "--replay", str(RECORDINGS / session)]
    environ = os.environ | {"MLXTUI_HOME": str(home), "MLXTUI_REPLAY_SPEED": speed, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "mlxtui", "serve", *replayed, *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ, cwd=home) as server:
        assert server.stdout
        try:
            line = server.stdout.readline()
            found = re.search(r"listening on (\S+)", line)
            assert found, line
            with httpx2.Client(base_url=found[1], timeout=30) as http:
                yield server, http
            server.stdout.read()
            assert server.wait(30) == 0
        finally:
            server.kill()


def test_a_server_answers_from_a_recording_and_records_itself(tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    session = recording.read(RECORDINGS / "tools.jsonl")
    with serving(tmp_path, "tools.jsonl", "0", "--record", str(again)) as (server, http):
        for exchange in session.exchanges:
            asked = exchange.request
            http.request(asked.method, asked.path, content=asked.body, headers={"content-type": "application/json"})
        assert http.post(CHAT, json={"model": "default"}).status_code == 404
        server.terminate()
    *taped, missed = recording.read(again).exchanges
    assert missed.response.status == 404
    assert [exchange.id for exchange in taped] == [exchange.id for exchange in session.exchanges]
    for before, now in zip(session.exchanges, taped, strict=True):
        assert response_diff(before.response, now.response) == []


def test_sigterm_ends_a_slow_stream_in_band(tmp_path: Path) -> None:
    streamed = [e for e in recording.read(RECORDINGS / "capital.jsonl").exchanges if e.response.events]
    with serving(tmp_path, "capital.jsonl", "0.001", "--grace", "0") as (server, http):
        typed = {"content-type": "application/json"}
        with http.stream("POST", CHAT, content=streamed[0].request.body, headers=typed) as response:
            lines = (line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: "))
            assert json.loads(next(lines))["choices"][0]["delta"]["role"] == "assistant"
            server.terminate()
            *_, error, done = lines
    assert json.loads(error)["error"]["code"] == "shutting_down"
    assert done == "[DONE]"
