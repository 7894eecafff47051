"""Checks that send what agents send, whole sessions of it, and read the answers as strictly as those clients do.

What was recorded of them is in clients/, shortened and without names (tools/agents.py of the project does that). Only
the model is filled in, and a limit, so that a slow model comes to an end.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from openai.types.responses import Response
from pydantic import ValidationError

from ..check import Fail, Level, check
from ..context import Context
from ..response_protocol import Rule
from ..shapes import JsonObject, accepted, cooperation, dig, require, whole
from ..talk import CHAT, ask, budget, choices, chunks, said, user
from ..talk_responses import RESPONSES, Answer, answer, hold, judged, read, there
from ..talk_responses import budget as responses_budget
from ..wire import Streamed

ROOM = 256  # tokens: a call or a sentence


def recorded(client: str) -> list[JsonObject]:
    """The bodies of a client's session, in order."""
    text = (files("mlxtui_conformance") / "clients" / f"{client}.json").read_text(encoding="utf-8")
    return [request["body"] for request in json.loads(text)["requests"]]


def _room(ctx: Context) -> int:
    return max(ROOM, budget(ctx))


def _chatted(ctx: Context, body: JsonObject, limit: str) -> None:
    """Send one turn of chat and read what comes as its client does."""
    request = body | {"model": ctx.target.model, limit: _room(ctx)}
    if not body.get("stream"):
        got = said(ask(ctx, request).to_dict(mode="json", exclude_unset=True))
        cooperation(got.finish != "length", "the turn was not finished in time")
        _followed(got.calls)
        return
    sample = ctx.stream(CHAT, request)
    accepted(sample, "a streamed turn of an agent")
    _read_through(sample)


def _read_through(sample: Streamed) -> None:
    """A stream with one end, whole calls, and counts where they were asked for."""
    parts = chunks(sample)
    for part in parts:
        require("error" not in part, "chunks without an error", part)
    calls = _assembled(parts)
    ends = [piece["finish_reason"] for piece in choices(parts) if piece.get("finish_reason")]
    require(len(ends) == 1, "one finish_reason", ends)
    require(bool(calls) or ends != ["tool_calls"], "calls before the finish_reason tool_calls", parts[-3:])
    if ends == ["tool_calls"]:  # arguments cut by the limit are no arguments
        _followed(calls)
    usage = parts[-1].get("usage")
    counts = [dig(usage, f"{name}_tokens") for name in ("prompt", "completion", "total")]
    require(all(map(whole, counts)), "usage in the last chunk", usage)


def _assembled(parts: list[JsonObject]) -> list[JsonObject]:
    """The calls of a stream, put together by their index; more than agents need is the claim of tools.stream."""
    calls: dict[int, JsonObject] = {}
    for piece in choices(parts):
        delta = dig(piece, "delta")
        content = delta.get("content")
        require(content is None or isinstance(content, str), "content a string or null", delta)
        for told in delta.get("tool_calls") or []:
            index = dig(told, "index")
            function = told.get("function") or {}
            call = calls.setdefault(index, {"id": told.get("id"), "function": {**function, "arguments": ""}})
            require(bool(call["id"]) and bool(call["function"].get("name")), "id and name at first", told)
            call["function"]["arguments"] += function.get("arguments") or ""
    return list(calls.values())


def _followed(calls: list[JsonObject]) -> None:
    """Calls an agent can carry out: told apart, named, with arguments it can parse."""
    for call in calls:
        require(bool(call.get("id")) and bool(dig(call, "function", "name")), "an id and a name", call)
        _parsed(dig(call, "function", "arguments"))


def _parsed(arguments: Any) -> None:
    try:
        require(isinstance(json.loads(arguments), dict), "arguments: a JSON object", arguments)
    except (ValueError, TypeError) as error:
        raise Fail("arguments that parse as JSON", repr(arguments)) from error


@check("agents.codex", Level.MUST, "Codex CLI 0.169: the second turn of a session, as recorded")
def codex(ctx: Context) -> None:
    """A turn of Codex is accepted and answered with a stream Codex can follow to its end.

    Developer messages, a call and its output with ids and status, include, store: false, client_metadata,
    a namespace of tools and a hosted one. Codex loses what has no output_item.done, and needs an id at the end.
    """
    there(ctx)
    for body in recorded("codex"):
        limit = {"max_output_tokens": max(ROOM, responses_budget(ctx))}
        sample = ctx.stream(RESPONSES, body | {"model": ctx.target.model} | limit)
        accepted(sample, "a turn of Codex")
        for rule in (Rule.LIFECYCLE, Rule.NAMES, Rule.NESTING):
            hold(rule, "", sample)
        for _, event in read(sample):
            if event["type"] == "response.output_item.done":
                _codex_item(dig(event, "item"))
        final = Answer(judged(sample).final)
        require(bool(final.id) and final.prompt > 0 and final.spent >= 0, "an id and usage at the end", final.raw)


CODEX_ITEMS = {
    "message": ("role", "content"),
    "reasoning": ("summary",),
    "function_call": ("name", "arguments", "call_id"),
    "custom_tool_call": ("name", "input", "call_id"),
}


def _codex_item(item: JsonObject) -> None:
    """The fields without which Codex drops an item."""
    lacking = [name for name in CODEX_ITEMS.get(str(item.get("type")), ()) if item.get(name) is None]
    require(not lacking, f"{', '.join(lacking)} in the item", item)


@check("agents.opencode", Level.MUST, "opencode 1.18 (AI SDK, openai-compatible), as recorded")
def opencode(ctx: Context) -> None:
    """A session of opencode is accepted: ten tools, a result, usage in every stream."""
    for body in recorded("opencode"):
        _chatted(ctx, body, "max_tokens")


@check("agents.sdk-chat", Level.MUST, "openai-agents 0.24 on chat completions, as recorded")
def sdk_chat(ctx: Context) -> None:
    """A session of the OpenAI Agents SDK on chat: strict tools, calls by force, plain turns and streamed ones."""
    for body in recorded("agents-chat"):
        _chatted(ctx, body, "max_completion_tokens")


@check("agents.sdk-responses", Level.MUST, "openai-agents 0.24 on responses, as recorded")
def sdk_responses(ctx: Context) -> None:
    """A session of the OpenAI Agents SDK on responses: each turn names the one before, and sends only what is new."""
    there(ctx)
    before: Answer | None = None
    for body in recorded("agents-responses"):
        before = _turn(ctx, _going_on(body, before))


def _turn(ctx: Context, body: JsonObject) -> Answer:
    request = body | {"model": ctx.target.model, "max_output_tokens": max(ROOM, responses_budget(ctx))}
    if body.get("stream"):
        sample = ctx.stream(RESPONSES, request)
        accepted(sample, "a streamed turn of the Agents SDK")
        found = Answer(judged(sample).final)
    else:
        found = answer(accepted(ctx.post(RESPONSES, request), "a turn of the Agents SDK"))
    try:
        Response.model_validate(found.raw)
    except ValidationError as error:
        raise Fail("a response the client can read", f"{error.errors()[0]['msg']} in {found.raw}") from error
    cooperation(found.raw["status"] == "completed", "the turn was not finished in time")
    for call in found.calls:
        _parsed(call.get("arguments"))
    return found


def _going_on(body: JsonObject, before: Answer | None) -> JsonObject:
    """The turn with the ids of this session in place of the recorded ones."""
    if before is None:
        return body
    answers = [item for item in body["input"] if item.get("type") == "function_call_output"]
    if answers:
        cooperation(bool(before.calls), "no call was made that could be answered")
    ids = [dig(call, "call_id") for call in before.calls[: len(answers)]]
    renamed = [{**item, "call_id": id} for item, id in zip(answers, ids, strict=True)]
    return body | {"previous_response_id": before.id, "input": renamed or body["input"]}


@check("agents.zed", Level.MUST, "Zed: crates/open_ai (Request, ResponseStreamEvent)")
def zed(ctx: Context) -> None:
    """A turn of Zed's agent is accepted: content null beside calls, thoughts sent back, a key for the prompt cache."""
    call = {
        "id": "call_conformance1",
        "type": "function",
        "function": {"name": "read_file", "arguments": '{"path":"a"}'},
    }
    parameters = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    tool = {"name": "read_file", "description": "Reads a file.", "parameters": parameters}
    messages: list[JsonObject] = [
        {"role": "system", "content": "You are a coding agent."},
        {"role": "user", "content": [{"type": "text", "text": "What is in"}, {"type": "text", "text": " a?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "I have to read it."},
        {"role": "tool", "content": "hello", "tool_call_id": call["id"]},
        user("Thank you."),
    ]
    body: JsonObject = {
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 1.0,
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "tools": [{"type": "function", "function": tool}],
        "prompt_cache_key": "conformance",
    }
    _chatted(ctx, body, "max_completion_tokens")


CHECKS = (codex, opencode, sdk_chat, sdk_responses, zed)
