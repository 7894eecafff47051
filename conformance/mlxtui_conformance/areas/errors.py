"""Checks on how a server says no: status, envelope, and being well after it. Every request here is wrong."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import closing

from openai import APIStatusError, AuthenticationError, BadRequestError

from ..check import Fail, Level, Unsupported, check
from ..context import Context
from ..schema import closed, one_of, strict_format
from ..shapes import JsonObject, accepted, dig, refused, require
from ..sockets import dial, noted
from ..talk import CHAT, body, choices, chunks, user
from ..wire import Reply, Streamed

MALFORMED = b'{"model": "x", "messages": [}'
JSON = {"content-type": "application/json"}
KEYS = ("message", "type", "param", "code")


def _malformed(ctx: Context) -> Reply:
    return ctx.send("POST", CHAT, content=MALFORMED, headers=JSON)


def _bad_bodies(ctx: Context) -> dict[str, object]:
    """Bodies that are JSON but no chat request, by what is wrong with them."""
    wrong: dict[str, object] = {
        "messages null": None,
        "no messages in the list": [],
        "messages a string": "hello",
        "messages of numbers": [123],
        "messages of empty objects": [{}],
        "a role that is a number": [{"role": 123, "content": "hello"}],
        "content that is a number": [{"role": "user", "content": 123}],
    }
    found: dict[str, object] = {what: body(ctx, messages=value) for what, value in wrong.items()}
    return {"a body that is an array": [1, 2], "a body that is a string": "hello"} | found


@check("errors.malformed-json", Level.MUST, "OpenAI practice: 400 invalid_request_error")
def malformed_json(ctx: Context) -> None:
    """A body that is not JSON is a 400 in JSON."""
    refused(_malformed(ctx), (400,), "malformed JSON")


@check("errors.bad-messages", Level.MUST, "OpenAPI: messages is a list of messages; llama.cpp tests")
def bad_messages(ctx: Context) -> None:
    """Bodies and messages of the wrong type are a 400 each, never a 500 and never answered."""
    bad: list[Fail] = []
    for what, wrong in _bad_bodies(ctx).items():
        try:
            refused(ctx.post(CHAT, wrong), (400,), what)
        except Fail as fail:
            bad.append(fail)
    if bad:
        told = "; ".join(f"{fail.expected}: {fail.got[:60]}" for fail in bad)
        raise Fail("400 in JSON for each wrong body", told, bad[0].exchange)


@check("errors.envelope", Level.MUST, "OpenAPI: Error requires message, type, param, code")
def envelope(ctx: Context) -> None:
    """Errors are {error: {message, type, param, code}}, all four keys, for 400 and 404."""
    wrong = (_malformed, lambda c: c.post(CHAT, body(c, messages=None)), lambda c: c.get("/nowhere"))
    for send in wrong:  # one after another, for a report shows the last
        reply = send(ctx)
        error = dig(reply.json(), "error")
        require(isinstance(error, dict), "an error object", reply.brief)
        lacking = [key for key in KEYS if key not in error]
        require(not lacking, f"the keys {', '.join(KEYS)}", f"no {lacking} in {reply.brief}")
        says = error["message"]
        require(isinstance(says, str) and bool(says), "a message", reply.brief)


@check("errors.missing-messages", Level.MUST, "OpenAPI: CreateChatCompletionRequest requires messages")
def missing_messages(ctx: Context) -> None:
    """A request without messages is a 400."""
    refused(ctx.post(CHAT, body(ctx, messages=...)), (400,), "no messages")


@check("errors.missing-model", Level.SHOULD, "OpenAPI: CreateChatCompletionRequest requires model")
def missing_model(ctx: Context) -> None:
    """A request without model is a 400 (many local servers take the one they have)."""
    refused(ctx.post(CHAT, body(ctx, model=...)), (400,), "no model")


@check("errors.param", Level.SHOULD, "OpenAPI: Error.param names the field")
def param(ctx: Context) -> None:
    """The error for a field that is wrong, missing or out of range names it in param."""
    for field, wrong in (("messages", "hello"), ("temperature", "hot"), ("messages", ...)):
        reply = refused(ctx.post(CHAT, body(ctx, **{field: wrong})), (400,), f"wrong {field}")
        _named(reply, field)
    for field, wrong in RANGES.items():
        reply = ctx.post(CHAT, body(ctx, **{field: wrong, "logprobs": True}))
        if reply.status == 400:  # errors.ranges tells about any other
            _named(reply, field)


def _named(reply: Reply, field: str) -> None:
    named = dig(reply.json(), "error", "param")
    require(isinstance(named, str) and named.startswith(field), f"param {field}", named)


RANGES: JsonObject = {"temperature": -1, "top_p": 7, "n": 0, "top_logprobs": 21}


@check("errors.ranges", Level.SHOULD, "OpenAPI: minimum and maximum of each field; vLLM tests")
def ranges(ctx: Context) -> None:
    """Numbers out of range are a 400: temperature −1, top_p 7, n 0, top_logprobs 21."""
    sent = {
        f"{name}={wrong}": ctx.post(CHAT, body(ctx, **{name: wrong, "logprobs": True}))
        for name, wrong in RANGES.items()
    }
    bad = {what: reply for what, reply in sent.items() if reply.status != 400}
    if bad:
        told = "; ".join(f"{what}: {reply.status}" for what, reply in bad.items())
        raise Fail("400 for each number out of range", told, next(iter(bad.values())).exchange)


@check("errors.content-type", Level.SHOULD, "RFC 9110 §15.5.16; a form must not reach the model")
def content_type(ctx: Context) -> None:
    """A body that does not call itself JSON is a 415 or 400 in JSON, even if it would parse."""
    plain = {"content-type": "text/plain"}
    request = json.dumps(body(ctx, max_completion_tokens=1)).encode()
    reply = ctx.send("POST", CHAT, content=request, headers=plain)
    refused(reply, (400, 415), "content-type text/plain")


@check("errors.too-large", Level.SHOULD, "practice: memory is not for strangers to fill; RFC 9110 §15.5.14: 413")
def too_large(ctx: Context) -> None:
    """A body announced with 1 GiB is refused with 413 before it is sent."""
    patience = ctx.target.limits.refusal
    exchange = noted(ctx, "(only headers: content-length 1073741824)")
    try:
        with closing(dial(ctx, None, patience, length=1 << 30)) as connection:
            answer = connection.recv(4096)
    except (TimeoutError, ConnectionError) as error:
        raise Fail(f"413 within {patience:g} s, before the body", repr(error)) from error
    exchange.received += answer
    require(b" 413 " in answer.split(b"\r\n")[0], "413 for 1 GiB", answer[:200].decode("latin-1"))
    is_json = re.search(rb"(?i)content-type: *application/json", answer)
    require(is_json is not None, "the 413 in JSON", answer[:200].decode("latin-1"))


@check("errors.auth", Level.MUST, "OpenAPI: ApiKeyAuth; SDK AuthenticationError; llama.cpp tests")
def auth(ctx: Context) -> None:
    """With a key set, no key and a wrong key are a 401; with none set, any key will do."""
    request = body(ctx, max_completion_tokens=1)
    bare = ctx.keyless("POST", CHAT, json=request)
    wrong = ctx.sdk(f"wrong-{secrets.token_hex(8)}")
    try:
        wrong.post(CHAT, cast_to=object, body=request)
    except AuthenticationError as error:
        require(bare.status == 401, "401 without a key as with a wrong one", bare.brief)
        require(ctx.target.key is not None, "any key when none is set", error.message)
        ctx.note("a key is set and asked for")
        return
    except APIStatusError as error:
        raise Fail("401, or an answer when no key is set", f"{error}") from error
    accepted(bare, "a request without a key, as one with any key is answered")
    ctx.note("no key is set" if ctx.target.key is None else "the key given is not asked for")


@check("errors.sdk-class", Level.MUST, "SDK: BadRequestError with type and message filled")
def sdk_class(ctx: Context) -> None:
    """The official client raises BadRequestError and finds the error's type and message."""
    try:
        ctx.client.post(CHAT, cast_to=object, body=body(ctx, messages="hello"))
    except BadRequestError as error:
        require(isinstance(error.type, str), "a type", f"{error.type!r} in {error.body!r}")
        says = error.body.get("message") if isinstance(error.body, dict) else None
        require(bool(says), "a message in the error object", f"{error.body!r}")
        return
    except APIStatusError as error:
        raise Fail("BadRequestError", f"{type(error).__name__}: {error}") from error
    raise Fail("BadRequestError for messages that are a string", "an answer")


@check("errors.request-id", Level.SHOULD, "SDK: request_id is read from x-request-id")
def request_id(ctx: Context) -> None:
    """Answers and errors carry an x-request-id, a new one each."""
    replies = [ctx.post(CHAT, body(ctx, max_completion_tokens=1)), _malformed(ctx)]
    ids = [reply.headers.get("x-request-id") for reply in replies]
    require(all(ids), "x-request-id on an answer and on an error", ids)
    require(ids[0] != ids[1], "two different ids", ids)


@check("errors.healthy-after", Level.MUST, "vLLM tests: the engine survives every bad request")
def healthy_after(ctx: Context) -> None:
    """After each bad request the next good one is answered."""
    good = body(ctx, messages=[user("Hello")], max_completion_tokens=1)
    _malformed(ctx)
    accepted(ctx.post(CHAT, good), "a good request after malformed JSON")
    for what, wrong in _bad_bodies(ctx).items():
        ctx.post(CHAT, wrong)
        accepted(ctx.post(CHAT, good), f"a good request after {what}")


LATE: JsonObject = {
    "past arguments that are no JSON": {
        "messages": [
            user("What is the weather?"),
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{broken"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        ]
    },
    "roles in no order": {"messages": [{"role": "assistant", "content": "a"}, {"role": "system", "content": "b"}]},
    "a schema that spells markup": {"response_format": strict_format(closed(text=one_of("a </think></tool_call> b")))},
    "a pattern with a look-behind": {
        "response_format": strict_format(closed(text={"type": "string", "pattern": "(?<!a)b"}))
    },
    "a token that is none": {"logit_bias": {"99999999": 5}},
}


@check(
    "errors.mid-stream",
    Level.MUST,
    "SDK: data with an error raises APIError; a cut stream raises nothing",
    alone=True,  # the last of all: some servers die of it
)
def mid_stream(ctx: Context) -> None:
    """A stream that goes wrong after its first byte says so in an error event; it never just ends.

    Requests with faults that servers find late are tried. One refused with a status proves nothing here; where
    none gets into the stream, there was nothing to see.
    """
    seen = []
    for what, fields in LATE.items():
        sample = ctx.stream(CHAT, body(ctx, **({"stream": True, "max_completion_tokens": 32} | fields)))
        try:
            if sample.status == 200 and _went_wrong(sample):
                seen.append(what)
        except Fail as fail:
            raise Fail(f"{fail.expected}, for {what}", fail.got, sample.exchange) from fail
    if not seen:
        raise Unsupported("no fault could be brought about after the first byte")
    ctx.note(f"told in the stream: {', '.join(seen)}")


def _went_wrong(stream: Streamed) -> bool:
    """Whether the stream ended with an error, as it should if it went wrong."""
    parts = chunks(stream)
    at = next((at for at, part in enumerate(parts) if "error" in part), None)
    if at is None:
        whole = any(choice.get("finish_reason") for choice in choices(parts))
        require(whole and not stream.broken, "a finish_reason or an error event", stream.body[-300:].decode())
        return False
    says = parts[at]["error"]
    told = isinstance(says, dict) and isinstance(says.get("message"), str) and bool(says["message"])
    require(told, "an error object with a message", parts[at])
    require(at == len(parts) - 1, "nothing after the error but [DONE]", parts[at + 1 :])
    return True


CHECKS = (
    malformed_json,
    bad_messages,
    envelope,
    missing_messages,
    missing_model,
    param,
    ranges,
    content_type,
    too_large,
    auth,
    sdk_class,
    request_id,
    healthy_after,
    mid_stream,
)
