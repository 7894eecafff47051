"""Each key of each screen pressed, and keys at random: whatever screens there are, no key breaks the dashboard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from mlxtui.events import Logged
from mlxtui.fold import fold
from mlxtui.tui.app import Dashboard, Outcome
from mlxtui.tui.keymap import bindings
from mlxtui.tui.places import PLACES
from mlxtui.tui.screens.inspector import InspectorScreen
from mlxtui.tui.screens.reader import Reader
from tests.fake_server import FakeServer
from tests.tui.scene import NOW, StillClient, busy, dashboard, drawn, play, screen_text
from tests.tui.test_screens import same_as_before

LEAVING = {"ctrl+q", "ctrl+c"}
KEYS = sorted({key for binding in bindings() for key in binding.key.split(",")} | {*"ab!: ", "backspace", "tab", "n"})


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is exported, downloaded or saved goes nowhere that matters."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLXTUI_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("PATH", str(tmp_path))


@asynccontextmanager
async def on_a_server(
    size: tuple[int, int] = (140, 36),
) -> AsyncIterator[tuple[Dashboard, Pilot[Outcome]]]:
    """A dashboard whose questions are answered by a server that knows one request."""
    async with FakeServer() as server:
        server.bodies["a1f301"] = {"id": "a1f301", "endpoint": "chat", "request": {"model": "m"}, "finished": True}
        client = StillClient(busy())
        fold(client.state, Logged(NOW, "info", "[/foo]"))
        client.url = server.url
        client._http.base_url = server.url  # type: ignore[assignment]
        async with dashboard(client, size=size) as (app, pilot):
            yield app, pilot


async def back_to(app: Dashboard, pilot: Pilot[Outcome], place: str) -> None:
    """Leave whatever lies on top: a question, a text, another screen; and what is typed into."""
    await app.action_go(place)
    if isinstance(app.focused, Input | TextArea) or app.screen.has_class("-zoom"):
        await pilot.press("escape")


@pytest.mark.parametrize("place", [place.mode for place in PLACES])
def test_each_key_of_each_screen(place: str) -> None:
    async def scene() -> None:
        async with on_a_server() as (app, pilot):
            await back_to(app, pilot, place)
            keys = [key for key in app.screen.active_bindings if key not in LEAVING]
            assert keys
            for key in keys:
                await pilot.press(key)
                app.draw()
                assert app.return_value is None, key
                await back_to(app, pilot, place)
                assert app.current_mode == place, key

    play(scene(), 100)


def test_each_key_of_the_inspector() -> None:
    async def scene() -> None:
        async with on_a_server() as (app, pilot):
            await pilot.press("enter")
            for key in [key for key in app.screen.active_bindings if key not in LEAVING]:
                await pilot.press(key)
                app.draw()
                assert app.return_value is None, key
                await back_to(app, pilot, "home")
                await pilot.press("enter")
                assert isinstance(app.screen, InspectorScreen), key

    play(scene(), 100)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(KEYS), min_size=8, max_size=16), st.sampled_from([(140, 36), (60, 20)]))
def test_no_sequence_of_keys_breaks_it(keys: list[str], size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with on_a_server(size) as (app, pilot):
            await pilot.press(*keys)
            if app.return_value is None:
                await back_to(app, pilot, "home")
                await pilot.press("escape")
                assert "requests" in await drawn(app, pilot)

    play(scene(), 100)


SIZES = [(140, 36), (100, 30), (80, 24), (60, 20)]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_help_and_questions(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with dashboard(size=size) as (app, pilot):
            await pilot.press("q")
            same_as_before(f"ask-{size[0]}x{size[1]}", await drawn(app, pilot))
            await pilot.press("escape", "question_mark")
            assert isinstance(app.screen, Reader)
            text = await drawn(app, pilot)
            assert "Look into this request" in text
            assert "esc back" in text

    play(scene())


@pytest.mark.parametrize(("name", "keys"), [("home", ""), ("logs", "6"), ("plots", "7"), ("help", "?"), ("ask", "q")])
def test_without_colours_the_words_are_the_same(name: str, keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def read(greys: bool) -> str:
        async with dashboard(size=(80, 24)) as (app, pilot):
            await pilot.press(*("question_mark" if key == "?" else key for key in keys))
            await drawn(app, pilot)
            text = await drawn(app, pilot)
            if greys:
                assert_grey(app)
            return text

    texts = []

    async def scene() -> None:
        texts.append(await read(greys=False))
        monkeypatch.setenv("NO_COLOR", "1")
        texts.append(await read(greys=True))

    play(scene(), 100)
    assert texts[0] == texts[1]


def assert_grey(app: Dashboard) -> None:
    for strip in app.screen._compositor.render_strips():
        for segment in strip.apply_filter(app.get_line_filters()[0], app.background_colors[1]):
            for color in (segment.style and segment.style.color, segment.style and segment.style.bgcolor):
                triplet = color and color.triplet
                assert not triplet or triplet.red == triplet.green == triplet.blue, segment


def test_the_whole_can_be_used_without_a_mouse_at_sixty_columns() -> None:
    async def scene() -> None:
        async with on_a_server((60, 20)) as (app, pilot):
            for place in PLACES:
                await pilot.press(place.key)
                await drawn(app, pilot)
                lines = screen_text(app).splitlines()
                assert len(lines) == 20
                assert "help" in lines[-1], (place.mode, lines[-1])
                await back_to(app, pilot, "home")

    play(scene(), 100)
