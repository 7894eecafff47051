"""A dashboard on a server elsewhere: it goes and comes back, wants another key, is of another version."""

from __future__ import annotations

import time

import pytest
from textual.pilot import Pilot

from mlxtui import __version__
from mlxtui.client import ServerClient
from mlxtui.events import Logged, RequestReceived, ServerStarted
from mlxtui.tui.app import Dashboard, Outcome
from tests.fake_server import FakeServer
from tests.tui.scene import dashboard, drawn, play

FAST = (0.01, 0.05)


async def until(app: Dashboard, pilot: Pilot[Outcome], words: str) -> str:
    while words not in (text := await drawn(app, pilot)):
        pass
    return text


def started(version: str = __version__) -> ServerStarted:
    return ServerStarted(time.time(), version, "http://x", 1, 32)


def test_a_server_that_goes_is_gone_and_what_was_missed_is_made_up_for() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.bus.publish(started())
            server.bus.publish(RequestReceived(time.time(), "abc123", "chat", "zed", "m", True))
            async with dashboard(ServerClient(server.url, backoff=FAST), size=(100, 30)) as (app, pilot):
                await until(app, pilot, "abc123")
                await server.stop()
                text = await until(app, pilot, "✗ server gone")
                assert "nothing answers there; trying again" in text or "connection" in text
                assert "abc123" in text
                server.bus.publish(RequestReceived(time.time(), "def456", "chat", "curl", "m", True))
                await server.start(server.port)
                text = await until(app, pilot, "def456")
                assert "server gone" not in text
                assert any("last-event-id" in headers for _, _, headers in server.seen)
                server.bus.publish(Logged(time.time(), "info", "and on it goes"))
                await until(app, pilot, "and on it goes")

    play(scene())


@pytest.mark.parametrize("key", [None, "wrong"])
def test_a_wrong_key_is_said_plainly(key: str | None) -> None:
    async def scene() -> None:
        async with (
            FakeServer(api_key="right") as server,
            dashboard(ServerClient(server.url, key, backoff=FAST), size=(100, 30)) as (app, pilot),
        ):
            text = await until(app, pilot, "not connected")
            assert "the server wants an API key (--api-key or MLXTUI_API_KEY), or another one" in text

    play(scene())


def test_another_version_is_said_plainly() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.bus.publish(started("99.0"))
            async with dashboard(ServerClient(server.url, backoff=FAST), size=(80, 24)) as (app, pilot):
                await until(app, pilot, f"! the server is mlxtui 99.0, this is {__version__}")

    play(scene())


def test_a_version_whose_state_cannot_be_read_is_said_plainly() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.raw_events.append('event: snapshot\nid: 1\ndata: {"server": {"version": "99.0"}}\n\n')
            async with dashboard(ServerClient(server.url, backoff=FAST), size=(140, 36)) as (app, pilot):
                await until(app, pilot, "use the same version for both")

    play(scene())
