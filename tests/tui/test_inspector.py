"""The inspector: what was sent, what comes back while it comes, where the time went."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mlxtui.events import RequestFinished
from mlxtui.fold import fold
from mlxtui.tui import wired
from mlxtui.tui.screens import inspector
from mlxtui.tui.screens.home import HomeScreen
from mlxtui.tui.screens.inspector import InspectorScreen
from mlxtui.tui.text import Line
from tests.fake_server import FakeServer
from tests.tui.scene import NOW, StillClient, dashboard, drawn, play, screen_text, settled
from tests.tui.test_screens import same_as_before

REQUEST: dict[str, Any] = {
    "model": "Qwen3-4B-4bit",
    "stream": True,
    "temperature": 0.2,
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is the weather in Paris?"},
    ],
    "tools": [{"type": "function", "function": {"name": "get_weather", "description": "The weather in a city."}}],
}


def inspected(finished: bool, **output: Any) -> dict[str, Any]:
    return {"id": "a1f301", "endpoint": "chat", "request": REQUEST, "finished": finished, "output": output}


def test_the_output_grows_while_it_is_generated() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.bodies["a1f301"] = inspected(False)
            deltas = server.deltas["a1f301"] = asyncio.Queue()
            client = StillClient()
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client, size=(100, 30)) as (app, pilot):
                await pilot.press("enter")
                screen = app.screen
                assert isinstance(screen, InspectorScreen)
                assert "waiting for the first token" in await drawn(app, pilot)
                deltas.put_nowait({"channel": "reasoning", "text": "The user wants the weather."})
                deltas.put_nowait({"channel": "content", "text": "Let me look."})
                deltas.put_nowait({"channel": "tool", "index": 0, "name": "get_weather", "text": '{"city":'})
                while not screen.inspected.answer.calls:
                    await pilot.pause()
                same_as_before("inspector-live-100x30", await drawn(app, pilot))
                deltas.put_nowait({"channel": "tool", "index": 0, "text": ' "Paris"}'})
                call = {"id": "c1", "name": "get_weather", "arguments": '{"city": "Paris"}'}
                server.bodies["a1f301"] = inspected(True, reasoning="R", content="Done.", tool_calls=[call])
                deltas.put_nowait(None)
                await settled(app, pilot)
                fold(client.state, RequestFinished(NOW, "a1f301", 200, "tool_calls", None, 9, 1, 5, 0, 1.1, 12.0))
                assert '"city": "Paris"' in await drawn(app, pilot)
                await pilot.press("m")
                same_as_before("inspector-messages-100x30", await drawn(app, pilot))
                await pilot.press("right", "left", "escape")
                assert isinstance(app.screen, HomeScreen)

    play(scene())


def test_a_request_whose_body_is_gone_still_shows_its_figures() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            client = StillClient()
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client, size=(80, 24)) as (app, pilot):
                await pilot.press("end", "enter")
                await settled(app, pilot)
                text = await drawn(app, pilot)
                assert "there is no such request" in text
                assert "✗ 400 error" in text

    play(scene())


WIRE: dict[str, Any] = {
    "request": {"path": "/v1/chat/completions", "headers": [], "unread": None},
    "response": {"status": 200, "headers": [], "chunks": [[0, 0.1, "{}"]], "left_out": 0, "complete": True},
}


def test_what_a_finished_request_sent_and_got_is_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out: list[str] = []
    for name in ("sent_lines", "answer_sent_lines"):

        def counted(*known: Any, name: str = name) -> list[Line]:
            laid_out.append(name)
            lines: list[Line] = getattr(wired, name)(*known)
            return lines

        monkeypatch.setattr(inspector, name, counted)

    async def scene() -> None:
        async with FakeServer() as server:
            server.bodies["a1f301"], server.looks["a1f301", "wire"] = inspected(True), WIRE
            client = StillClient()
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client, size=(140, 36)) as (app, pilot):
                await pilot.press("enter", "w")
                assert "Paris" in await settled(app, pilot)
                await pilot.press("W")
                assert "HTTP/1.1 200" in await settled(app, pilot)
                await pilot.press("w")
                await settled(app, pilot)
                laid_out.clear()
                for _ in range(3):
                    assert "Paris" in await drawn(app, pilot)
                assert laid_out == []

    play(scene())


@pytest.mark.parametrize("response", [None, {}, {"chunks": None}, {"chunks": [[0]]}, {"chunks": [["x", "y", "z"]]}])
def test_a_wire_told_in_another_way_is_trouble_and_no_end(response: Any) -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.bodies["a1f301"] = inspected(True)
            server.looks["a1f301", "wire"] = WIRE | {"response": response}
            client = StillClient()
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client, size=(140, 36)) as (app, pilot):
                await pilot.press("enter", "w")
                assert "in a way this version does not know" in await settled(app, pilot)

    play(scene())


def test_an_output_told_in_another_way_is_trouble_and_no_end() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.bodies["a1f301"] = inspected(True, tool_calls=["get_weather"])
            client = StillClient()
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client, size=(140, 36)) as (app, pilot):
                await pilot.press("enter")
                assert "not an answer of this version" in await settled(app, pilot)
                await pilot.press("e")
                assert "to a file?" in await settled(app, pilot)

    play(scene())


LONG = "\n".join(f"line {n} " + "word " * 40 for n in range(3_000))


def test_a_long_answer_is_followed_while_it_grows() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.bodies["a1f301"] = inspected(False)
            deltas = server.deltas["a1f301"] = asyncio.Queue()
            client = StillClient()
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client, size=(80, 24)) as (app, pilot):
                await pilot.press("enter")
                screen = app.screen
                assert isinstance(screen, InspectorScreen)
                deltas.put_nowait({"channel": "content", "text": LONG})
                while not screen.inspected.answer.content:
                    await pilot.pause()
                await drawn(app, pilot)
                await pilot.pause()
                assert "line 2999" in screen_text(app)
                await pilot.press("g")
                deltas.put_nowait({"channel": "content", "text": "\nmore"})
                while not screen.inspected.answer.content.endswith("more"):
                    await pilot.pause()
                assert "line 0 " in await drawn(app, pilot)

    play(scene())


def test_a_finished_answer_is_read_from_its_beginning() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.bodies["a1f301"] = inspected(True, content=LONG)
            client = StillClient()
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client, size=(140, 36)) as (app, pilot):
                await pilot.press("enter")
                text = await settled(app, pilot)
                assert "line 0 " in text
                assert "What is the weather in Paris?" in text

    play(scene())
