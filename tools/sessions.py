"""The sessions that `tools/record.py` records: what real clients ask the embedded model, kind by kind.

Each is a function whose docstring says what its recording proves. What the model should have said and did not is noted,
and keeps nothing from being recorded.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
from openai import AsyncOpenAI

MARK = "x-recording"
"""The header that tells the server's recorder which session a request belongs to."""
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
    await idle(client)
    asking = asyncio.create_task(client.raw.post(CHAT, json=story))
    await _running(client)
    asking.cancel()
    await asyncio.wait([asking])
    await idle(client)
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


async def idle(client: Client) -> None:
    await asyncio.wait_for(_health(client, 0), 10)


async def interleaved(client: Client) -> None:
    """Four streams at once, decoded in one batch: no text of one in another, each with its own end."""
    questions = ("Count from 1 to 10.", "What is the capital of France?", "Write a poem about the sea.", "Hello!")
    answers = await asyncio.gather(*(client.stream(question) for question in questions))
    says(answers[0], "8, 9, 10")
    says(answers[1], "Paris")


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


async def structured(client: Client) -> None:
    """Answers held to JSON: any object, a schema, streamed, after thinking; a call that must come; a schema refused."""
    schema = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
    question = "Reply with a JSON object with the keys name and age for: Anna, 30"
    says((await client.ask(question, response_format={"type": "json_object"})).content, '"Anna"')
    says((await client.ask(question, response_format=schema)).content, '"age":')
    await client.stream(question, response_format=schema, temperature=1)
    await client.stream(question, response_format=schema, reasoning_effort="high")
    await client.ask("Hello!", tools=FOUR, tool_choice="required")
    await client.stream("Hello!", tools=FOUR, tool_choice={"type": "function", "function": {"name": "get_weather"}})
    odd = {"type": "json_schema", "json_schema": {"name": "odd", "schema": {"type": "array", "uniqueItems": True}}}
    await client.raw.post(CHAT, json=_request(question, {"response_format": odd}))


async def sampling(client: Client) -> None:
    """Two choices from one prompt, a seed, logprobs plain and streamed, a biased token, thinking up to a budget."""
    question = "Tell me a story about a fox."
    await client.openai.chat.completions.create(**_request(question, {"n": 2, "temperature": 1, "max_tokens": 24}))
    await client.stream(question, n=2, temperature=1, max_tokens=12)
    await client.ask("What is the capital of France?", logprobs=True, top_logprobs=3)
    await client.stream("What is the capital of France?", logprobs=True, top_logprobs=1)
    await client.ask(
        "What is the capital of France?", logit_bias={"5": -100}, temperature=0.7, extra_body={"top_k": 20}
    )
    await client.ask("Think step by step: What is 2 + 3?", reasoning_effort="high", extra_body={"reasoning_budget": 4})


async def completions(client: Client) -> None:
    """Plain text gone on with: several prompts, echo, logprobs, a stream; the tokens of a text and back."""
    asked = {"model": "default", "prompt": "The capital of France is", "max_tokens": 12, "temperature": 0, "seed": 1}
    path = "/v1/completions"
    says((await client.raw.post(path, json=asked)).json()["choices"][0]["text"], "Paris")
    await client.raw.post(path, json=asked | {"prompt": ["One, two,", "Hello"], "echo": True})
    await client.raw.post(path, json=asked | {"logprobs": 2})
    await client.raw.post(path, json=asked | {"stream": True, "stream_options": {"include_usage": True}})
    tokens = (await client.raw.post("/tokenize", json={"prompt": "Grüße 👋"})).json()["tokens"]
    says((await client.raw.post("/detokenize", json={"tokens": tokens})).json()["prompt"], "Grüße 👋")


TIMES = {"model": "default", "temperature": 0, "max_output_tokens": 64}


async def responses(client: Client) -> None:
    """A chain of turns kept by the server: a name told, a tool called and answered, the name recalled in a stream."""
    tools = [{"type": "function", **one["function"], "strict": False} for one in FOUR]
    ask = client.openai.responses
    told = await ask.create(**TIMES, input="My name is Ada.")  # type: ignore[call-overload]
    wanted = await ask.create(
        **TIMES,
        input="What's the weather in Paris?",
        tools=tools,
        previous_response_id=told.id,  # type: ignore[call-overload]
    )
    calls = [item for item in wanted.output if item.type == "function_call"]
    if not calls:
        TOLD.append("no tool was called")
        return
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": '{"temperature": 21}'} for call in calls
    ]
    answered = await ask.create(**TIMES, input=results, tools=tools, previous_response_id=wanted.id)  # type: ignore[call-overload]
    says(answered.output_text, "21")
    stream = await ask.create(
        **TIMES,
        input="What is my name?",
        previous_response_id=answered.id,
        stream=True,  # type: ignore[call-overload]
    )
    says("".join([event.delta async for event in stream if event.type == "response.output_text.delta"]), "Ada")


async def stored(client: Client) -> None:
    """What the server keeps of responses: read again, its input, its stream once more, deleted, gone; a branch."""
    ask = client.openai.responses
    first = await ask.create(**TIMES, input="Count from 1 to 5.")  # type: ignore[call-overload]
    await ask.retrieve(first.id)
    await ask.input_items.list(first.id)
    await ask.create(**TIMES, input="And now to 3.", previous_response_id=first.id)  # type: ignore[call-overload]
    await client.raw.delete(f"/v1/responses/{first.id}")
    await client.raw.get(f"/v1/responses/{first.id}")
    await client.raw.post("/v1/responses", json=TIMES | {"input": "Hello!", "previous_response_id": "resp_unknown1"})


SESSIONS: tuple[Callable[[Client], Awaitable[None]], ...] = (
    *(capital, memory, tools, parallel, reasoning, structured, sampling, ends, text, errors, cancelled, interleaved),
    *(completions, responses, stored),
)
