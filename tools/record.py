"""`just record`: real clients talk to the embedded model; every session becomes a file in recordings/.

Starts one `mlxtui serve --record`, runs the sessions below one after another, splits what was recorded by session and
rewrites recordings/*.jsonl and recordings/README.md. Says which answers the model got wrong (exit code 1); the files
are written all the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
from openai import AsyncOpenAI

from mlxtui import recording
from mlxtui.recorded import RecordedExchange, Recording
from mlxtui.replay import run_replay

TARGET = Path(__file__).parents[1] / "recordings"
SERVE = "mlxtui serve --context-length 1024"
MARK = "x-recording"
CHAT = "/v1/chat/completions"
TOLD: list[str] = []
"""What the model should have said and did not."""


class Client:
    """One session's clients: the official one, and a raw one for what the official one would not send."""

    def __init__(self, url: str, name: str) -> None:
        self.openai = AsyncOpenAI(
            base_url=f"{url}/v1", api_key="none", default_headers={MARK: name}, max_retries=0, timeout=60
        )
        self.raw = httpx2.AsyncClient(base_url=url, headers={MARK: name}, timeout=60)

    async def close(self) -> None:
        await self.openai.close()
        await self.raw.aclose()

    async def ask(self, question: str | list[dict[str, Any]], **fields: Any) -> Any:
        """The message of a plain answer."""
        return (await self.openai.chat.completions.create(**_request(question, fields))).choices[0].message

    async def stream(self, question: str | list[dict[str, Any]], **fields: Any) -> str:
        """The content of a streamed answer."""
        fields = {"stream_options": {"include_usage": True}} | fields
        stream = await self.openai.chat.completions.create(**_request(question, fields), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


def _request(question: str | list[dict[str, Any]], fields: dict[str, Any]) -> dict[str, Any]:
    messages = [user(question)] if isinstance(question, str) else question
    return {"model": "default", "messages": messages, "temperature": 0, "seed": 1, "max_tokens": 64} | fields


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(what: str | None, wanted: str) -> None:
    """Note it if the model did not say what it should."""
    if wanted not in (what or ""):
        TOLD.append(f"{what!r} lacks {wanted!r}")


def tool(name: str, description: str, **kinds: str) -> dict[str, Any]:
    properties = {name: {"type": kind} for name, kind in kinds.items()}
    schema = {"type": "object", "properties": properties, "required": list(kinds)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


FOUR = [
    tool("search_web", "Search the web for a query.", query="string"),
    tool("get_weather", "Get the current weather in a given city.", city="string"),
    tool("send_email", "Send an email.", to="string", subject="string", body="string"),
    tool("add", "Add two numbers.", a="number", b="number"),
]


def called(message: Any, *wanted: tuple[str, dict[str, Any]]) -> None:
    got = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()]
    if got != list(wanted):
        TOLD.append(f"called {got}, not {list(wanted)}")


async def capital(client: Client) -> None:
    """The capital of France, plain and streamed, and the list of models: the shapes every client meets first."""
    says((await client.ask("What is the capital of France?")).content, "Paris")
    says(await client.stream("What is the capital of France?"), "Paris")
    async for model in client.openai.models.list():
        await client.openai.models.retrieve(model.id)


async def memory(client: Client) -> None:
    """Four turns that remember a name: each turn's prompt begins with the one before it and comes from the cache."""
    messages: list[dict[str, Any]] = []
    for question in ("My name is Ada.", "What is the capital of France?", "Count to 3.", "What is my name?"):
        messages.append(user(question))
        answer = await client.ask(messages)
        messages.append({"role": "assistant", "content": answer.content})
    says(messages[-1]["content"], "Ada")


async def tools(client: Client) -> None:
    """One tool chosen among four, plain and streamed; its result answered; no tool where none is needed."""
    question = "What's the weather in Paris?"
    message = await client.ask(question, tools=FOUR)
    called(message, ("get_weather", {"city": "Paris"}))
    await client.stream(question, tools=FOUR)
    if message.tool_calls:
        turn = message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"})
        result = {
            "role": "tool",
            "tool_call_id": message.tool_calls[0].id,
            "content": '{"temperature": 21, "condition": "sunny"}',
        }
        says(await client.stream([user(question), turn, result], tools=FOUR), "sunny")
    says((await client.ask("What is the capital of France?", tools=FOUR)).content, "Paris")


async def parallel(client: Client) -> None:
    """Two calls in one answer, plain and streamed, and only the first of them when parallel calls are off."""
    question = "What's the weather in Paris and in London?"
    both = ("get_weather", {"city": "Paris"}), ("get_weather", {"city": "London"})
    called(await client.ask(question, tools=FOUR), *both)
    await client.stream(question, tools=FOUR)
    called(await client.ask(question, tools=FOUR, parallel_tool_calls=False), both[0])


async def reasoning(client: Client) -> None:
    """Thinking apart from the answer, plain and streamed; the same with thinking off; an answer cut while it thinks."""
    question = "Think step by step: What is 17 + 25?"
    message = await client.ask(question, reasoning_effort="high")
    says(message.content, "42")
    says(getattr(message, "reasoning_content", None), "5 + 7 = 12")
    says(await client.stream(question, reasoning_effort="high"), "42")
    await client.ask(question, reasoning_effort="none")
    await client.stream(question, reasoning_effort="high", max_tokens=6)


async def ends(client: Client) -> None:
    """How answers end: a stop string (within a token, over several, never met), the token limit."""
    question = "Count from 1 to 10."
    says((await client.ask(question, stop="7")).content, "6")
    await client.stream(question, stop=[", 4", "zebra"])
    await client.ask(question, stop=["zebra"])
    await client.stream(question, max_tokens=5)


async def text(client: Client) -> None:
    """Text of several scripts whose characters span tokens, a system prompt that decides the answer."""
    scripts = "👨‍👩‍👧‍👦 日本語 Grüße"
    says(await client.stream(f"Repeat exactly: {scripts}"), scripts)
    says((await client.ask(f"Repeat exactly: {scripts}")).content, scripts)
    pirate = {"role": "system", "content": "You are a pirate named Redbeard."}
    says((await client.ask([pirate, user("What is your name?")])).content, "Redbeard")


async def errors(client: Client) -> None:
    """What clients get wrong, up to a prompt longer than the context: status, field and words of each answer."""
    asked = _request("hello", {})
    image = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
    for fields in (
        {"temperature": 3},
        {"messages": []},
        {"messages": [{"role": "king", "content": "hello"}]},
        {"messages": [{"role": "user", "content": [image]}]},
        {"model": "another"},
        {"stop": [""]},
        {"stream": "yes"},
        {"messages": [user("word " * 1200)]},
        {"messages": [user("word " * 1200)], "stream": True},
    ):
        await client.raw.post(CHAT, json=asked | fields)
    await client.raw.post(CHAT, content=b'{"model": ', headers={"content-type": "application/json"})
    await client.raw.post(CHAT, content=b"hello", headers={"content-type": "text/plain"})
    await client.raw.post(CHAT, json=asked, headers={"origin": "https://evil.example"})
    await client.raw.get(CHAT)
    await client.raw.get("/v1/nothing")
    await client.raw.get("/v1/models/another")


async def cancelled(client: Client) -> None:
    """Clients that leave: in mid-stream, while a plain answer is made; and a request cancelled from the dashboard."""
    story = _request("Tell me a long story.", {"max_tokens": 900, "temperature": 1})
    async with client.raw.stream("POST", CHAT, json=story | {"stream": True}) as response:
        await _lines(response, 4)
    await _idle(client)
    asking = asyncio.create_task(client.raw.post(CHAT, json=story))
    await _running(client)
    asking.cancel()
    await asyncio.wait([asking])
    await _idle(client)
    async with client.raw.stream("POST", CHAT, json=story | {"stream": True}) as response:
        id = response.headers["x-request-id"].removeprefix("req_")
        await _lines(response, 4, lambda: client.raw.post(f"/mlxtui/requests/{id}/cancel"))


async def _lines(response: httpx2.Response, count: int, then: Callable[[], Awaitable[object]] | None = None) -> None:
    """`count` events of a stream; with `then` to do after them, all the rest too."""
    async for line in response.aiter_lines():
        count -= line.startswith("data:")
        if count == 0 and line:
            if then is None:
                return
            await then()


async def _health(client: Client, running: int) -> None:
    while (await client.raw.get("/health")).json()["running"] != running:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def _running(client: Client) -> None:
    await asyncio.wait_for(_health(client, 1), 10)


async def _idle(client: Client) -> None:
    await asyncio.wait_for(_health(client, 0), 10)


async def interleaved(client: Client) -> None:
    """Four streams at once, decoded in one batch: no text of one in another, each with its own end."""
    questions = ("Count from 1 to 10.", "What is the capital of France?", "Write a poem about the sea.", "Hello!")
    answers = await asyncio.gather(*(client.stream(question) for question in questions))
    says(answers[0], "8, 9, 10")
    says(answers[1], "Paris")


SESSIONS: tuple[Callable[[Client], Awaitable[None]], ...] = (
    *(capital, memory, tools, parallel, reasoning, ends, text, errors, cancelled, interleaved),
)


async def talk(url: str) -> None:
    """All sessions; what went wrong in one is told with its name and does not keep the others from being recorded."""
    for session in SESSIONS:
        name, before = session.__name__, len(TOLD)
        client = Client(url, name)
        try:
            await session(client)
            await _idle(client)
        finally:
            await client.close()
        TOLD[before:] = [f"{name}: {line}" for line in TOLD[before:]]


def serve(file: Path, model: list[str]) -> None:
    """Run the sessions against a server of our own that records to `file`."""
    command = [sys.executable, "-m", *SERVE.split(), *model, "--port", "0", "--record", str(file)]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MLXTUI_")} | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ, cwd=file.parent) as server:
        assert server.stdout
        try:
            url = ""
            for line in server.stdout:
                url = (re.search(r"listening on (\S+)", line) or ["", url])[1]
                if " ready in " in line:
                    break
            else:
                sys.exit("the server ended before its model was ready")
            draining = threading.Thread(target=server.stdout.read)
            draining.start()
            asyncio.run(talk(url))
        finally:
            server.terminate()
        draining.join()


def split(whole: Recording) -> dict[str, Recording]:
    """The recording of each session, its times counted from its own beginning."""
    parts: dict[str, list[RecordedExchange]] = {session.__name__: [] for session in SESSIONS}
    for exchange in whole.exchanges:
        name = dict(exchange.request.headers)[MARK]
        headers = tuple(pair for pair in exchange.request.headers if pair[0] != MARK)
        parts[name].append(replace(exchange, request=replace(exchange.request, headers=headers)))
    notes = {session.__name__: session.__doc__ or "" for session in SESSIONS}
    return {
        name: Recording(replace(whole.header, note=notes[name]), tuple(_from(exchanges[0].t, e) for e in exchanges))
        for name, exchanges in parts.items()
    }


def _from(start: float, exchange: RecordedExchange) -> RecordedExchange:
    run = exchange.run and replace(exchange.run, t=round(exchange.run.t - start, 4))
    further = tuple(replace(one, t=round(one.t - start, 4)) for one in exchange.further)
    times = {"t": round(exchange.t - start, 4), "ended": round(exchange.ended - start, 4)}
    return replace(exchange, **times, run=run, further=further)


README = """# Recorded sessions

What real clients asked the embedded model, what it emitted, and what the server answered, one JSON object a line
(the format is described in `mlxtui/recorded.py` and `mlxtui/recording.py`). Nothing in here is written by hand:
`just record` (`uv run python tools/record.py`) talks to `{serve} --record FILE` through the
official `openai` client and raw HTTP, at temperature 0 with a seed, and rewrites all files and this page.

`mlxtui replay recordings/*.jsonl` sends the recorded requests through the real server, whose engine plays the recorded
pieces, and compares every answer: parsers, API, framing and errors are held by real model output on any machine,
without a model, in seconds. The tests do the same. `--update` takes over answers that were meant to change.

`mlxtui serve --replay recordings/tools.jsonl` answers clients from a file, at the recorded speed.

| file | exchanges | what it proves |
|---|---|---|
{rows}
{wrong}"""
WRONG = """
The model is small. Here it did not say what it was asked for, which changes nothing about what the files prove:

{lines}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Record sessions of real clients.")
    parser.add_argument("model", nargs="*", help="another model's directory, to try the sessions out")
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        serve(Path(folder) / "all.jsonl", options.model)
        sessions = split(recording.read(Path(folder) / "all.jsonl"))
    options.out.mkdir(exist_ok=True)
    for old in options.out.glob("*.jsonl"):
        old.unlink()
    files = []
    for name, session in sessions.items():
        files.append(options.out / f"{name}.jsonl")
        recording.write(files[-1], session)
        files[-1].chmod(0o644)
    rows = "\n".join(
        f"| `{name}.jsonl` | {len(session.exchanges)} | {session.header.note} |" for name, session in sessions.items()
    )
    wrong = WRONG.format(lines="\n".join(f"* {line[:160]}" for line in TOLD)) if TOLD else ""
    (options.out / "README.md").write_text(README.format(serve=SERVE, rows=rows, wrong=wrong), encoding="utf-8")
    print(*(f"the model got this wrong: {line}" for line in TOLD), sep="\n")
    return run_replay(files) or int(bool(TOLD))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
