"""The Cache screen: what is kept as it reads in each size, and what its keys ask of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from mlxtui.client import ServerClient
from mlxtui.errors import UserError
from mlxtui.kept import Cache, CacheAction, Evicted, Kept
from mlxtui.tui.app import Dashboard, Outcome
from mlxtui.tui.screens.ask import Ask
from mlxtui.tui.screens.cache import CacheScreen
from mlxtui.tui.screens.inspector import InspectorScreen
from mlxtui.tui.widgets.kepttable import KeptTable
from tests.fake_server import FakeServer
from tests.tui.scene import GB, NOW, StillClient, busy, dashboard, play, screen_text, settled
from tests.tui.test_screens import same_as_before


def _kept(id: str, opening: str, tokens: int, client: str, ago: float, **more: object) -> Kept:
    fields = {"hits": 0, "pinned": False, "where": "memory", "request": "a1f301"} | more
    nbytes = tokens * 144 << 10
    return Kept(id, f"r{id}", opening, tokens, nbytes, created=NOW - 60 - ago, used=NOW - ago, client=client, **fields)  # type: ignore[arg-type]


FULL = Cache(
    budget=5 * GB,
    nbytes=int(4.4 * GB),
    disk_budget=4 * GB,
    disk_bytes=576 << 20,
    entries=(
        _kept("a1", "Refactor the parser so that it [/] survives \u241b[31m escapes", 24_010, "opencode", 4, hits=31),
        _kept("b2", "Why is the sky blue?", 1_204, "zed", 95, hits=2, pinned=True),
        _kept("c3", "写一首关于秋天的诗", 812, "continue.dev", 800),
        _kept("d4", "", 4_096, "", 86_400 * 3, where="disk", hits=1),
    ),
    evicted={"passing": 41, "outgrown": 3, "budget": 1},
    recent=(
        Evicted(NOW - 3, "x1", "Give this conversation a title", 88, 13 << 20, "passing"),
        Evicted(NOW - 70, "x2", "Refactor the parser", 22_900, 3 * GB, "outgrown"),
        Evicted(NOW - 4000, "x3", "An old story", 9_000, GB, "budget"),
    ),
)


class CacheClient(StillClient):
    """A client of a server whose cache is full, or that has a word to say instead."""

    def __init__(self, cache: Cache = FULL, trouble: str = "", readonly: bool = False) -> None:
        super().__init__(busy(), readonly=readonly)
        self.kept, self.trouble, self.looks = cache, trouble, 0
        self.asked: list[tuple[CacheAction, str]] = []

    async def cache(self) -> Cache:
        self.looks += 1
        if self.trouble:
            raise UserError(self.trouble)
        return self.kept

    async def change_cache(self, action: CacheAction, id: str) -> Cache:
        self.asked.append((action, id))
        entries = [replace(kept, pinned=action == "pin") if kept.id == id else kept for kept in self.kept.entries]
        self.kept = replace(self.kept, entries=tuple(kept for kept in entries if action != "drop" or kept.id != id))
        return await self.cache()


@asynccontextmanager
async def shown(
    client: StillClient, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[tuple[Dashboard, Pilot[Outcome]]]:
    async with dashboard(client, size=size) as (app, pilot):
        await pilot.press("5")
        await pilot.pause()
        await settled(app, pilot)
        yield app, pilot


def table(app: Dashboard) -> KeptTable:
    return app.screen.query_one(KeptTable)


@pytest.mark.parametrize("size", [(140, 36), (100, 30), (80, 24), (60, 20)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_cache(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with shown(CacheClient(), size) as (app, pilot):
            same_as_before(f"cache-{size[0]}x{size[1]}", await settled(app, pilot))

    play(scene())


def test_pin_and_unpin() -> None:
    async def scene() -> None:
        client = CacheClient()
        async with shown(client) as (app, pilot):
            await pilot.press("p")
            assert "◆ pinned" in next(line for line in (await settled(app, pilot)).splitlines() if "24,010" in line)
            await pilot.press("j", "p")
            await settled(app, pilot)
            assert client.asked == [("pin", "a1"), ("unpin", "b2")]

    play(scene())


def test_drop_asks_first() -> None:
    async def scene() -> None:
        client = CacheClient()
        async with shown(client) as (app, pilot):
            await pilot.press("j", "d")
            assert isinstance(app.screen, Ask)
            assert "Drop 1,204 tokens" in screen_text(app)
            await pilot.press("n", "d", "y")
            text = await settled(app, pilot)
            assert client.asked == [("drop", "b2")]
            assert "sky blue" not in text

    play(scene())


def test_a_read_only_dashboard_only_looks() -> None:
    async def scene() -> None:
        client = CacheClient(readonly=True)
        async with shown(client) as (app, pilot):
            await pilot.press("p", "d")
            assert isinstance(app.screen, CacheScreen)
            assert (client.asked, "pin" in screen_text(app).splitlines()[-1]) == ([], False)

    play(scene())


def test_enter_goes_to_the_last_request_of_the_conversation() -> None:
    async def scene() -> None:
        async with shown(CacheClient()) as (app, pilot):
            await pilot.press("enter")
            await pilot.pause()
            assert isinstance(app.screen, InspectorScreen)
            assert app.screen.request == "a1f301"

    play(scene())


def test_nothing_kept_and_nothing_to_be_had() -> None:
    async def scene() -> None:
        client = CacheClient(Cache(budget=GB))
        async with shown(client) as (app, pilot):
            assert "nothing is kept yet" in screen_text(app)
            client.trouble = "the model is [/] not ready"
            await pilot.press("1", "5")
            assert "the model is [/] not ready" in await settled(app, pilot)
            await pilot.press("p", "d")
            assert isinstance(app.screen, CacheScreen)

    play(scene())


def test_who_looks_elsewhere_asks_nothing() -> None:
    async def scene() -> None:
        client = CacheClient()
        async with shown(client) as (app, pilot):
            await pilot.press("1")
            before = client.looks
            assert not app.get_screen_stack("cache")[0]._timer._active.is_set()  # type: ignore[attr-defined]
            await pilot.press("5")
            await settled(app, pilot)
            assert client.looks > before

    play(scene())


def test_the_client_speaks_to_a_server() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.cache = FULL
            client = ServerClient(server.url)
            assert await client.cache() == FULL
            await client.change_cache("pin", "a1")
            await client.change_cache("drop", "a1")
            assert server.changed == [("POST", "/mlxtui/cache/a1/pin"), ("DELETE", "/mlxtui/cache/a1")]
            with pytest.raises(UserError, match="no such"):
                await client.change_cache("drop", "zz")
            await client.close()

    play(scene())
