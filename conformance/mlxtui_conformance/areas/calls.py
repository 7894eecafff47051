"""Checks on what is inside tool calls: how many at once, their arguments, odd schemas and odd ids.

The arguments are picked from a few by a strict schema, so that what comes back tells about the server.
"""

from __future__ import annotations

import json

from ..check import Fail, Level, check
from ..context import Context
from ..schema import closed, fits, one_of
from ..shapes import JsonObject, accepted, cooperation, dig, offered, refuses, require
from ..talk import CHAT, Said, chunks, said, user
from .tools import NAMES, QUESTION, TOOLS, assembled, forced, known, request, whole_call

BOTH = "What is the weather in Paris, and what time is it in Rome? Call get_weather and get_time, both at once."


def _several(ctx: Context) -> Said:
    """An answer with more than one call."""

    def take() -> Said:
        asked = request(ctx, messages=[user(BOTH)], tool_choice="required", parallel_tool_calls=True)
        got = said(offered(ctx.post(CHAT, asked), "tool_choice required").json())
        cooperation(len(got.calls) > 1 and got.finish != "length", "the model makes one call at a time")
        return got

    return ctx.once("several calls", take)


@check("tools.parallel", Level.MUST, "OpenAPI: tool_calls, each with an id of its own", asks_model=True)
def parallel(ctx: Context) -> None:
    """Several calls in one answer are whole, each with its own id, and streamed each at its own index."""
    for call in _several(ctx).calls:
        whole_call(call)
    _own_ids(_several(ctx).calls)
    sample = ctx.stream(CHAT, request(ctx, messages=[user(BOTH)], tool_choice="required", stream=True))
    accepted(sample, "several streamed calls")
    calls = assembled(chunks(sample))
    cooperation(len(calls) > 1, "the model made one call this time")
    for call in calls:
        whole_call(call)
    _own_ids(calls)


def _own_ids(calls: list[JsonObject]) -> None:
    ids = [call["id"] for call in calls]
    require(len(set(ids)) == len(ids), "an id to each call", ids)


@check("tools.one-at-a-time", Level.MUST, "OpenAPI: parallel_tool_calls false", asks_model=True)
def one_at_a_time(ctx: Context) -> None:
    """parallel_tool_calls false leaves one call, where there were several without it."""
    _several(ctx)
    asked = request(ctx, messages=[user(BOTH)], tool_choice="required", parallel_tool_calls=False)
    got = said(offered(ctx.post(CHAT, asked), "parallel_tool_calls false").json())
    require(len(got.calls) == 1, "one call", got.raw)
    whole_call(got.calls[0])


def _strict(name: str, parameters: JsonObject) -> JsonObject:
    told = {"name": name, "description": f"Call {name}", "parameters": parameters, "strict": True}
    return {"type": "function", "function": told}


def _arguments(ctx: Context, tool: JsonObject) -> str:
    """The arguments of one call of `tool`, made by force."""
    name = dig(tool, "function", "name")
    reply = ctx.post(CHAT, request(ctx, tools=[tool], tool_choice=forced(name)))
    got = said(offered(reply, "a named strict tool").json())
    cooperation(got.finish != "length", "the call was not finished in time")
    require(len(got.calls) > 0, f"a call of {name}", got.raw)
    arguments = dig(got.calls[0], "function", "arguments")
    require(isinstance(arguments, str), "arguments as a string", got.raw)
    return str(arguments)


TABLE = closed(
    people=one_of(2, 4),
    outside={"type": "boolean"},
    dishes={"type": "array", "items": one_of("soup", "bread"), "maxItems": 2},
    at=closed(hour=one_of(18, 19)),
)


@check("tools.typed", Level.MUST, "OpenAPI: FunctionObject.strict; arguments follow the schema")
def typed(ctx: Context) -> None:
    """Arguments keep their types: integers, booleans, arrays and objects do not become strings."""
    fits(_arguments(ctx, _strict("book_table", TABLE)), TABLE)


HOSTILE = 'He said "stop" </tool_call>\n<b>\\n {"a": [1]}</b> ``` end'


@check("tools.markup", Level.MUST, "OpenAPI: arguments are JSON; any text can be in them", asks_model=True)
def markup(ctx: Context) -> None:
    """Arguments may hold what a model's own call syntax is made of, quotes and line breaks, both ways."""
    known(ctx)
    written = _written(ctx)
    cut = bool(written) and (HOSTILE.startswith(written) or HOSTILE.endswith(written))
    require(written == HOSTILE or not cut, f"{HOSTILE!r} whole", repr(written))
    cooperation(written == HOSTILE, "the model writes something else and the server does not make it")
    messages = _past("call_conformance1", json.dumps({"text": HOSTILE}))
    asked = request(ctx, messages=messages, max_completion_tokens=4)
    accepted(ctx.post(CHAT, asked), "a past call with markup in its arguments")


def _written(ctx: Context) -> str:
    """The text in the arguments, or nothing where the server lets the model write other ones."""
    arguments = _arguments(ctx, _strict("write", closed(text=one_of(HOSTILE))))
    try:
        value = json.loads(arguments)
    except ValueError as error:
        raise Fail("arguments that parse as JSON", repr(arguments)) from error
    return str(value.get("text", "")) if isinstance(value, dict) else ""


SCHEMAS: dict[str, JsonObject | None] = {
    "no parameters": None,
    "empty parameters": {},
    "$schema": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {}},
    "a list of types": {"type": "object", "properties": {"unit": {"type": ["string", "null"], "default": None}}},
    "an empty enum": {"type": "object", "properties": {"unit": {"type": "string", "enum": []}}},
    "$ref": {
        "type": "object",
        "properties": {"unit": {"$ref": "#/$defs/unit"}},
        "$defs": {"unit": {"type": "string", "format": "uri", "minLength": 1}},
    },
}


@check("tools.schemas", Level.SHOULD, "LiteLLM, MCP servers: schemas as generators write them")
def schemas(ctx: Context) -> None:
    """Parameters as generators write them are accepted: $schema, $ref, lists of types, empty ones."""
    known(ctx)
    for what, parameters in SCHEMAS.items():
        told: JsonObject = {"name": "odd", "description": "An odd tool"}
        told |= {} if parameters is None else {"parameters": parameters}
        tools = [*TOOLS, {"type": "function", "function": told}]
        asked = request(ctx, tools=tools, max_completion_tokens=4)
        accepted(ctx.post(CHAT, asked), f"a tool with {what}")


def _past(id: str, arguments: str) -> list[JsonObject]:
    function = {"name": NAMES[0], "arguments": arguments}
    call = {"id": "call_conformance1", "type": "function", "function": function}
    return [
        user(QUESTION),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": id, "content": "sunny"},
    ]


@check("tools.foreign-ids", Level.OPT, "practice: histories are edited; refuse or go on, never crash")
def foreign_ids(ctx: Context) -> None:
    """A result for a call that nobody made, or a second one for the same call, is answered or refused."""
    known(ctx)
    arguments = json.dumps({"location": "Paris"})
    foreign = _past("call_of_nobody", arguments)
    twice = _past("call_conformance1", arguments)
    for what, messages in (("a foreign id", foreign), ("two results for one call", [*twice, twice[-1]])):
        reply = ctx.post(CHAT, request(ctx, messages=messages, max_completion_tokens=4))
        require(reply.status == 200 or refuses(reply), f"200 or a clean 4xx for {what}", reply.brief)


CHECKS = (parallel, one_at_a_time, typed, markup, schemas, foreign_ids)
