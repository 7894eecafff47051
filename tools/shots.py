"""Screenshots of every screen under real load: a real server, real requests through the official client, real rows.

Writes docs/dashboard.svg (the home screen), docs/inspector.svg and one for each other screen by its name. Nothing in
them is made up: run it again and the figures differ.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import openai

from mlxtui import child
from mlxtui.client import ServerClient
from mlxtui.settings import EMBEDDED_MODEL, Settings
from mlxtui.tui.app import Dashboard
from mlxtui.tui.places import PLACES
from mlxtui.tui.widgets.requests import RequestsTable

DOCS = Path(__file__).parents[1] / "docs"
SIZE = (140, 36)
CLIENTS = ("opencode/1.2", "zed/0.200", "continue/1.0", "OpenAI/Python 3.51", "curl/8.7")
QUESTIONS = (
    "What is the capital of France?",
    "Count from 1 to 100.",
    "Tell me a long story about a fox.",
    "Write a poem about the sea.",
    "Think step by step: what is 12 plus 30?",
)
WEATHER = "What is the weather in Paris?"
PREPARED: dict[str, tuple[str, ...]] = {
    "chat": (*"Think step by step: what is 2 plus 3?", "enter"),
    "check": ("r",),
}
"""Keys to press on a screen that shows nothing by itself; it gets twenty times as long."""
HISTORY = "I am on a journey.\nLast week I was in Rome and in Milan, now I go to France.\nTell me what to pack.\n"
LOOKED_INTO = "aider"
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
LOAD_SECONDS = 90.0
SETTLED = 1.5  # seconds for a screen to fetch what it shows
STREAMS = 11


async def main() -> None:
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mlxtui-") as home:
        os.environ["MLXTUI_HOME"] = home
        server = child.start(Settings(port=0, home=Path(home)), {"model": EMBEDDED_MODEL, "max_running": 8})
        try:
            await asyncio.to_thread(child.wait_until_ready, server)
            async with load(server.url):
                await shoot(server.url)
        finally:
            server.stop()


@asynccontextmanager
async def load(url: str) -> AsyncIterator[None]:
    """STREAMS people talk to the server, one request after the other."""
    people = [asyncio.create_task(person(url, number)) for number in range(STREAMS)]
    try:
        yield
    finally:
        for each in people:
            each.cancel()
        await asyncio.gather(*people, return_exceptions=True)


async def person(url: str, number: int) -> None:
    draw = random.Random(number)
    headers = {"user-agent": CLIENTS[number % len(CLIENTS)]}
    client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", default_headers=headers, max_retries=0)
    while True:
        await asyncio.sleep(draw.uniform(0, 4))
        try:
            await ask(client, draw)
        except openai.OpenAIError:
            continue


async def ask(client: openai.AsyncOpenAI, draw: random.Random) -> None:
    """A question, sometimes after one of a few documents, new or known by now, sometimes a wrong one."""
    pages, mark = draw.choice((0, 0, 0, 20, 60, 100)), 100 * draw.randrange(12)
    document = " ".join(f"Line {n}: fox {mark + n} sleeps." for n in range(pages))
    role = "user" if draw.random() < 0.97 else "stranger"
    tooled = draw.random() < 0.2
    question = WEATHER if tooled else draw.choice(QUESTIONS)
    stream = await client.chat.completions.create(
        model=EMBEDDED_MODEL,
        messages=[{"role": role, "content": f"{document}\n{question}".strip()}],  # type: ignore[misc,list-item]
        tools=[TOOL] if tooled else openai.omit,  # type: ignore[list-item]
        temperature=draw.choice((0.0, 0.7, 1.2)),
        max_tokens=draw.choice((200, 600, 1200)),
        stream=True,
    )
    async for _ in stream:
        pass


async def shoot(url: str) -> None:
    app = Dashboard(ServerClient(url), owns_server=True)
    async with app.run_test(size=SIZE) as pilot:
        await asyncio.sleep(LOAD_SECONDS)
        save(app, "dashboard")
        for place in PLACES[1:]:
            await pilot.press(place.key, *PREPARED.get(place.mode, ()))
            await asyncio.sleep(SETTLED * (20 if place.mode in PREPARED else 1))
            save(app, place.mode)
            await app.action_go("home")
        for day in ("Monday", "Tuesday"):
            await weather(url, day)
        while not (called := [row for row in app.client.state.finished if row.client.startswith(LOOKED_INTO)][1:]):
            await pilot.pause(0.1)
        app.post_message(RequestsTable.Inspected(called[0].id))
        await asyncio.sleep(1)
        await pilot.press("p", "d")
        await asyncio.sleep(1)
        await pilot.pause()
        save(app, "inspector")
        app.exit()


async def weather(url: str, day: str) -> None:
    """A request whose answer is a tool call, to look into; all of its prompt but the end is that of another day's."""
    client = openai.AsyncOpenAI(
        base_url=f"{url}/v1", api_key="unused", default_headers={"user-agent": f"{LOOKED_INTO}/0.90"}
    )
    await client.chat.completions.create(
        model=EMBEDDED_MODEL,
        messages=[
            {"role": "system", "content": "You are a helpful assistant. Answer in short sentences and use the tools."},
            {"role": "user", "content": f"{HISTORY} Today is {day}. {WEATHER}"},
        ],
        tools=[TOOL],  # type: ignore[list-item]
        temperature=0,
    )


def save(app: Dashboard, name: str) -> None:
    """Where this repository lies is nobody's business."""
    app.draw()
    path = DOCS / f"{name}.svg"
    picture = app.export_screenshot(title="mlxtui", simplify=True)
    here = re.escape(str(DOCS.parent))
    path.write_text(re.sub(rf' textLength="[^"]*"([^>]*>[^<]*){here}', r"\1~", picture), encoding="utf-8")
    print(path.relative_to(DOCS.parent))


if __name__ == "__main__":
    asyncio.run(main())
