"""The inspector on a real server: a request under way, its text growing in every pane, until it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest

from mlxtui.client import ServerClient
from mlxtui.tui.app import Dashboard
from mlxtui.tui.screens.inspector import InspectorScreen
from mlxtui.tui.widgets.pager import Pager
from mlxtui.tui.widgets.tokens import TokenPager
from tests.e2e.server import Server
from tests.tui.scene import drawn, screen_text, settled

ENDS = {"1013": -100, "1015": -100}
"""A story that never ends: its end tokens are out of bounds."""


async def tell(client: openai.AsyncOpenAI) -> Any:
    """The client's side: all it hears until the server ends it."""
    stream = await client.chat.completions.create(
        model="default",
        messages=[{"role": "user", "content": "Tell me a long story about a fox. 👋"}],
        logit_bias=ENDS,  # type: ignore[arg-type]
        max_tokens=30_000,
        stream=True,
    )
    async for _ in stream:
        pass


def test_a_request_under_way_grows_in_every_pane_until_it_is_cancelled(server: Server) -> None:
    worker = server.worker()

    async def scene() -> None:
        asked = openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        telling = asyncio.create_task(tell(asked))
        app = Dashboard(ServerClient(server.url), owns_server=False)
        async with app.run_test(size=(100, 30)) as pilot:

            async def until(condition: Callable[[], Any]) -> None:
                """Let the worker go on for as long as it takes: it stands still while keys are pressed."""
                worker.resume()
                while not condition():
                    app.draw()
                    await pilot.pause(0.02)
                worker.suspend()

            async def grown(look: Callable[[], Any]) -> None:
                await until(look)
                before = look()
                await until(lambda: look() != before)

            await until(lambda: any(row.state == "decode" for row in app.client.state.requests.values()))
            await drawn(app, pilot)
            await pilot.press("enter")
            screen = app.screen
            assert isinstance(screen, InspectorScreen)
            known = screen.inspected
            await grown(lambda: len(known.answer.content))
            await drawn(app, pilot)
            assert known.answer.content[:20] in screen.query_one("#output-text", Pager).text
            await pilot.press("r")
            await grown(lambda: screen.query_one("#raw-text", TokenPager).spelled.tokens)
            await pilot.press("W")
            await grown(lambda: screen.query_one("#answered-text", Pager).text.count("data: "))
            assert "data: " in screen_text(app)
            await pilot.press("p")
            await until(lambda: known.prompt.texts)
            text = await drawn(app, pilot)
            assert "fox. 👋" in text  # what came from the cache ends somewhere before
            assert "<|im_start|>assistant" in text
            assert "temperature" in text
            await pilot.press("x", "y")
            with pytest.raises(openai.APIError):
                await telling
            await settled(app, pilot)
            await pilot.press("o")
            assert "cancelled" in await settled(app, pilot)
        await app.client.close()
        await asked.close()

    try:
        asyncio.run(asyncio.wait_for(scene(), 60))
    finally:
        worker.resume()
