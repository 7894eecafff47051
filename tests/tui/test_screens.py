"""What stands on the screen, compared with text files (MLXTUI_UPDATE_SNAPSHOTS=1 rewrites them; then read the diff)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from textual.widget import Widget

from mlxtui.client import Link
from mlxtui.events import EngineDown, ModelLoading, ServerStarted, ServerStopping
from mlxtui.state import State
from tests.tui.scene import NOW, StillClient, busy, dashboard, drawn, folded, play, screen_text, settled

SNAPSHOTS = Path(__file__).parent / "snapshots"


def same_as_before(name: str, text: str) -> None:
    """All but the line of screens, which grows with every screen and has tests of its own."""
    text = re.sub(r"\A[ \[]1[^\n]*\n", "", text)
    file = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("MLXTUI_UPDATE_SNAPSHOTS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [(140, 36), (100, 30), (80, 24), (60, 20)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_home(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with dashboard(size=size) as (app, _):
            same_as_before(f"home-{size[0]}x{size[1]}", screen_text(app))

    play(scene())


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words without one colour: nothing is told by colour alone."""
    monkeypatch.setenv("NO_COLOR", "1")

    async def scene() -> None:
        async with dashboard(size=(80, 24)) as (app, _):
            same_as_before("home-80x24", screen_text(app))
            for strip in app.screen._compositor.render_strips():
                for segment in strip.apply_filter(app.get_line_filters()[0], app.background_colors[1]):
                    color = segment.style and segment.style.color and segment.style.color.triplet
                    assert not color or color.red == color.green == color.blue

    play(scene())


STAGES = {
    "starting": (State(), Link("connecting", "nothing answers there"), "starting…"),
    "wrong-key": (
        State(),
        Link("connecting", "the server wants an API key"),
        "✗ not connected  the server wants an API key; trying again",
    ),
    "engine-starting": (folded([ServerStarted(NOW - 3, "0.1.0", "http://x:1", 1, 32)]), None, "starting the engine…"),
    "loading": (
        folded([ServerStarted(NOW - 3, "0.1.0", "http://x:1", 1, 32), ModelLoading(NOW - 2, "tiny", "reading")]),
        None,
        "loading tiny  2s",
    ),
    "down": (folded([EngineDown(NOW - 1, "killed by signal 9", 4.0)]), None, ""),
    "another-version": (
        busy(),
        Link("connected", "the server is mlxtui 0.2.0, this is 0.1.0"),
        "● Qwen3-4B-4bit   ! the server is mlxtui 0.2.0, this is 0.1.0",
    ),
    "unreadable-version": (
        State(),
        Link("connecting", "the server is mlxtui 9.0, this is 0.1.0: use the same version for both"),
        "✗ not connected  the server is mlxtui 9.0, this is 0.1.0: use the same version for both",
    ),
    "gone": (busy(), Link("gone", "nothing answers there"), "✗ server gone  nothing answers there; trying again"),
    "stopping": (
        folded([ServerStarted(NOW - 3, "0.1.0", "http://x:1", 1, 32), ServerStopping(NOW, 10)]),
        None,
        "stopping…",
    ),
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_header_says_how_the_server_stands(stage: str) -> None:
    state, link, said = STAGES[stage]

    async def scene() -> None:
        async with dashboard(StillClient(state, link), size=(100, 30)) as (app, _):
            assert said in screen_text(app).splitlines()[1]

    play(scene())


def test_who_attaches_to_nothing_is_told_so() -> None:
    async def scene() -> None:
        client = StillClient(State(), Link("connecting", "nothing answers there"))
        async with dashboard(client, size=(100, 30), owns_server=False) as (app, pilot):
            said = "✗ not connected  nothing answers there; trying again"
            assert said in screen_text(app).splitlines()[1]
            client.link = Link("connecting")
            assert "○ connecting…" in (await drawn(app, pilot)).splitlines()[1]

    play(scene())


def test_an_idle_server_says_how_to_use_it() -> None:
    async def scene() -> None:
        state = busy()
        state.requests.clear()
        state.finished.clear()
        async with dashboard(StillClient(state), size=(80, 24)) as (app, _):
            same_as_before("idle-80x24", screen_text(app))

    play(scene())


@pytest.mark.parametrize("key", "123456")
def test_a_frame_without_news_draws_nothing(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On any screen: what refreshes a widget goes over the wire anew, four times a second."""
    refreshed: list[Widget] = []
    refresh = Widget.refresh

    def noted(widget: Widget, *regions: Any, **how: Any) -> Widget:
        refreshed.append(widget)
        return refresh(widget, *regions, **how)

    async def scene() -> None:
        async with dashboard() as (app, pilot):
            await pilot.press(key)
            await settled(app, pilot)
            monkeypatch.setattr(Widget, "refresh", noted)
            app.draw()
            assert refreshed == []
            monkeypatch.undo()

    play(scene())
