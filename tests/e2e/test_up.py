"""`mlxtui up` in a real terminal: what a person sees, and what is left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.e2e.server import wait_for
from tests.e2e.terminal import Terminal
from tests.models.library import in_cache

HELLO = {"model": "default", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


@pytest.fixture
def up(tmp_path: Path, port: int) -> Iterator[Terminal]:
    environ = os.environ | {"MLXTUI_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")}
    flags = ["--port", str(port), "--grace", "1", "--max-running", "4"]
    terminal = Terminal([sys.executable, "-m", "mlxtui", "up", *flags], environ)
    yield terminal
    terminal.kill()


def is_up(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def test_a_request_is_seen_and_quitting_stops_the_server(up: Terminal, port: int) -> None:
    up.read_until("requests")
    wait_for(lambda: is_up(port))
    headers = {"user-agent": "zed/0.200"}
    answer = httpx2.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=HELLO, headers=headers, timeout=60)
    assert answer.status_code == 200
    up.read_until("zed")
    up.press("q")
    up.read_until("leave it running")
    up.press("s")
    assert up.close() == 0
    assert up.clean
    assert not is_up(port)


def test_a_killed_dashboard_leaves_the_server_serving(up: Terminal, port: int) -> None:
    up.read_until("requests")
    wait_for(lambda: is_up(port))
    [server] = [p for p in psutil.Process(up.process.pid).children() if "serve" in p.cmdline()]
    up.process.kill()
    up.close()
    try:
        answer = httpx2.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=HELLO, timeout=60)
        assert answer.status_code == 200
    finally:
        server.send_signal(signal.SIGTERM)
        psutil.wait_procs([server], timeout=30)
    assert not is_up(port)


def test_a_model_that_is_not_there_is_one_clear_line(tmp_path: Path, port: int) -> None:
    environ = os.environ | {"MLXTUI_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")}
    terminal = Terminal([sys.executable, "-m", "mlxtui", "up", "/no/such/model", "--port", str(port)], environ)
    assert terminal.close() != 0
    said = terminal.text.rsplit("mlxtui: ", 1)[-1]
    assert re.match(r"model '/no/such/model' not found", said)
    assert "Traceback" not in terminal.text


def test_without_a_model_named_those_on_this_machine_are_offered(tmp_path: Path, port: int) -> None:
    in_cache(tmp_path / "hub", "org/picked")
    environ = os.environ | {"MLXTUI_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")}
    terminal = Terminal([sys.executable, "-m", "mlxtui", "up", "--port", str(port)], environ)
    terminal.read_until("Which one?")
    assert "org/picked" in terminal.text
    assert not is_up(port)
    terminal.press("1\r")
    terminal.read_until("requests")
    wait_for(lambda: is_up(port))
    assert httpx2.get(f"http://127.0.0.1:{port}/ready").json()["model"] == "org/picked"
    terminal.press("q")
    terminal.read_until("leave it running")
    terminal.press("s")
    assert terminal.close() == 0
