"""The Models screen: what it shows, each of its keys, and what the server hears of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from mlxtui.events import Downloading, ModelLoading, ModelReady, ModelUnloaded
from mlxtui.fold import fold
from mlxtui.models.entry import Entry
from mlxtui.models.hub import Hit
from mlxtui.tui.app import Dashboard, Outcome
from mlxtui.tui.screens.ask import Ask
from mlxtui.tui.screens.hub import HubScreen
from mlxtui.tui.screens.models import ModelsScreen
from mlxtui.tui.widgets.models import HitsTable, ModelsTable
from mlxtui.tui.widgets.pager import Pager
from tests.fake_server import FakeServer
from tests.tui.scene import GB, NOW, StillClient, busy, dashboard, drawn, play, screen_text, settled
from tests.tui.test_screens import same_as_before

HUB = "/home/me/.cache/huggingface/hub/models--mlx-community--Qwen3-4B-4bit/snapshots/4d"
HALF = "incomplete: 1 of 2 weight files are missing"
QWEN, GPT, GLM = "mlx-community/Qwen3-4B-4bit", "mlx-community/gpt-oss-20b-mxfp4", "/models/GLM-4-9B"
TINY = ("mlxtui-tiny", "mlxtui-tiny", "embedded", "/opt/mlxtui/tiny", 4_900_000, 4_800_000, "qwen3", "bf16", 32768)
ENTRIES = [
    Entry(*TINY, "fits"),  # type: ignore[arg-type]
    Entry(GLM, "GLM-4-9B", "folder", GLM, 10 * GB, 9 * GB, "glm4", "8-bit", 131072, "tight"),
    Entry(GPT, GPT, "hub", "/hub/gpt", 12 * GB, 11 * GB, "gpt_oss", "mxfp4", 131072, "too big"),
    Entry(QWEN, QWEN, "hub", HUB, int(2.3 * GB), int(2.2 * GB), "qwen3", "4-bit", 40960, "fits", loaded=True),
    Entry("org/half", "org/half", "hub", "/hub/half", GB, GB, "llama", "4-bit", 8192, "fits", HALF),
]
HITS = [
    Hit("mlx-community/Qwen3-4B-4bit", int(2.2 * GB), "fits", 120_000, "2026-05-01"),
    Hit("mlx-community/Qwen3-235B-[/foo]\x1b]0;x", 130 * GB, "too big", 3_000, "2026-06-01"),
]
DOWN = Downloading(NOW - 20, "mlx-community/gemma-3-4b-it-4bit", "running", 0, int(2.6 * GB))


class ModelServer(FakeServer):
    def __init__(self) -> None:
        super().__init__()
        self.replies = {
            "GET /mlxtui/models": (200, {"models": [entry.to_json() for entry in ENTRIES]}),
            "GET /mlxtui/models/search?q=qwen3": (200, {"models": [hit.to_json() for hit in HITS]}),
            "GET /mlxtui/models/search?q=org%2Fexact": (200, {"models": []}),
            **{
                f"POST /mlxtui/models/{action}": (200, {})
                for action in ("load", "unload", "pull", "pull/cancel", "remove")
            },
        }

    @property
    def changes(self) -> list[tuple[str, str]]:
        """What was asked to be changed: the action and the model."""
        return [
            (path.removeprefix("/mlxtui/models/"), json.loads(body)["model"])
            for method, path, body in self.said
            if method == "POST"
        ]


@asynccontextmanager
async def models(
    quiet: bool = True, size: tuple[int, int] = (100, 30), **more: Any
) -> AsyncIterator[tuple[ModelServer, StillClient, Dashboard, Pilot[Outcome]]]:
    """The screen with its list; nobody's requests are in flight if it is `quiet`."""
    async with ModelServer() as server:
        client = StillClient()
        client._http.base_url = server.url  # type: ignore[assignment]
        for name, value in more.items():
            setattr(client, name, value)
        if quiet:
            client.state.requests.clear()
        async with dashboard(client, size=size) as (app, pilot):
            await pilot.press("2")
            await shown(app, pilot)
            yield server, client, app, pilot


async def shown(app: Dashboard, pilot: Pilot[Outcome]) -> str:
    """What a draw begins (asking for the list again) is over, and drawn."""
    await drawn(app, pilot)
    await settled(app, pilot)
    return await settled(app, pilot)


def table(app: Dashboard) -> ModelsTable:
    return app.screen.query_one(ModelsTable)


def select(app: Dashboard, name: str) -> None:
    table(app).move_to(next(at for at, entry in enumerate(table(app).rows) if entry.name.endswith(name)))


@pytest.mark.parametrize("size", [(140, 36), (100, 30), (80, 24), (60, 20)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_screen(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with models(quiet=False, size=size) as (_, client, app, pilot):
            select(app, "half")
            for t, done in ((NOW - 19, 0.4), (NOW, 1.4)):
                fold(client.state, Downloading(t, DOWN.model, "running", int(done * GB), DOWN.total_bytes))
            fold(
                client.state,
                Downloading(NOW, "org/gguf", "failed", 0, 0, "org/gguf has only GGUF files, for llama.cpp"),
            )
            same_as_before(f"models-{size[0]}x{size[1]}", await shown(app, pilot))

    play(scene())


@pytest.mark.parametrize("key", ["enter", "l"])
def test_load(key: str) -> None:
    async def scene() -> None:
        async with models() as (server, client, app, pilot):
            await pilot.press(key)
            await settled(app, pilot)
            assert server.changes == [("load", "mlxtui-tiny")]
            fold(client.state, ModelLoading(NOW, "mlxtui-tiny", "reading"))
            assert "◐ mlxtui-tiny" in await shown(app, pilot)

    play(scene())


def test_the_model_that_drafts_for_the_loaded_one_is_named() -> None:
    async def scene() -> None:
        async with models() as (_, client, app, pilot):
            select(app, "4bit")
            assert "drafted" not in await shown(app, pilot)
            fold(client.state, ModelReady(NOW, QWEN, 40960, 4_000_000_000, GB, "gpu", 2.0, "org/[/small]"))
            assert "drafted for by org/[/small]; requests run one at a time" in await shown(app, pilot)
            select(app, "GLM-4-9B")
            assert "drafted" not in await shown(app, pilot)

    play(scene())


def test_the_loaded_one_is_not_loaded_again() -> None:
    async def scene() -> None:
        async with models() as (server, _, app, pilot):
            select(app, "4bit")
            await pilot.press("enter", "l")
            await settled(app, pilot)
            assert server.changes == []

    play(scene())


def test_loading_asks_when_it_costs_requests_or_may_not_fit() -> None:
    async def scene() -> None:
        async with models(quiet=False) as (server, client, app, pilot):
            await pilot.press("l")
            assert "6 requests in flight" in screen_text(app)
            await pilot.press("n")
            client.state.requests.clear()
            select(app, "mxfp4")
            await pilot.press("l")
            assert "are more than this machine can give" in screen_text(app)
            await pilot.press("escape")
            assert server.changes == []
            await pilot.press("l", "y")
            await settled(app, pilot)
            assert server.changes == [("load", "mlx-community/gpt-oss-20b-mxfp4")]

    play(scene())


def test_what_is_incomplete_is_downloaded_to_the_end() -> None:
    async def scene() -> None:
        async with models() as (server, _, app, pilot):
            select(app, "half")
            await pilot.press("enter")
            assert "Download the rest of org/half?" in screen_text(app)
            await pilot.press("y")
            await settled(app, pilot)
            assert server.changes == [("pull", "org/half")]

    play(scene())


def test_unload() -> None:
    async def scene() -> None:
        async with models(quiet=False) as (server, client, app, pilot):
            await pilot.press("u")
            assert "Unload mlx-community/Qwen3-4B-4bit?" in screen_text(app)
            await pilot.press("y")
            await settled(app, pilot)
            assert server.changes == [("unload", "")]
            fold(client.state, ModelUnloaded(NOW, ""))
            assert "no model loaded" in await shown(app, pilot)

    play(scene())


def test_what_the_server_refuses_is_said() -> None:
    async def scene() -> None:
        async with models() as (server, _, app, pilot):
            error = {"error": {"message": "tiny can't be loaded: [/foo]", "type": "t", "param": None, "code": None}}
            server.replies["POST /mlxtui/models/load"] = (400, error)
            await pilot.press("l")
            await settled(app, pilot)
            assert "can't be loaded: [/foo]" in await drawn(app, pilot)

    play(scene())


def test_remove_asks_first() -> None:
    async def scene() -> None:
        async with models() as (server, _, app, pilot):
            select(app, "4bit")
            await pilot.press("r")
            assert "Delete mlx-community/Qwen3-4B-4bit from the disk?" in screen_text(app)
            await pilot.press("n", "r", "y")
            await settled(app, pilot)
            assert server.changes == [("remove", "mlx-community/Qwen3-4B-4bit")]

    play(scene())


def test_download_by_search() -> None:
    async def scene() -> None:
        async with models() as (server, _, app, pilot):
            await pilot.press("d")
            assert isinstance(app.screen, HubScreen)
            await pilot.press(*"qwen3", "enter")
            await settled(app, pilot)
            same_as_before("hub-100x30", await drawn(app, pilot))
            assert "\x1b" not in screen_text(app)
            await pilot.press("slash", "down", "j", "k", "enter")
            await settled(app, pilot)
            assert isinstance(app.screen, ModelsScreen)
            assert server.changes == [("pull", "mlx-community/Qwen3-4B-4bit")]

    play(scene())


def test_download_by_id() -> None:
    """The search may not know it."""

    async def scene() -> None:
        async with models() as (server, _, app, pilot):
            await pilot.press("d", *"org/exact", "enter")
            await settled(app, pilot)
            assert [hit.id for hit in app.screen.query_one(HitsTable).rows] == ["org/exact"]
            await pilot.press("enter")
            await settled(app, pilot)
            assert server.changes == [("pull", "org/exact")]

    play(scene())


def test_a_search_that_fails_says_why_and_can_be_left() -> None:
    async def scene() -> None:
        async with models() as (_, _, app, pilot):
            await pilot.press("d", *"nothing", "enter")
            await settled(app, pilot)
            assert "there is no such request" in await drawn(app, pilot)
            await pilot.press("escape")
            assert isinstance(app.screen, ModelsScreen)

    play(scene())


def test_a_download_is_cancelled() -> None:
    async def scene() -> None:
        async with models() as (server, client, app, pilot):
            await pilot.press("x")
            fold(client.state, DOWN)
            await pilot.press("x")
            await settled(app, pilot)
            assert server.changes == [("pull/cancel", DOWN.model)]
            fold(client.state, Downloading(NOW, "org/second", "running", 0, 0))
            await pilot.press("x")
            assert isinstance(app.screen, Ask)
            await pilot.press("2")
            await settled(app, pilot)
            assert server.changes[1:] == [("pull/cancel", "org/second")]

    play(scene())


def test_the_list_is_asked_for_again_when_something_changed() -> None:
    async def scene() -> None:
        async with models() as (server, client, app, pilot):
            asked = len(server.said)
            await shown(app, pilot)
            assert len(server.said) == asked
            server.replies["GET /mlxtui/models"] = (200, {"models": [ENTRIES[0].to_json()]})
            fold(client.state, Downloading(NOW, "org/new", "done", 1, 1))
            await shown(app, pilot)
            assert len(table(app).rows) == 1

    play(scene())


def test_filter() -> None:
    async def scene() -> None:
        async with models() as (_, _, app, pilot):
            await pilot.press("slash", *"from:hub !memory:too-big", "enter")
            assert [entry.name for entry in table(app).rows] == ["mlx-community/Qwen3-4B-4bit", "org/half"]
            assert "2 match" in await drawn(app, pilot)
            await pilot.press("slash", *" none", "enter")
            assert "no model matches" in await drawn(app, pilot)
            await pilot.press("escape")
            assert len(table(app).rows) == len(ENTRIES)

    play(scene())


def test_read_only_it_shows_and_changes_nothing() -> None:
    async def scene() -> None:
        async with models(readonly=True) as (server, _, app, pilot):
            select(app, "half")
            await pilot.press("l", "enter", "u", "d", "x", "r")
            await settled(app, pilot)
            assert isinstance(app.screen, ModelsScreen)
            assert server.changes == []
            assert "download" not in screen_text(app).splitlines()[-1]

    play(scene())


def test_help_names_every_key() -> None:
    async def scene() -> None:
        async with models(size=(100, 50)) as (_, _, app, pilot):
            await pilot.press("question_mark")
            text = app.screen.query_one(Pager).text
            for binding in ModelsScreen.BINDINGS:
                assert binding.tooltip in text  # type: ignore[union-attr,operator]

    play(scene())


def test_a_server_that_is_not_there_is_said() -> None:
    async def scene() -> None:
        client = StillClient(busy())
        client._http.base_url = "http://127.0.0.1:1"  # type: ignore[assignment]
        async with dashboard(client) as (app, pilot):
            await pilot.press("2")
            assert "nothing answers there" in await shown(app, pilot)

    play(scene())
