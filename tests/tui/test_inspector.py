"""The inspector: what was sent, what comes back while it comes, where the time went."""

from __future__ import annotations

import asyncio
from typing import Any

from textual.widgets import Tabs

from mlxtui.events import RequestFinished
from mlxtui.state import fold
from mlxtui.tui.screens.home import HomeScreen
from mlxtui.tui.screens.inspector import InspectorScreen
from mlxtui.tui.widgets.pager import Pager
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
                while not screen.answer.calls:
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
                await pilot.press("right", "right")
                assert screen.query_one(Tabs).active == "wire"
                assert '"finished": true' in screen.query_one("#wire-text", Pager).text
                await pilot.press("left", "escape")
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
                while not screen.answer.content:
                    await pilot.pause()
                await drawn(app, pilot)
                await pilot.pause()
                assert "line 2999" in screen_text(app)
                await pilot.press("g")
                deltas.put_nowait({"channel": "content", "text": "\nmore"})
                while not screen.answer.content.endswith("more"):
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
