"""Every key of the home screen and what it does."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from textual.screen import ModalScreen

from mlxtui.client import Link
from mlxtui.events import RequestPrioritised, RequestReceived
from mlxtui.fold import fold
from mlxtui.state import State
from mlxtui.tui.app import Dashboard, Outcome
from mlxtui.tui.screens.home import HomeScreen
from mlxtui.tui.screens.inspector import InspectorScreen
from mlxtui.tui.screens.reader import Reader
from mlxtui.tui.widgets.pager import Pager
from mlxtui.tui.widgets.requests import RequestsTable
from tests.fake_server import FakeServer
from tests.tui.scene import NOW, StillClient, busy, dashboard, drawn, play, screen_text, settled


def table(app: Dashboard) -> RequestsTable:
    return app.screen.query_one(RequestsTable)


def selected(app: Dashboard) -> str:
    row = table(app).selected
    assert row is not None
    return row.id


def test_the_cursor_moves_and_stays_on_its_request() -> None:
    async def scene() -> None:
        client = StillClient()
        async with dashboard(client, size=(80, 20)) as (app, pilot):
            assert selected(app) == "a1f301"
            await pilot.press("j", "down", "k")
            assert selected(app) == "5ta110"
            await pilot.press("G")
            assert selected(app) == "1b2c01"
            assert "1b2c01" in screen_text(app)
            await pilot.press("pageup")
            assert selected(app) not in ("1b2c01", "a1f301")
            await pilot.press("home")
            assert selected(app) == "a1f301"
            await pilot.press("j", "j")
            del client.state.requests["a1f301"]
            await drawn(app, pilot)
            assert selected(app) == "c0de01"
            del client.state.requests["c0de01"]
            await drawn(app, pilot)
            assert selected(app) in client.state.requests

    play(scene())


def test_the_cursor_follows_the_top_until_it_is_moved() -> None:
    async def scene() -> None:
        client = StillClient()
        async with dashboard(client) as (app, pilot):
            del client.state.requests["a1f301"]
            await drawn(app, pilot)
            assert selected(app) == "5ta110"

    play(scene())


def test_the_mouse_selects_and_a_double_click_inspects() -> None:
    async def scene() -> None:
        async with dashboard() as (app, pilot):
            await pilot.click(RequestsTable, offset=(10, 4))
            assert selected(app) == "c0de01"
            await pilot.click(RequestsTable, offset=(10, 4), times=2)
            await pilot.pause()
            assert isinstance(app.screen, InspectorScreen)

    play(scene())


def test_filter_and_escape() -> None:
    async def scene() -> None:
        async with dashboard() as (app, pilot):
            await pilot.press("slash", *"state:decode", "enter")
            assert [row.id for row in table(app).rows] == ["a1f301", "5ta110"]
            assert "2 match 'state:decode'" in await drawn(app, pilot)
            await pilot.press("slash", *" nobody", "enter")
            assert "no request matches" in await drawn(app, pilot)
            await pilot.press("escape")
            assert len(table(app).rows) == 11
            await pilot.press("slash", *"x", "escape", "j")
            assert (selected(app), len(table(app).rows)) == ("5ta110", 11)

    play(scene())


def test_sort_goes_through_its_keys_and_says_so() -> None:
    async def scene() -> None:
        async with dashboard() as (app, pilot):
            orders = []
            for _ in range(6):
                await pilot.press("s")
                orders.append((table(app).border_subtitle or "", table(app).rows[0].id))
            assert orders[0] == ("by tok/s", "a1f301")
            assert orders[2] == ("by prompt", "c0de01")
            assert orders[-1] == ("", "a1f301")

    play(scene())


def test_pause_holds_the_picture_while_data_is_collected() -> None:
    async def scene() -> None:
        client = StillClient()
        async with dashboard(client) as (app, pilot):
            await pilot.press("space")
            fold(client.state, RequestReceived(NOW, "feed01", "chat", "curl", "m", True))
            assert "‖ paused" in await drawn(app, pilot)
            assert "feed01" not in screen_text(app)
            await pilot.press("space")
            assert "feed01" in await drawn(app, pilot)

    play(scene())


def test_cancel_asks_first() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            fold(server.bus.state, RequestReceived(NOW, "a1f301", "chat", "opencode", "m", True))
            client = StillClient()
            client.url = server.url
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client) as (app, pilot):
                await pilot.press("x")
                assert "Cancel request a1f301 of opencode?" in screen_text(app)
                await pilot.press("n")
                assert server.cancelled == []
                await pilot.press("x")
                await pilot.press("y")
                await settled(app, pilot)
                assert server.cancelled == ["a1f301"]
                await pilot.pause()
                assert "Cancelled a1f301." in screen_text(app)
                await pilot.press("end", "x")
                await pilot.pause()
                assert "already ended" in screen_text(app)

    play(scene())


@pytest.mark.parametrize(("key", "expected"), [("y", "curl "), ("Y", "from openai import OpenAI")])
def test_copy_shows_the_text_and_gives_it_to_the_clipboard(
    key: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "pbcopy"
    tool.write_text(f"#!/bin/sh\n/bin/cat > {tmp_path}/clipboard\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    async def scene() -> None:
        async with FakeServer() as server:
            server.bodies["a1f301"] = {
                "endpoint": "chat",
                "request": {"model": "m", "messages": [{"role": "user", "content": "[/foo] it's \x1b]0;x"}]},
            }
            client = StillClient()
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client) as (app, pilot):
                await pilot.press(key)
                await settled(app, pilot)
                shown = app.screen.query_one(Pager).text
                assert isinstance(app.screen, Reader)
                assert expected in shown
                assert "\x1b" not in shown
                assert (tmp_path / "clipboard").read_text() == shown
                assert "copied with pbcopy" in screen_text(app)
                await pilot.press("escape", "end", key)
                await settled(app, pilot)
                assert "there is no such request" in screen_text(app)

    play(scene())


def test_help_names_every_key_of_the_screen() -> None:
    async def scene() -> None:
        async with dashboard(size=(100, 50)) as (app, pilot):
            await pilot.press("question_mark")
            shown = app.screen.query_one(Pager).text
            for binding in [*HomeScreen.BINDINGS, *Dashboard.BINDINGS, *RequestsTable.BINDINGS]:
                assert binding.id  # type: ignore[union-attr]
                assert binding.system or (binding.tooltip and binding.tooltip in shown)  # type: ignore[union-attr]
            await pilot.press("question_mark")
            assert isinstance(app.screen, HomeScreen)

    play(scene())


def test_the_palette_runs_keys_by_name() -> None:
    async def scene() -> None:
        async with dashboard() as (app, pilot):
            commands = {command.title: command for command in app.get_system_commands(app.screen)}
            await commands["Sort by the next column"].callback()  # type: ignore[misc]
            await commands["The line below"].callback()  # type: ignore[misc]
            assert (table(app).border_subtitle, selected(app)) == ("by tok/s", "5ta110")
            await pilot.press("ctrl+p")
            assert isinstance(app.screen, ModalScreen)
            await pilot.press("escape", "t")
            assert isinstance(app.screen, ModalScreen)
            await pilot.press("escape", "1")
            assert isinstance(app.screen, HomeScreen)

    play(scene())


@pytest.mark.parametrize(
    ("owns", "keys", "outcome"),
    [
        (True, "qs", Outcome("stop")),
        (True, "ql", Outcome("leave")),
        (False, "qd", Outcome("leave")),
        (False, "qs", Outcome("stop")),
        (True, ["q", "enter"], Outcome("stop")),
        (False, ["ctrl+q", "enter"], Outcome("leave")),
        (True, ["q", "down", "enter"], Outcome("leave")),
        (True, ["ctrl+c", "ctrl+c", "ctrl+q", "l"], Outcome("leave")),
    ],
)
def test_quit_asks_what_becomes_of_the_server(owns: bool, keys: list[str], outcome: Outcome) -> None:
    async def scene() -> None:
        async with dashboard(owns_server=owns) as (app, pilot):
            await pilot.press(keys[0])
            assert "6 requests in flight" in screen_text(app)
            await pilot.press(*keys[1:])
            assert app.return_value == outcome

    play(scene())


@pytest.mark.parametrize(("owns", "link"), [(True, Link("gone")), (False, Link("gone")), (False, Link("connecting"))])
def test_quit_asks_nothing_where_there_is_no_server(owns: bool, link: Link) -> None:
    async def scene() -> None:
        async with dashboard(StillClient(busy(), link), owns_server=owns) as (app, pilot):
            await pilot.press("q")
            assert app.return_value == Outcome("leave")

    play(scene())


@pytest.mark.parametrize("stay", ["n", "escape", "q"])
def test_quit_can_stay(stay: str) -> None:
    async def scene() -> None:
        async with dashboard() as (app, pilot):
            await pilot.press("q", stay)
            assert isinstance(app.screen, HomeScreen)
            assert app.return_value is None

    play(scene())


def test_sigterm_leaves_the_server_and_a_clean_terminal() -> None:
    async def scene() -> None:
        async with dashboard() as (app, pilot):
            os.kill(os.getpid(), signal.SIGTERM)
            await pilot.pause()
            assert app.return_value == Outcome("leave")

    play(scene())


def test_a_server_that_failed_to_come_up_closes_the_dashboard() -> None:
    async def scene() -> None:
        reached = []

        def failure(seen: bool) -> str | None:
            reached.append(seen)
            return "port 8080 is in use"

        client = StillClient(State(), Link("connecting"))
        async with dashboard(client, failure=failure) as (app, _):
            assert app.return_value == Outcome("leave", "port 8080 is in use")
            assert reached[0] is False

    play(scene())


def test_plus_and_minus_move_a_request_before_and_after_others() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            fold(server.bus.state, RequestReceived(NOW, "c0de01", "chat", "codex", "m", True))
            client = StillClient()
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client) as (app, pilot):
                await pilot.press("j", "j")
                for key, wanted, mark in (("plus", "high", "↑"), ("minus", "normal", " "), ("minus", "low", "↓")):
                    await pilot.press(key)
                    await settled(app, pilot)
                    assert server.prioritised[-1] == ("c0de01", wanted)
                    fold(client.state, RequestPrioritised(NOW, "c0de01", wanted))  # type: ignore[arg-type]
                    assert f"c0de01{mark} " in await drawn(app, pilot)
                await pilot.press("minus", "minus")
                assert {wanted for _, wanted in server.prioritised[3:]} <= {"low"}
                await pilot.press("enter")
                assert "priority low" in await drawn(app, pilot)
                await pilot.press("escape", "home", "plus")
                assert "already begun" in await drawn(app, pilot)

    play(scene())
