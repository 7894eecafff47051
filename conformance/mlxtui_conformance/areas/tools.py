"""Checks on function tools in chat: who may call, in which shape, and what a history with calls looks like."""

from __future__ import annotations

import json
from typing import Any

from ..check import Fail, Inconclusive, Level, Unsupported, check
from ..context import Context
from ..shapes import JsonObject, accepted, cooperation, dig, offered, refuses, require
from ..talk import CHAT, Said, ask, body, budget, choices, chunks, joined, said, tell, user

ROOMY = 256  # tokens: a call is short, but a model may say something before it


def function(name: str, what: str, parameter: str) -> JsonObject:
    properties = {parameter: {"type": "string"}}
    schema = {"type": "object", "properties": properties, "required": [parameter]}
    return {
        "type": "function",
        "function": {"name": name, "description": what, "parameters": schema},
    }


WEATHER = function("get_weather", "Get the current weather in a city", "location")
TIME = function("get_time", "Get the current time in a city", "location")
TOOLS = [WEATHER, TIME]
NAMES = ("get_weather", "get_time")
QUESTION = "What is the weather in Paris? Use the get_weather tool."


def request(ctx: Context, **fields: Any) -> JsonObject:
    room = max(ROOMY, budget(ctx))
    return body(ctx, QUESTION, **({"tools": TOOLS, "max_completion_tokens": room} | fields))


def forced(name: str) -> JsonObject:
    return {"type": "function", "function": {"name": name}}


def whole_call(call: JsonObject, allowed: tuple[str, ...] = ()) -> None:
    """The shape of a finished call: id, type, a name, arguments as a JSON string.

    A name that is none is the model's slip, unless the server was told to see to it.
    """
    require(isinstance(dig(call, "id"), str) and bool(call["id"]), "an id", call)
    require(dig(call, "type") == "function", "type function", call)
    name = dig(call, "function", "name")
    require(isinstance(name, str) and bool(name), "a name", call)
    require(not allowed or name in allowed, f"a name out of {allowed}", call)
    cooperation(name in (allowed or NAMES), f"the model calls {name}, a tool that is not there")
    arguments = dig(call, "function", "arguments")
    require(isinstance(arguments, str), "arguments as a string", call)
    try:
        require(isinstance(json.loads(arguments), dict), "arguments: a JSON object", arguments)
    except ValueError as error:
        raise Fail("arguments that parse as JSON", arguments) from error


def known(ctx: Context) -> None:
    """Unsupported when the server refuses tools as such, whatever they are used for."""

    def probe() -> None:
        offered(ctx.post(CHAT, request(ctx, max_completion_tokens=1)), "tools")

    ctx.once("tools", probe)


def calling(ctx: Context) -> tuple[JsonObject, Said]:
    """A request that leads to a call, and the answer: by the model's will, or else by force."""

    def take() -> tuple[JsonObject, Said]:
        for choice in ("auto", "required"):
            asked = request(ctx, tool_choice=choice)
            reply = ctx.post(CHAT, asked)
            if choice == "required" and refuses(reply):
                break
            got = said(offered(reply, "tools").json())
            if got.calls and got.finish != "length":
                return asked, got
        raise Inconclusive("the model calls no tool by itself and the server does not make it")

    return ctx.once("calling", take)


@check("tools.named", Level.MUST, "OpenAPI: ChatCompletionNamedToolChoice forces that function")
def named(ctx: Context) -> None:
    """A named tool_choice calls that function, whatever the question."""
    reply = offered(ctx.post(CHAT, request(ctx, tool_choice=forced("get_time"))), "named choice")
    got = said(reply.json())
    _finished(got)
    require(bool(got.calls), "a call of get_time", reply.brief)
    for call in got.calls:
        whole_call(call, ("get_time",))
    require(not got.content.strip(), "no text beside a call by force", reply.brief)
    # api.openai.com ends a named call with "stop", most others with "tool_calls".
    require(got.finish in ("tool_calls", "stop"), "finish_reason tool_calls", got.finish)


def _finished(got: Said) -> None:
    """A forced call may be cut off; text in its place shows that nothing was forced."""
    cut = got.finish == "length" and not got.content
    cooperation(not cut, "the call was not finished in time")


@check("tools.required", Level.MUST, "OpenAPI: required means one or more tools must be called")
def required(ctx: Context) -> None:
    """tool_choice required calls some tool, even when there is nothing to ask it."""
    asked = request(ctx, tool_choice="required", messages=[user("Hello!")])
    reply = offered(ctx.post(CHAT, asked), "tool_choice required")
    got = said(reply.json())
    _finished(got)
    require(bool(got.calls), "at least one call", reply.brief)
    for call in got.calls:
        whole_call(call, NAMES)
    require(got.finish == "tool_calls", "finish_reason tool_calls", got.finish)


@check("tools.none", Level.MUST, "OpenAPI: none means the model will not call any tool")
def none(ctx: Context) -> None:
    """tool_choice none makes no call, though the question asks for one."""
    reply = offered(ctx.post(CHAT, request(ctx, tool_choice="none")), "tool_choice none")
    got = said(reply.json())
    require(not got.calls, "no calls", reply.brief)
    require(got.finish != "tool_calls", "a finish_reason for text", got.finish)


@check("tools.auto", Level.SHOULD, "OpenAPI: ChatCompletionMessageToolCall; SDK strict")
def auto(ctx: Context) -> None:
    """Left to choose, the answer is text or whole calls, and finish_reason says which."""
    known(ctx)
    answer = ask(ctx, request(ctx, tool_choice="auto"))
    got = said(answer.to_dict(mode="json", exclude_unset=True))
    cooperation(got.finish != "length", "the answer was not finished in time")
    require(got.finish == ("tool_calls" if got.calls else "stop"), "finish_reason to fit", got.raw)
    require(bool(got.calls or got.content), "text or a call", got.raw)
    for call in got.calls:
        whole_call(call)


@check(
    "tools.stream",
    Level.MUST,
    "SDK accumulator: index from 0; id, type, name once",
    asks_model=True,
)
def stream(ctx: Context) -> None:
    """Streamed calls count from index 0, name themselves once, and their arguments add up."""
    asked, whole = calling(ctx)
    sample = ctx.stream(CHAT, asked | {"stream": True})
    accepted(sample, "a streamed call")
    parts = chunks(sample)
    calls = assembled(parts)
    text = joined(parts).content
    # Text without a trace of the call is a change of the model's mind; a call that vanished in the
    # stream, or came through as text, is what this check is about.
    cooperation(bool(calls) or not text or "get_weather" in text, "no call this time")
    require(len(calls) == len(whole.calls), f"{len(whole.calls)} calls as without stream", calls)
    for call in calls:
        whole_call(call)
    require(joined(parts).finish == "tool_calls", "finish_reason tool_calls", joined(parts).finish)


def assembled(parts: list[JsonObject]) -> list[JsonObject]:
    """Put the deltas together as the official accumulator does, but say what it stumbles over."""
    calls: list[JsonObject] = []
    for piece in choices(parts):
        for delta in dig(piece, "delta").get("tool_calls") or []:
            index = dig(delta, "index")
            require(index <= len(calls), "indices that rise from 0", delta)
            if index == len(calls):
                require("id" in delta and "type" in delta, "id and type at first", delta)
                require(bool(dig(delta, "function", "name")), "the name at first", delta)
                calls.append({**delta, "function": {"arguments": "", **delta["function"]}})
                continue
            again = delta.get("id") or dig(delta, "function").get("name")
            require(not again, "id and name in a call's first delta only", delta)
            calls[index]["function"]["arguments"] += delta["function"].get("arguments") or ""
    return calls


def _history(ctx: Context, content: str | None) -> list[JsonObject]:
    arguments = json.dumps({"location": "Paris"})
    call = {
        "id": "call_conformance1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": arguments},
    }
    return [
        user(QUESTION),
        {"role": "assistant", "content": content, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": '{"sky": "sunny", "degrees": 21}'},
    ]


@check("tools.result", Level.MUST, "OpenAPI: tool messages answer calls by id", asks_model=True)
def result(ctx: Context) -> None:
    """A turn with a tool's result is accepted and the conversation goes on."""
    known(ctx)
    reply = ctx.post(CHAT, request(ctx, messages=_history(ctx, "")))
    got = said(accepted(reply, "a conversation with a tool result").json())
    for call in got.calls:
        whole_call(call)
    cooperation(bool(got.content or got.calls), "the model said nothing about the result")


@check("tools.null-content", Level.MUST, "OpenAPI: content may be null beside tool_calls")
def null_content(ctx: Context) -> None:
    """An assistant message with calls may have content null, and tool content may be parts."""
    known(ctx)
    history = _history(ctx, None)
    asked = request(ctx, messages=history, max_completion_tokens=4)
    accepted(ctx.post(CHAT, asked), "content null beside tool_calls")
    history[-1]["content"] = [{"type": "text", "text": history[-1]["content"]}]
    accepted(ctx.post(CHAT, asked), "a tool result as text parts")


@check("tools.unknown-type", Level.SHOULD, "Codex and others send hosted tools with every turn")
def unknown_type(ctx: Context) -> None:
    """A tool of a kind the server does not know is passed over or refused, never a crash."""
    asked = request(ctx, tools=[WEATHER, {"type": "conformance_kind"}], max_completion_tokens=4)
    reply = ctx.post(CHAT, asked)
    require(reply.status == 200 or refuses(reply), "200 or a clean 4xx", reply.brief)


@check("tools.truncated", Level.SHOULD, "OpenAI practice: length beats tool_calls", asks_model=True)
def truncated(ctx: Context) -> None:
    """A call cut off by the token limit ends with finish_reason length."""
    asked, whole = calling(ctx)
    if whole.usage is None:
        raise Unsupported("no usage, so no telling where to cut")
    room = dig(whole.usage, "completion_tokens") - 3
    cooperation(room > 0, "the call is too short to cut")
    got = tell(ctx, asked | {"max_completion_tokens": room})
    require(got.finish == "length", f"finish_reason length after {room} tokens", got.raw)


CHECKS = (
    named,
    required,
    none,
    auto,
    stream,
    result,
    null_content,
    unknown_type,
    truncated,
)
