"""`mlxtui serve` as a process, answering from a recording and recording at the same time; no model is loaded."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2

from mlxtui import recording
from mlxtui.compare import response_diff

SESSION = Path(__file__).parents[2] / "recordings" / "tools.jsonl"


def test_a_server_answers_from_a_recording_and_can_record_itself(tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    flags = ["--port", "0", "--replay", str(SESSION), "--record", str(again)]
    environ = os.environ | {"MLXTUI_HOME": str(tmp_path), "MLXTUI_REPLAY_SPEED": "0", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "mlxtui", "serve", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ, cwd=tmp_path) as server:
        assert server.stdout
        line = server.stdout.readline()
        found = re.search(r"listening on (\S+)", line)
        assert found, line
        session = recording.read(SESSION)
        with httpx2.Client(base_url=found[1], timeout=30) as http:
            for exchange in session.exchanges:
                asked = exchange.request
                headers = {"content-type": "application/json"}
                http.request(asked.method, asked.path, content=asked.body, headers=headers)
            assert http.post("/v1/chat/completions", json={"model": "default"}).status_code == 404
        server.send_signal(signal.SIGTERM)
        server.stdout.read()
        assert server.wait(30) == 0
    taped = recording.read(again).exchanges
    assert [exchange.id for exchange in taped[:-1]] == [exchange.id for exchange in session.exchanges]
    for before, now in zip(session.exchanges, taped[:-1], strict=True):
        assert response_diff(before.response, now.response) == []


def test_a_recording_that_is_there_is_not_recorded_over(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mlxtui",
        "serve",
        "--port",
        "0",
        "--replay",
        str(SESSION),
        "--record",
        str(SESSION),
    ]
    environ = os.environ | {"MLXTUI_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 2
    assert "never overwritten" in done.stderr
    assert "Traceback" not in done.stderr
