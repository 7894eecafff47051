"""Requests to /v1/responses that its areas use, answers read strictly, samples taken once.

A server without that endpoint is told by one request without input, which costs it nothing. Knows nothing of
verdicts but the ones it raises.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .check import Fail, Unsupported
from .context import Context
from .response_events import Stream
from .response_protocol import Rule, texts
from .shapes import JsonObject, accepted, cooperation, dig, offered, refuses, require, whole
from .talk import COUNT, ROOM, WIDE, events
from .wire import Reply, Streamed

RESPONSES = "/responses"
FEW = 16  # tokens: as few as api.openai.com takes
THOUGHTFUL = 256  # tokens: a thought need not end to be looked at
THINK = "Think step by step: what is 17 + 25?"
LOOK: JsonObject = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
        "additionalProperties": False,
    },
    "strict": True,
}
RUN: JsonObject = {"type": "custom", "name": "run_code", "description": "Run one line of Python"}
QUESTION = "What is the weather in Paris? Use the get_weather tool."


def message(role: str, text: str) -> JsonObject:
    """An input message as most clients write it, without a type."""
    return {"role": role, "content": text}


def body(ctx: Context, given: object = COUNT, /, **fields: Any) -> JsonObject:
    """A greedy request that leaves nothing behind; a field given as `...` is left out."""
    request: JsonObject = {
        "model": ctx.target.model,
        "input": given,
        "temperature": 0,
        "max_output_tokens": ROOM,
        "store": False,
    }
    return {name: value for name, value in (request | fields).items() if value is not ...}


def forced(ctx: Context, tool: JsonObject, given: str = QUESTION) -> JsonObject:
    """A request that has to call this tool, whatever it says."""
    choice = {"type": tool["type"], "name": tool["name"]}
    return body(ctx, given, tools=[tool], tool_choice=choice, max_output_tokens=max(256, budget(ctx)))


def there(ctx: Context) -> None:
    """Unsupported, at once, for a server that has no /responses.

    The model is named, so that a 404 can't be for the lack of one; without input there is nothing to generate.
    """

    def probe() -> None:
        reply = ctx.post(RESPONSES, {"model": ctx.target.model})
        if reply.status in (404, 405, 501):
            raise Unsupported(f"no {RESPONSES}: {reply.brief}")

    ctx.once("responses", probe)


def objects(value: object, name: str) -> list[JsonObject]:
    """The objects listed under a name, with nothing else among them."""
    found = dig(value, name)
    require(isinstance(found, list) and all(isinstance(entry, dict) for entry in found), f"objects in {name}", found)
    return list(found)


def post(ctx: Context, request: JsonObject) -> Reply:
    there(ctx)
    return ctx.post(RESPONSES, request)


@dataclass(frozen=True, slots=True)
class Answer:
    """The parts of one response that checks compare."""

    raw: JsonObject

    @property
    def id(self) -> str:
        return str(dig(self.raw, "id"))

    @property
    def items(self) -> list[JsonObject]:
        return objects(self.raw, "output")

    def of(self, *types: str) -> list[JsonObject]:
        return [item for item in self.items if item.get("type") in types]

    @property
    def text(self) -> str:
        return "".join(str(text or "") for item in self.of("message") for text in texts(item).values())

    @property
    def calls(self) -> list[JsonObject]:
        return self.of("function_call", "custom_tool_call")

    @property
    def usage(self) -> JsonObject:
        found = self.raw.get("usage")
        if not isinstance(found, dict):
            raise Unsupported("no usage in the response")
        return found

    @property
    def prompt(self) -> int:
        return self._count("input_tokens")

    @property
    def spent(self) -> int:
        return self._count("output_tokens")

    def _count(self, name: str) -> int:
        found = dig(self.usage, name)
        require(whole(found), f"{name} as an integer", self.usage)
        return int(found)


def answer(reply: Reply) -> Answer:
    raw = reply.json()
    require(isinstance(raw, dict), "a response object", reply.brief)
    got = Answer(raw)
    require(raw.get("status") in ("completed", "incomplete"), "status completed or incomplete", raw.get("status"))
    return got


def tell(ctx: Context, request: JsonObject, what: str = "a plain request") -> Answer:
    return answer(accepted(post(ctx, request), what))


def kept(ctx: Context, request: JsonObject) -> Answer:
    """A response the server keeps; what it has to be kept for is the check's own matter."""
    return tell(ctx, request | {"store": True})


def budget(ctx: Context) -> int:
    """Tokens until text shows up: a reasoning model gets head-room, others stay quick."""

    def probe() -> int:
        first = tell(ctx, body(ctx))
        return WIDE if first.of("reasoning") and not first.text else ROOM

    return ctx.once("responses-budget", probe)


def plain(ctx: Context) -> Answer:
    """The answer to COUNT that other answers are compared with."""

    def take() -> Answer:
        return tell(ctx, body(ctx, max_output_tokens=budget(ctx)))

    return ctx.once("responses-plain", take)


def calling(ctx: Context, tool: JsonObject) -> Answer:
    """An answer that was made to call this tool by force alone; one that was cut off is the model's doing."""

    def take() -> Answer:
        got = answer(offered(post(ctx, forced(ctx, tool, "Hello!")), f"a forced {tool['type']} tool"))
        cooperation(got.raw["status"] == "completed", "the call was not finished in time")
        return got

    return ctx.once(f"responses-calling-{tool['type']}", take)


def _requests(ctx: Context, name: str) -> JsonObject:
    match name:
        case "text":
            return body(ctx, max_output_tokens=budget(ctx))
        case "cut":
            return body(ctx, max_output_tokens=FEW)
        case "function":
            return forced(ctx, LOOK)
        case "custom":
            return forced(ctx, RUN)
        case "summary":
            return body(ctx, THINK, max_output_tokens=THOUGHTFUL, reasoning={"summary": "auto"})
    return body(ctx, THINK, max_output_tokens=THOUGHTFUL)


SPOKEN = ("text", "cut")
CALLED = ("function", "custom")
THOUGHT = ("summary", "raw")  # reasoning, with its summary asked for and without


def streamed(ctx: Context, name: str) -> Streamed | None:
    """One sample of a stream, or None where the server refuses that kind of request cleanly."""

    def take() -> Streamed | None:
        there(ctx)
        got = ctx.stream(RESPONSES, _requests(ctx, name) | {"stream": True})
        if name not in SPOKEN and got.status != 200 and refuses(got):
            return None
        accepted(got, "a streamed response")
        return got

    return ctx.once(f"responses-streamed-{name}", take)


def text_stream(ctx: Context) -> Streamed:
    sample = streamed(ctx, "text")
    assert sample is not None  # only samples of what a server may leave out are None
    return sample


def read(sample: Streamed) -> list[tuple[str | None, JsonObject]]:
    """Every event with its name, in order; [DONE] and comments left out."""
    found = []
    for event in events(sample):
        if event.data is not None and event.data.strip() != "[DONE]":
            names = [value for name, value in event.fields if name == "event"]
            found.append((names[-1] if names else None, _object(event.data)))
    require(bool(found), "at least one event", sample.brief)
    return found


def _object(data: str) -> JsonObject:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise Fail("JSON in every event", data[:200]) from error
    if not isinstance(found, dict):
        raise Fail("an object in every event", data[:200])
    return found


def judged(sample: Streamed) -> Stream:
    """The stream, read by the rules to its end."""
    stream = Stream()
    for name, event in read(sample):
        stream.feed(name, event)
    stream.finish()
    return stream


def hold(rule: Rule, name: str, sample: Streamed) -> None:
    """The first fault under this rule, or nothing."""
    for fault in judged(sample).faults:
        if fault.rule == rule:
            where = f"event {fault.at} of a stream of {name}" if name else f"event {fault.at}"
            raise Fail(f"{fault.expected} ({where})", fault.got, sample.exchange)
