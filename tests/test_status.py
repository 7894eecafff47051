"""The text twin: a table, JSON, an exit code."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from textual.geometry import Size

from mlxtui import up
from mlxtui.client import Link
from mlxtui.status import status, table
from mlxtui.tui.app import Outcome
from mlxtui.tui.text import plain
from mlxtui.tui.view import View
from mlxtui.tui.widgets.header import header
from tests.fake_server import FakeServer
from tests.tui.scene import NOW, busy


def with_server(call: Any) -> Any:
    """Run `call(url)` in a thread while a fake server with the busy state answers."""

    async def scene() -> Any:
        async with FakeServer() as server:
            server.bus.state = busy()
            return await asyncio.to_thread(call, server)

    return asyncio.run(asyncio.wait_for(scene(), 30))


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert with_server(lambda server: status(server.url, None)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Qwen3-4B-4bit  ready")
    assert "3 running, 3 queued" in lines[1]
    assert lines[3].split()[:3] == ["ID", "STATE", "PROMPT"]
    assert len(lines) == 4 + 11


def test_the_table_tells_what_the_header_tells() -> None:
    state = busy()
    painted = header(View(state, NOW, Link("connected"), "http://127.0.0.1:8080"), Size(200, 1))
    told = plain(painted.lines[0])
    said = " ".join(table(state, NOW, 200)[:2])
    for figure in (
        "Qwen3-4B-4bit",
        "3 running",
        "3 queued",
        "41.0 tok/s",
        "127.0.0.1:8080",
        "up 1h12m",
        "4.1 GB",
        "45%",
    ):
        assert figure in told
        assert figure in said


def test_json_is_the_whole_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert with_server(lambda server: status(server.url, None, as_json=True)) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(busy().to_json()))


def test_nobody_there_is_one_line_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    async def dead() -> str:
        async with FakeServer() as server:
            return server.url

    assert status(asyncio.run(dead()), None) == 1
    assert "nothing answers there" in capsys.readouterr().err


@pytest.mark.parametrize("width", [20, 80, 160])
def test_the_table_fits(width: int) -> None:
    assert max(len(line) for line in table(busy(), NOW, width)[2:]) <= width


def test_attach_can_stop_the_server(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is asked, and then waited for."""
    monkeypatch.setattr("mlxtui.tui.app.run_dashboard", lambda *_, **__: Outcome("stop"))

    async def scene() -> int:
        async with FakeServer() as server:
            attached = asyncio.create_task(asyncio.to_thread(up.attach, server.url, None))
            await server.shut_down.wait()
            await server.stop()
            code = await attached
            await server.start()
            return code

    assert asyncio.run(asyncio.wait_for(scene(), 30)) == 0
    assert "stopping the server… stopped." in capsys.readouterr().out
