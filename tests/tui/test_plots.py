"""Five minutes as plots: on a screen of their own, and in the panes of the home screen that are zoomed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest

from mlxtui.events import (
    Decoded,
    EngineStep,
    Event,
    ModelReady,
    PrefillProgress,
    RequestFinished,
    RequestQueued,
    RequestReceived,
    ServerStarted,
)
from mlxtui.tui.widgets.panel import Panel
from tests.tui.scene import GB, NOW, StillClient, dashboard, drawn, folded, play
from tests.tui.test_screens import same_as_before


def morning() -> StillClient:
    """A server that was idle, then got busier by the minute; every third prompt was new to it."""
    return StillClient(folded(sorted(_events(), key=lambda event: event.t)))


def _events() -> Iterable[Event]:
    yield ServerStarted(NOW - 900, "0.1.0", "http://127.0.0.1:8080", 4242, 32, 16 * GB)
    yield ModelReady(NOW - 890, "Qwen3-4B-4bit", 32768, 4_000_000_000, int(2.3 * GB), "gpu", 2.1)
    for n in range(60):
        t = NOW - 240 + 4 * n
        cached, ttft = 0 if n % 3 == 0 else 1500 - 10 * n, 0.03 * 1.08**n
        request = f"r{n:03}"
        yield RequestReceived(t, request, "chat", "zed", "Qwen3-4B-4bit", True)
        yield RequestQueued(t, request, 2000)
        yield _step(t + 0.1, n, PrefillProgress(request, 1900, 2000, cached))
        for tick in range(3):
            yield _step(t + ttft + tick, n, Decoded(request, 20 + n + round(10 * math.sin(n / 4))))
        if n < 59:
            yield RequestFinished(t + ttft + 2.5, request, 200, "stop", None, 2000, cached, 90, 0, ttft, ttft + 2.5)


def _step(t: float, n: int, part: PrefillProgress | Decoded) -> EngineStep:
    prefills = (part,) if isinstance(part, PrefillProgress) else ()
    decoded = (part,) if isinstance(part, Decoded) else ()
    return EngineStep(t, prefills, decoded, int((2.4 + n / 30) * GB), 5 * GB, int(n / 40 * GB), n)


@pytest.mark.parametrize("size", [(140, 36), (100, 30), (80, 24), (60, 20)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_plots(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with dashboard(morning(), size=size) as (app, pilot):
            await pilot.press("7")
            await drawn(app, pilot)
            same_as_before(f"plots-{size[0]}x{size[1]}", await drawn(app, pilot))

    play(scene())


@pytest.mark.parametrize(("pane", "said"), [("memory", "5 min"), ("latency", "≤ 100 ms"), ("throughput", "2.5 min")])
def test_a_zoomed_pane_of_the_home_screen_shows_its_plots(pane: str, said: str) -> None:
    async def scene() -> None:
        async with dashboard(morning(), size=(100, 30)) as (app, pilot):
            app.screen.query_one(f"#{pane}", Panel).focus()
            await pilot.press("z")
            await drawn(app, pilot)
            text = await drawn(app, pilot)
            same_as_before(f"zoomed-{pane}-100x30", text)
            assert said in text

    play(scene())


def test_a_frame_without_news_paints_nothing_anew() -> None:
    async def scene() -> None:
        async with dashboard(morning()) as (app, pilot):
            await pilot.press("7")
            await drawn(app, pilot)
            before = [panel.lines for panel in app.screen.query(Panel)]
            await drawn(app, pilot)
            assert [panel.lines for panel in app.screen.query(Panel)] == before

    play(scene())
