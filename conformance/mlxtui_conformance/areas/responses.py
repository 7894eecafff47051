"""Checks on POST /responses without stream: the object, what it echoes, input, limits, formats, counts.

Knows nothing of tools, of events, or of what a server keeps from one request to the next.
"""

from __future__ import annotations

import json
from typing import Any

from openai.types.responses import Response

from .. import talk
from ..check import Fail, Level, Unsupported, check
from ..context import Context
from ..shapes import JsonObject, accepted, cooperation, dig, offered, refused, refuses, require, whole
from ..talk_responses import (
    FEW,
    LOOK,
    RESPONSES,
    Answer,
    answer,
    body,
    budget,
    calling,
    judged,
    message,
    objects,
    plain,
    post,
    tell,
    text_stream,
    there,
)

# Open Responses requires these keys of every response; the second group is never null.
NULLABLE = (
    "completed_at",
    "error",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "usage",
)
FILLED = (
    "background",
    "frequency_penalty",
    "metadata",
    "parallel_tool_calls",
    "presence_penalty",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
)
OPTIONAL = (*FILLED, "include", "instructions", "previous_response_id", "reasoning", "stream")


@check("responses.basic", Level.MUST, "SDK strict: Response", asks_model=True)
def basic(ctx: Context) -> None:
    """A string as input gives one strictly valid response that says something."""
    there(ctx)
    response = ctx.client.post(RESPONSES, cast_to=Response, body=body(ctx, max_output_tokens=budget(ctx)))
    require(response.object == "response", 'object "response"', response.object)
    require(response.status in ("completed", "incomplete"), "status completed or incomplete", response.status)
    created = plain(ctx).raw.get("created_at")
    require(whole(created), "created_at as an integer, in seconds", created)
    cooperation(bool(response.output_text), "the model said nothing")


def _echoes(raw: JsonObject) -> None:
    lacking = [name for name in (*NULLABLE, *FILLED) if name not in raw]
    require(not lacking, "every field of a response, null where there is nothing", f"without {lacking}")
    empty = [name for name in FILLED if raw[name] is None]
    require(not empty, "defaults in place of null", f"null in {empty}")
    require(isinstance(dig(raw, "text", "format"), dict), "text.format", raw["text"])


@check("responses.echo", Level.MUST, "Open Responses: ResponseResource requires every field")
def echo(ctx: Context) -> None:
    """A response has all its fields; the ones with a default are never null."""
    _echoes(plain(ctx).raw)


@check("responses.null-fields", Level.MUST, "OpenAPI: optional fields are nullable; typed clients send null")
def null_fields(ctx: Context) -> None:
    """Null in any optional field means its default, and is answered with that default."""
    got = tell(ctx, body(ctx, temperature=None) | dict.fromkeys(OPTIONAL), "null in every optional field")
    _echoes(got.raw)


@check("responses.echo-values", Level.SHOULD, "Open Responses: a response says what it was made with")
def echo_values(ctx: Context) -> None:
    """What was asked for is what the response says it was made with."""
    asked: JsonObject = {
        "instructions": "Be brief.",
        "max_output_tokens": FEW,
        "metadata": {"suite": "conformance"},
        "parallel_tool_calls": False,
        "store": False,
        "temperature": 0,
        "tool_choice": "none",
        "top_p": 0.5,
    }
    got = tell(ctx, body(ctx, tools=[LOOK], **asked), "common parameters").raw
    require(dig(got, "model") == ctx.target.model, f"model {ctx.target.model}", got.get("model"))
    for name, value in asked.items():
        require(got.get(name) == value, f"{name} {value!r}", got.get(name))
    tool = dig(objects(got, "tools"), 0)
    for name, value in LOOK.items():
        require(tool.get(name) == value, f"the tool's {name} {value!r}", tool)


@check("responses.ids", Level.MUST, "llama.cpp tests: ids have their prefix and are unique")
def ids(ctx: Context) -> None:
    """Ids of responses, messages and calls have their prefix, and none is used twice."""
    answers = [plain(ctx), tell(ctx, body(ctx)), *_called(ctx)]
    named = [("resp_", got.id) for got in answers]
    named += [("msg_", dig(item, "id")) for got in answers for item in got.of("message")]
    named += [("fc_", dig(item, "id")) for got in answers for item in got.of("function_call")]
    named += [("call_", dig(item, "call_id")) for got in answers for item in got.of("function_call")]
    for prefix, id in named:
        require(str(id).startswith(prefix), f"an id with {prefix}", id)
    require(len({id for _, id in named}) == len(named), "ids that differ", [id for _, id in named])


def _called(ctx: Context) -> list[Answer]:
    try:
        return [calling(ctx, LOOK)]
    except Unsupported:
        return []


@check("responses.output-text", Level.MUST, "SDK: Response.output_text joins the output_text parts", asks_model=True)
def output_text(ctx: Context) -> None:
    """The client's output_text is all the text there is, and so is the server's, if it sends one."""
    got = plain(ctx)
    cooperation(bool(got.text), "the model said nothing")
    try:
        seen = Response.construct(**got.raw).output_text
    except TypeError as error:
        raise Fail("text the official client can join", repr(error)) from error
    require(seen == got.text, f"output_text {got.text!r}", repr(seen))
    require(got.raw.get("output_text", got.text) == got.text, f"output_text {got.text!r}", got.raw.get("output_text"))


@check("responses.input-items", Level.MUST, "OpenAPI: EasyInputMessage; real clients leave out the type")
def input_items(ctx: Context) -> None:
    """Items may come without a type, in any role, with content as a string or as parts."""
    parts = [{"type": "input_text", "text": "Count"}, {"type": "input_text", "text": " to 5."}]
    said = [{"type": "output_text", "text": "1 2 3", "annotations": []}]
    inputs: dict[str, list[JsonObject]] = {
        "a message without type": [message("user", "Hello!")],
        "system and developer messages": [*map(message, ("system", "developer"), ("Be kind.", "Be brief."))],
        "content as parts": [{"type": "message", "role": "user", "content": parts}],
        "an assistant's turn": [{"role": "assistant", "content": said}, {"role": "assistant", "content": "4 5"}],
    }
    for what, items in inputs.items():
        request = body(ctx, [*items, message("user", "Go on.")], max_output_tokens=FEW)
        tell(ctx, request, what)


@check("responses.reasoning-items", Level.MUST, "OpenAPI: ReasoningItem as input; agents send every item back")
def reasoning_items(ctx: Context) -> None:
    """A reasoning item of an earlier turn is accepted as input."""
    summary = [{"type": "summary_text", "text": "A greeting."}]
    thoughts: list[JsonObject] = [
        {"type": "reasoning", "id": "rs_conformance1", "summary": []},
        {"type": "reasoning", "id": "rs_conformance2", "summary": summary, "encrypted_content": None},
    ]
    for thought in thoughts:
        history = [message("user", "Hello!"), thought, message("assistant", "Hi."), message("user", "Go on.")]
        tell(ctx, body(ctx, history, max_output_tokens=FEW), "a reasoning item in the input")


@check("responses.bad-input", Level.MUST, "OpenAI practice: 400 invalid_request_error; llama.cpp tests")
def bad_input(ctx: Context) -> None:
    """Input of the wrong type, or none at all, is a 400 each, never a 500 and never answered."""
    there(ctx)
    bad: tuple[Any, ...] = (..., 123, [123], [{"role": 123, "content": "x"}], [{"type": "conformance_kind"}])
    for given in bad:
        what = "a request without input" if given is ... else f"input {json.dumps(given)}"
        refused(ctx.post(RESPONSES, body(ctx, given)), (400, 422), what)


@check("responses.max-output-tokens", Level.MUST, "OpenAPI: incomplete_details; vLLM tests", asks_model=True)
def max_output_tokens(ctx: Context) -> None:
    """An answer cut at max_output_tokens is incomplete, and says why."""
    got = tell(ctx, body(ctx, max_output_tokens=FEW))
    cooperation(got.spent >= FEW or got.raw["status"] == "incomplete", f"the model stopped before {FEW} tokens")
    require(got.spent <= FEW, f"output_tokens ≤ {FEW}", got.raw.get("usage"))
    require(got.raw["status"] == "incomplete", "status incomplete", got.raw["status"])
    reason = dig(got.raw, "incomplete_details", "reason")
    require(reason == "max_output_tokens", "incomplete_details.reason max_output_tokens", reason)


COLOUR: JsonObject = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "green"]}, "bright": {"type": "boolean"}},
    "required": ["colour", "bright"],
    "additionalProperties": False,
}


@check("responses.json-schema", Level.MUST, "OpenAPI: text.format json_schema, strict")
def json_schema(ctx: Context) -> None:
    """text.format with a strict schema gives JSON that fits it, whatever was asked."""
    form = {"type": "json_schema", "name": "paint", "schema": COLOUR, "strict": True}
    request = body(ctx, "Say hello.", text={"format": form}, max_output_tokens=max(256, budget(ctx)))
    got = answer(offered(post(ctx, request), "text.format json_schema"))
    cooperation(got.raw["status"] == "completed", "the JSON was not finished in time")
    try:
        value = json.loads(got.text)
    except ValueError as error:
        raise Fail("JSON text", got.text) from error
    fits = isinstance(value, dict) and set(value) == {"colour", "bright"}
    require(fits and value["colour"] in ("red", "green"), "colour and bright, nothing else", value)
    require(isinstance(value["bright"], bool), "bright as a boolean", value)


@check("responses.usage", Level.MUST, "OpenAPI: ResponseUsage requires all counts; total = input + output")
def usage(ctx: Context) -> None:
    """Usage holds all counts, and the total is the sum of input and output."""
    found = plain(ctx).raw.get("usage")
    counts = [dig(found, f"{name}_tokens") for name in ("input", "output", "total")]
    counts += [dig(found, "input_tokens_details", "cached_tokens")]
    counts += [dig(found, "output_tokens_details", "reasoning_tokens")]
    require(all(whole(count) and count >= 0 for count in counts), "whole counts ≥ 0", found)
    require(counts[0] > 0 and counts[2] == counts[0] + counts[1], "total = input + output", found)
    require(counts[3] <= counts[0] and counts[4] <= counts[1], "details within their counts", found)


@check("responses.usage-agrees", Level.SHOULD, "practice: one prompt, one count")
def usage_agrees(ctx: Context) -> None:
    """Chat or response, streamed or not, the same prompt has the same number of tokens."""
    there(ctx)
    request = talk.body(ctx, max_completion_tokens=1)
    chat = talk.said(offered(ctx.post(talk.CHAT, request), "chat completions").json())
    stream = ctx.stream(talk.CHAT, request | {"stream": True, "stream_options": {"include_usage": True}})
    accepted(stream, "a streamed chat request")
    usages = {"chat": chat.usage, "chat stream": talk.joined(talk.chunks(stream)).usage}
    if None in usages.values():
        raise Unsupported("no usage in a chat answer")
    counts = {name: dig(usage, "prompt_tokens") for name, usage in usages.items()}
    counts["response"] = plain(ctx).prompt
    counts["response stream"] = dig(judged(text_stream(ctx)).final, "usage", "input_tokens")
    require(len(set(counts.values())) == 1, "one count of input tokens", counts)


@check("responses.input-tokens", Level.SHOULD, "OpenAPI: POST /responses/input_tokens")
def input_tokens(ctx: Context) -> None:
    """POST /responses/input_tokens counts what a request is then charged for."""
    there(ctx)
    request = body(ctx, temperature=..., max_output_tokens=..., store=...)
    reply = ctx.post(f"{RESPONSES}/input_tokens", request)
    if reply.status in (405, 501) or refuses(reply):
        raise Unsupported(f"POST {RESPONSES}/input_tokens: {reply.brief}")
    counted = accepted(reply, "counting tokens").json()
    require(dig(counted, "object") == "response.input_tokens", "object response.input_tokens", counted)
    require(dig(counted, "input_tokens") == plain(ctx).prompt, f"input_tokens {plain(ctx).prompt}", counted)


CHECKS = (
    basic,
    echo,
    null_fields,
    echo_values,
    ids,
    output_text,
    input_items,
    reasoning_items,
    bad_input,
    max_output_tokens,
    json_schema,
    usage,
    usage_agrees,
    input_tokens,
)
