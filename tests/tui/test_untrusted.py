"""Names, prompts, answers and errors come from strangers: nothing they write steers the terminal or breaks the app."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from textual.strip import Strip

from mlxtui.client import Link
from mlxtui.events import EngineDown, Logged, ModelReady, RequestFinished, RequestReceived, ServerStarted
from mlxtui.tui.app import Dashboard
from mlxtui.tui.screens.inspector import InspectorScreen
from tests.fake_server import FakeServer
from tests.tui.scene import NOW, StillClient, dashboard, drawn, folded, play, settled

EVIL = "[/foo][bold]\x1b]0;owned\x07\x1b[2J\x9b31m\x00\x7f\u202eevil\u2066\ud800\r\n\tend [@click=app.quit]x[/]"
BODY: dict[str, Any] = {
    "endpoint": "chat",
    "finished": True,
    "request": {
        "model": EVIL,
        EVIL: EVIL,
        "messages": [
            {"role": EVIL, "content": EVIL},
            {"role": "user", "content": [{"type": "text", "text": EVIL}, {"type": "image_url", "image_url": EVIL}]},
            {"role": "assistant", "tool_calls": [{"function": {"name": EVIL, "arguments": EVIL}}]},
            EVIL,
            None,
            7,
        ],
        "tools": [{"function": {"name": EVIL, "description": EVIL}}, EVIL, {"function": EVIL}],
    },
    "miss": {"reason": "parted", "at": 3, "was": EVIL, "now": EVIL, "where": EVIL},
    "in_force": {"temperature": 1.0, EVIL: EVIL, "constraint": EVIL},
    "output": {
        "reasoning": EVIL,
        "content": EVIL,
        "tool_calls": [{"id": EVIL, "name": EVIL, "arguments": EVIL}],
    },
}


SPELLED: dict[str, Any] = {
    "texts": [EVIL, "\t", "", "x" * 500, EVIL, "漢" * 90, "👋\u0301"],
    "counts": [1, 1, 1, 1, 2, 1, 4],
    "ids": [*range(11)],
    "special": [0],
    "fields": [[0, 2, EVIL, EVIL], [4, 6, "messages[0].content", "user"]],
}
LOOKS: dict[str, dict[str, Any]] = {
    "prompt": SPELLED | {"cached": 3, "rendered": 9, "prompts": 1},
    "raw": SPELLED | {"left_out": 5, "opens_in": "content"},
    "wire": {
        "request": {"path": EVIL, "headers": [[EVIL, EVIL]], "unread": EVIL},
        "response": {
            "status": 200,
            "headers": [["content-type", "text/event-stream"], [EVIL, EVIL]],
            "chunks": [[0, 0.1, EVIL], [7, 0.2, f"event: {EVIL}\ndata: {EVIL}\n\n"]],
            "sent": 8,
            "bytes": 900,
            "left_out": 500,
            "complete": False,
        },
    },
}


def client() -> StillClient:
    state = folded(
        [
            ServerStarted(NOW - 9, "0.1.0", "http://x:1", 1, 32),
            ModelReady(NOW - 8, EVIL, 1, 1, 1, EVIL, 1.0),
            RequestReceived(NOW - 5, "bad1", EVIL, EVIL, EVIL, True),
            RequestReceived(NOW - 5, "bad2", EVIL, EVIL, EVIL, True),
            RequestFinished(NOW - 4, "bad2", 500, "error", EVIL, 0, 0, 0, 0, None, 1.0),
            Logged(NOW - 3, "error", EVIL, EVIL),
        ]
    )
    return StillClient(state)


def assert_harmless(app: Dashboard) -> None:
    """Not one character on the screen, borders and all, that a terminal obeys."""
    for screen in app.screen_stack:
        for strip in screen._compositor.render_strips():
            assert_plain(strip)


def assert_plain(strip: Strip) -> None:
    for char in strip.text:
        assert char.isprintable() or char in "\u3000\xa0\u2007", (repr(char), strip.text)


@pytest.mark.parametrize("size", [(140, 36), (60, 20)])
def test_home(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with dashboard(client(), size=size) as (app, pilot):
            assert_harmless(app)
            await pilot.press("x")
            assert_harmless(app)
            await pilot.press("escape", "slash", *"[/foo]", "enter")
            await drawn(app, pilot)
            assert_harmless(app)

    play(scene())


def test_the_header_when_things_go_wrong() -> None:
    async def scene() -> None:
        still = client()
        async with dashboard(still) as (app, pilot):
            still.link = Link("gone", EVIL)
            await drawn(app, pilot)
            assert_harmless(app)
            still.link = Link("connected", EVIL)
            still.state = folded([ServerStarted(NOW - 9, EVIL, EVIL, 1, 32), EngineDown(NOW, EVIL, 1.0)])
            await drawn(app, pilot)
            assert_harmless(app)

    play(scene())


@pytest.mark.parametrize("request_id", ["bad1", "bad2"])
def test_the_inspector_in_every_tab(request_id: str) -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.bodies[request_id] = BODY
            for what, told in LOOKS.items():
                server.looks[request_id, what] = told
            still = client()
            still._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(still) as (app, pilot):
                screen = InspectorScreen(still, request_id)
                await app.push_screen(screen)
                await settled(app, pilot)
                for key in "mporwWb":
                    await pilot.press(key)
                    await drawn(app, pilot)
                    await settled(app, pilot)
                    assert_harmless(app)
                await pilot.press("p", *"...]]d,b")
                await drawn(app, pilot)
                assert_harmless(app)
                await pilot.press("y")
                await settled(app, pilot)
                assert_harmless(app)

    play(scene())


def test_toasts() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            still = client()
            still._http.base_url = server.url  # type: ignore[assignment]
            still.state.requests["bad1"] = replace(still.state.requests["bad1"], id=EVIL)
            async with dashboard(still) as (app, pilot):
                await pilot.press("x", "y")
                await settled(app, pilot)
                assert_harmless(app)

    play(scene())


def test_an_answer_while_it_streams() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.bodies["bad1"] = BODY | {"finished": False, "output": None}
            deltas = server.deltas["bad1"] = asyncio.Queue()
            still = client()
            still._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(still) as (app, pilot):
                screen = InspectorScreen(still, "bad1")
                await app.push_screen(screen)
                deltas.put_nowait({"pieces": [[EVIL, 1], ["", 1], [EVIL, 2]]})
                for channel in ("reasoning", "content", "tool"):
                    deltas.put_nowait({"channel": channel, "text": EVIL, "name": EVIL})
                await pilot.press("r")
                while not screen.inspected.answer.calls:
                    await pilot.pause()
                await drawn(app, pilot)
                assert_harmless(app)
                deltas.put_nowait(None)
                await settled(app, pilot)
                assert_harmless(app)

    play(scene())
