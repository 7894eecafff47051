"""What is around every screen: the line of screens, zoom, themes, keys of one's own, read-only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui.client import ServerClient
from mlxtui.errors import SettingsError
from mlxtui.reach import ReadOnly
from mlxtui.tui.keymap import bindings, checked, document, is_key
from mlxtui.tui.places import PLACES
from mlxtui.tui.screens.home import HomeScreen
from mlxtui.tui.screens.inspector import InspectorScreen
from mlxtui.tui.screens.reader import Reader
from mlxtui.tui.text import cells, plain
from mlxtui.tui.widgets.bar import Bar, Tab, bar_line
from mlxtui.tui.widgets.pager import Pager
from tests.fake_server import FakeServer
from tests.tui.scene import StillClient, dashboard, drawn, play, screen_text

NAMES = ("Requests", "Models", "Chat", "Check", "Cache", "Logs", "Plots")
TABS = [Tab(str(number), name.lower(), name) for number, name in enumerate(NAMES, 1)]


def test_the_line_of_screens_fits_sixty_columns() -> None:
    line, begins = bar_line(TABS, "chat", "read-only", 60)
    assert plain(line) == " 1 Requests 2 Models[3 Chat]4 Check 5 Cache 6 Logs 7 Plots "
    assert [plain(line)[begin] for begin in begins] == [tab.key for tab in TABS]
    assert plain(bar_line(TABS, "models", "read-only", 80)[0]).endswith("7 Plots            read-only")
    assert plain(bar_line(TABS, "chat", "", 40)[0]) == " 1 2[3 Chat]4 5 6 7 "


@given(st.integers(30, 200), st.sampled_from(TABS), st.sampled_from(["", "read-only"]))
def test_the_line_of_screens_fits_any_width(width: int, tab: Tab, note: str) -> None:
    line, _ = bar_line(TABS, tab.mode, note, width)
    assert cells(line) <= width
    assert f"[{tab.key} {tab.name}]" in plain(line)


def test_every_place_has_the_line_of_screens() -> None:
    async def scene() -> None:
        async with dashboard(size=(60, 20)) as (app, pilot):
            for place in PLACES:
                await pilot.press("escape", place.key)  # in Chat a digit is text, until its field is left
                text = await drawn(app, pilot)
                assert app.current_mode == place.mode
                assert f"[{place.key} {place.name}]" in text.splitlines()[0]

    play(scene())


def test_a_click_on_the_line_goes_there_and_a_number_leaves_what_lies_on_top() -> None:
    async def scene() -> None:
        async with dashboard() as (app, pilot):
            await pilot.press("enter")
            assert isinstance(app.screen, InspectorScreen)
            await pilot.press("1")
            assert isinstance(app.screen, HomeScreen)
            await pilot.click(Bar, offset=(3, 0))
            assert app.current_mode == "home"

    play(scene())


def test_zoom_shows_one_pane_and_escape_all_of_them() -> None:
    async def scene() -> None:
        async with dashboard() as (app, pilot):
            before = screen_text(app)
            await pilot.press("z")
            text = await drawn(app, pilot)
            assert "requests: 2 decode" in text
            assert "decode 41 · prefill" not in text
            assert "[1 Requests]" in text
            await pilot.press("escape", "tab", "z")
            text = await drawn(app, pilot)
            assert "─ log ─" in text
            assert "a1f301 " not in text
            await pilot.press("z", "escape")
            assert await drawn(app, pilot) == before

    play(scene())


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light", "textual-light"])
def test_themes_of_the_terminal_itself_show_the_same_words(theme: str) -> None:
    async def scene() -> None:
        async with dashboard(size=(80, 24)) as (app, pilot):
            before = screen_text(app)
            assert theme in app.available_themes
            app.theme = theme
            assert await drawn(app, pilot) == before

    play(scene())


def test_keys_can_be_others() -> None:
    async def scene() -> None:
        keys = checked({"home.sort": "f5, o", "app.help": "h"})
        async with dashboard(keys=keys) as (app, pilot):
            home = app.screen
            assert isinstance(home, HomeScreen)
            await pilot.press("s")
            assert home.sort == "arrival"
            await pilot.press("f5", "o")
            assert home.sort == "TTFT"
            await pilot.press("h")
            assert isinstance(app.screen, Reader)
            help_text = app.screen.query_one(Pager).text
            assert "f5 o" in help_text.lower()

    play(scene())


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"home.fliter": "f"}, "[keys] 'home.fliter' in mlxtui.toml is no binding; did you mean 'home.filter'?"),
        ({"nonsense": "f"}, "[keys] 'nonsense' in mlxtui.toml is no binding; docs/keys.md has them all"),
        ({"home.sort": "f5,hello"}, "[keys] home.sort = 'f5,hello' in mlxtui.toml: 'hello' is no key"),
        ({"home.sort": ""}, "'' is no key"),
    ],
)
def test_a_wrong_name_or_key_is_one_clear_line(keys: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        checked(keys)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_a_key() -> None:
    assert all(
        map(is_key, ["a", "Z", "/", "é", "f5", "enter", "ctrl+x", "question_mark", "ctrl+shift+left", "ctrl+slash"])
    )
    assert not any(map(is_key, ["", "hello", "ctrl+", "strg+x", "\x1b", "<any>", "f99"]))


def test_every_binding_can_be_another_key_and_is_written_down() -> None:
    """`just keys` writes docs/keys.md anew."""
    assert all(is_key(key) for binding in bindings() for key in binding.key.split(","))
    assert (Path(__file__).parents[2] / "docs" / "keys.md").read_text(encoding="utf-8") == document()


def test_a_read_only_dashboard_hides_what_changes_anything() -> None:
    async def scene() -> None:
        async with dashboard(StillClient(readonly=True), size=(140, 36)) as (app, pilot):
            text = screen_text(app)
            assert "read-only" in text.splitlines()[0]
            assert "cancel" not in text.splitlines()[-1]
            await pilot.press("x")
            assert isinstance(app.screen, HomeScreen)
            assert not [command for command in app.get_system_commands(app.screen) if "Cancel" in command.title]
            await pilot.press("enter", "x")
            assert isinstance(app.screen, InspectorScreen)
            await pilot.press("q")
            assert "stop the server" not in screen_text(app)
            await pilot.press("l")
            assert app.return_value is not None
            assert app.return_value.server == "leave"

    play(scene())


def test_a_read_only_client_refuses_before_the_server_hears_of_it() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            client = ServerClient(server.url, readonly=True)
            for asked in (client.cancel("a"), client.shutdown()):
                with pytest.raises(ReadOnly, match="read-only"):
                    await asked
            assert (await client.health())["status"] == "ok"
            assert [path for _, path, _ in server.seen] == ["/health"]
            await client.close()

    asyncio.run(scene())
