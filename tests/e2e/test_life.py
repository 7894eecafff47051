"""What happens when processes die, clients leave and commands can't do what was asked."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.e2e.server import Server, command, serving, wait_for

STORY = {"model": "mlxtui-tiny", "messages": [{"role": "user", "content": "Tell me a long story."}], "stream": True}


@contextmanager
def mid_stream(server: Server) -> Iterator[Iterator[str]]:
    """A stream whose first text has arrived while the worker is frozen: it can't end before the test says so."""
    with httpx2.stream("POST", f"{server.url}/v1/chat/completions", json=STORY, timeout=60) as response:
        lines = (line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: "))
        next(line for line in lines if json.loads(line)["choices"][0]["delta"].get("content"))
        server.worker().send_signal(signal.SIGSTOP)
        yield lines


def last_error(lines: Iterator[str]) -> dict[str, Any]:
    """The in-band error that ends a stream."""
    *_, error, end = lines
    assert end == "[DONE]"
    found: dict[str, Any] = json.loads(error)["error"]
    return found


def test_a_killed_worker_costs_its_requests_and_nothing_else(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        with mid_stream(server) as lines:
            server.worker().kill()
            assert last_error(lines)["code"] == "engine_error"
        wait_for(lambda: server.get("/ready").status_code == 503)
        assert server.get("/health").status_code == 200
        server.wait_until_ready()
        answer = httpx2.post(f"{server.url}/v1/chat/completions", json=STORY | {"stream": False, "max_tokens": 3})
        assert answer.status_code == 200


def test_sigterm_ends_a_running_stream_in_band_and_exits_0(tmp_path: Path) -> None:
    with serving(tmp_path, "--grace", "0.2") as server:
        worker = server.worker()
        with mid_stream(server) as lines:
            server.process.send_signal(signal.SIGTERM)
            assert last_error(lines)["code"] == "shutting_down"
            worker.send_signal(signal.SIGCONT)
        assert server.process.wait(timeout=30) == 0
        assert not worker.is_running()


def test_a_killed_server_leaves_no_worker(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        worker = server.worker()
        server.process.kill()
        server.process.wait(timeout=30)
        psutil.wait_procs([worker], timeout=30)
        assert not worker.is_running()


def test_a_client_that_leaves_frees_its_slot(server: Server) -> None:
    with httpx2.stream("POST", f"{server.url}/v1/chat/completions", json=STORY, timeout=60) as response:
        next(response.iter_lines())
    wait_for(lambda: server.get("/health").json()["running"] == 0)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["/no/such/model"], "/no/such/model"),
        (["nobody/nothing-4bit"], "nobody/nothing-4bit"),
        (["."], "config.json"),
        (["--host", "0.0.0.0"], "--api-key"),
        (["--temperature", "9"], "temperature"),
        (["--log-file", "/dev/null/x/server.log"], "/dev/null/x"),
        (["--log-file", "/"], "--log-file"),
    ],
)
def test_what_can_not_be_done_is_one_clear_line(tmp_path: Path, flags: list[str], words: str) -> None:
    run = subprocess.run(command("--port", "0", *flags), capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert run.returncode == 2
    assert words in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        run = subprocess.run(command("--port", port), capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert run.returncode == 2
    assert run.stderr == f"mlxtui: port {port} is in use; pick another with --port\n"


def test_a_terminal_that_stands_still_does_not_hold_up_the_server(tmp_path: Path) -> None:
    """stdout is a pipe that nobody reads: more lines than it holds are written, and every request is answered."""
    environ = os.environ | {"MLXTUI_HOME": str(tmp_path)}
    bad = {"model": "m" * 60, "messages": []}
    with subprocess.Popen(command("--port", "0"), stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        with httpx2.Client(base_url=found[0], timeout=60) as client:
            statuses = {client.post("/v1/chat/completions", json=bad).status_code for _ in range(600)}
        assert statuses == {400}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert process.stdout.read().count("\n") < 2 * 600  # two lines a request: the pipe was full
