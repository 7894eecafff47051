"""What can be wrong with streams, tool calls, errors and several clients, each with the check that claims it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from .brain import Json
from .chat import MODEL, frame
from .hooks import (
    CRASH,
    HTML,
    Memory,
    body,
    call_deltas,
    calls,
    chat,
    deltas,
    dropping,
    each,
    edited,
    finishes,
    first_choice,
    instead,
    on,
    on_error,
    refusing,
    roles,
    setting,
    text_of,
)
from .server import Asked, Defect, Said, say

DONE = b"data: [DONE]\n\n"
TEXT = {"index": 0, "delta": {"content": "late"}, "finish_reason": None}


def frames(change: Any) -> Any:
    return lambda asked, parts: change(list(parts))


def chunks(change: Any) -> Any:
    return lambda asked, parts: change(list(parts))


def media(kind: str) -> Any:
    return lambda asked, said: replace(said, media=kind) if said.frames else said


def ids_differ(parts: Any) -> None:
    for at, part in enumerate(parts):
        part["id"] = f"chatcmpl-x{at}"


def finish_twice(parts: list[Json]) -> list[Json]:
    end = next(part for part in parts if part["choices"] and part["choices"][0]["finish_reason"])
    return [parts[0], end, *parts[1:]]


def usage_with_choice(part: Json) -> None:
    if part.get("usage"):
        part["choices"] = [TEXT]


def usage_always(asked: Asked, request: Any) -> Any:
    return setting(stream_options={"include_usage": True})(asked, request)


def one_more(part: Json) -> None:
    if part.get("usage"):
        part["usage"]["completion_tokens"] += 1


def end_filled(part: Json) -> None:
    for choice in part["choices"]:
        if choice["finish_reason"]:
            choice["delta"] = {"content": "."}


def in_band(asked: Asked, said: Said) -> Said:
    """Any refusal of a stream comes as a 200 with an error event."""
    if said.status < 400:
        return said
    return Said(200, media="text/event-stream", frames=(frame(said.json()), DONE))


STREAMS = (
    Defect("plain-media", "chat.stream.content-type", reply=media("text/plain")),
    Defect("latin-media", "chat.stream.content-type", reply=media("text/event-stream; charset=latin-1")),
    Defect("not-utf-8", "chat.stream.content-type", frames=frames(lambda f: [b'data: "\xff"\n\n', *f])),
    Defect("one-newline", "chat.stream.framing", frames=frames(lambda f: [p[:-1] for p in f])),
    Defect("last-unclosed", "chat.stream.framing", frames=frames(lambda f: [*f[:-1], DONE[:-1]])),
    Defect("event-ids", "chat.stream.framing", frames=frames(lambda f: [b"id: 1\n" + p for p in f])),
    Defect("python-repr", "chat.stream.framing", frames=frames(lambda f: [b"data: {'a': 1}\n\n", *f])),
    Defect("no-done", "chat.stream.done", frames=frames(lambda f: f[:-1])),
    Defect("two-dones", "chat.stream.done", frames=frames(lambda f: [*f, DONE])),
    Defect("after-done", "chat.stream.done", frames=frames(lambda f: [*f, f[0]])),
    Defect("delta-missing", "chat.stream.strict", chunks=each(lambda p: [c.pop("delta") for c in p["choices"]])),
    Defect("created-missing", "chat.stream.strict", chunks=each(lambda p: p.pop("created"))),
    Defect("role-number", "chat.stream.strict", chunks=deltas(lambda at, d: d.update(role=1))),
    Defect("ids-differ", "chat.stream.same-id", chunks=edited(ids_differ)),
    Defect("whole-object", "chat.stream.strict", chunks=each(lambda p: p.update(object="chat.completion"))),
    Defect("role-repeated", "chat.stream.role-once", chunks=deltas(lambda at, d: d.update(role="assistant"))),
    Defect("role-missing", "chat.stream.role-once", chunks=deltas(lambda at, d: d.pop("role", None))),
    Defect("no-finish", "chat.stream.one-finish", chunks=finishes(None)),
    Defect("two-finishes", "chat.stream.one-finish", chunks=chunks(finish_twice)),
    Defect("text-after-finish", "chat.stream.one-finish", chunks=chunks(lambda p: [*p, {**p[0], "choices": [TEXT]}])),
    Defect("finish-with-text", "chat.stream.finish-empty", chunks=each(end_filled)),
    Defect("delta-lost", "chat.stream.same-text", chunks=chunks(lambda p: [*p[:3], *p[4:]])),
    Defect("delta-doubled", "chat.stream.same-text", chunks=chunks(lambda p: [*p[:3], p[2], *p[3:]])),
    Defect("usage-missing", "chat.stream.usage-chunk", request=dropping("stream_options")),
    Defect("usage-with-choice", "chat.stream.usage-chunk", chunks=each(usage_with_choice)),
    Defect("usage-everywhere", "chat.stream.usage-chunk", chunks=each(lambda p: p.update(usage={"x": 1}))),
    Defect("usage-null-absent", "chat.stream.usage-null", chunks=each(lambda p: p.get("usage") or p.pop("usage", 0))),
    Defect("usage-unasked", "chat.stream.usage-unasked", request=usage_always),
    Defect("usage-differs", "chat.stream.usage-equal", chunks=each(one_more)),
    Defect("buffered", "chat.stream.incremental", frames=frames(lambda f: [b"".join(f)])),
    Defect("ping-events", "chat.stream.keepalive", frames=frames(lambda f: [b"event: ping\n\n", *f])),
    Defect(
        "options-crash",
        "chat.stream.options-alone",
        reply=on(lambda a: body(a).get("stream_options") and not body(a).get("stream"), instead(CRASH)),
    ),
    Defect(
        "options-stream",
        "chat.stream.options-alone",
        request=on(lambda a: True, lambda a, r: {**r, "stream": "stream_options" in r}),
    ),
    Defect("stream-n-ignored", "chat.stream.n", request=dropping("n")),
    Defect(
        "one-index-for-all",
        "chat.stream.n",
        chunks=each(lambda p: [c.update(index=0) for c in p["choices"]]),
    ),
    Defect("errors-in-band", "chat.stream.early-error", reply=in_band),
)


def indexed(start: int) -> Any:
    return call_deltas(lambda at, call: call.update(index=call["index"] + start))


def named_again(at: int, call: Json) -> None:
    call["function"]["name"] = "get_weather"


def parsed(call: Json) -> None:
    call["function"]["arguments"] = json.loads(call["function"]["arguments"])


def half(call: Json) -> None:
    call["function"]["arguments"] = call["function"]["arguments"][:-2]


def no_last_argument(asked: Asked, parts: list[Json]) -> list[Json]:
    held = [at for at, part in enumerate(parts) if "tool_calls" in str(part["choices"])]
    return [part for at, part in enumerate(parts) if not held or at != held[-2]]


def other_name(call: Json) -> None:
    call["function"]["name"] = "get_lost"


def chatty(choice: Json) -> None:
    choice["message"]["content"] = '<tool_call>{"name": "get_time"}'


TOOLS = (
    Defect("named-ignored", "tools.named", request=dropping("tool_choice")),
    Defect("named-wrong-name", "tools.named", completion=calls(other_name)),
    Defect("named-chatty", "tools.named", completion=first_choice(chatty)),
    Defect("required-ignored", "tools.required", request=dropping("tool_choice")),
    Defect(
        "required-as-stop",
        "tools.required",
        completion=first_choice(lambda c: c.update(finish_reason="stop")),
    ),
    Defect("none-ignored", "tools.none", request=dropping("tool_choice")),
    Defect("arguments-parsed", "tools.auto", completion=calls(parsed)),
    Defect("arguments-half", "tools.auto", completion=calls(half)),
    Defect("call-nameless-id", "tools.auto", completion=calls(lambda c: c.update(id=""))),
    Defect("call-as-stop", "tools.auto", completion=first_choice(lambda c: c.update(finish_reason="stop"))),
    Defect("index-from-1", "tools.stream", chunks=indexed(1)),
    Defect("id-repeated", "tools.stream", chunks=call_deltas(lambda at, c: c.update(id="call_1"))),
    Defect("name-repeated", "tools.stream", chunks=call_deltas(named_again)),
    Defect("type-missing", "tools.stream", chunks=call_deltas(lambda at, c: c.pop("type", None))),
    Defect("arguments-cut", "tools.stream", chunks=no_last_argument),
    Defect("stream-call-as-stop", "tools.stream", chunks=finishes("stop")),
    Defect("call-lost", "tools.stream", chunks=deltas(lambda at, d: d.pop("tool_calls", None))),
    Defect("no-results", "tools.result", request=refusing(lambda r: "tool" in roles(r))),
    Defect(
        "no-null-content",
        "tools.null-content",
        request=refusing(lambda r: any(m["content"] is None for m in r["messages"])),
    ),
    Defect(
        "no-tool-parts",
        "tools.null-content",
        request=refusing(lambda r: isinstance(r["messages"][-1]["content"], list)),
    ),
    Defect(
        "unknown-tool-crash",
        "tools.unknown-type",
        reply=on(lambda a: "conformance_kind" in str(a.body), instead(CRASH)),
    ),
    Defect(
        "half-call-as-call",
        "tools.truncated",
        completion=first_choice(lambda c: c.update(finish_reason="tool_calls")),
    ),
)


def malformed(asked: Asked) -> bool:
    return asked.malformed


def number_message(asked: Asked) -> bool:
    return bool(chat(asked) and isinstance(asked.body, dict) and asked.body.get("messages") == [123])


def bare(asked: Asked, said: Said) -> Said:
    """Errors as a string, as in many small servers."""
    return say(said.status, {"error": "bad"}) if said.status >= 400 else said


def dying(past: Json, asked: Asked, said: Said) -> Said:
    """The first bad request is the last one answered."""
    if past.get("dead"):
        return CRASH
    past["dead"] = said.status == 400
    return said


def guarded(asked: Asked, said: Said) -> Said:
    """Asks for a key though none is set: only our own client's is let through."""
    known = asked.headers.get("authorization", "").startswith("Bearer wrong")
    return say(401, {"error": {}}) if chat(asked) and known else said


def open_door(asked: Asked, said: Said) -> Said:
    """A key is set, but any other passes as well; only no key at all is refused."""
    return say(401, {"error": {}}) if chat(asked) and "authorization" not in asked.headers else said


def status(was: int, becomes: int) -> Any:
    return lambda asked, said: replace(said, status=becomes) if said.status == was else said


def header(name: str, value: str) -> Any:
    return lambda asked, said: replace(said, headers={**said.headers, name: value})


unnamed = on_error(lambda error: error.update(param=None))

ERRORS = (
    Defect("malformed-500", "errors.malformed-json", reply=on(malformed, instead(CRASH))),
    Defect("malformed-html", "errors.malformed-json", reply=on(malformed, instead(replace(HTML, status=400)))),
    Defect("message-crash", "errors.bad-messages", reply=on(number_message, instead(CRASH))),
    Defect("all-422", "errors.bad-messages", reply=status(400, 422)),
    Defect("no-param-key", "errors.envelope", reply=on_error(lambda e: e.pop("param"))),
    Defect("errors-bare", "errors.envelope", reply=bare),
    Defect(
        "messages-optional",
        "errors.missing-messages",
        request=lambda a, r: {"messages": [{"role": "user", "content": "x"}], **r} if isinstance(r, dict) else r,
    ),
    Defect(
        "model-optional",
        "errors.missing-model",
        request=lambda a, r: {"model": MODEL, **r} if isinstance(r, dict) else r,
    ),
    Defect("param-unnamed", "errors.param", reply=on_error(lambda e: e.update(param=None))),
    Defect("missing-unnamed", "errors.param", reply=on(lambda a: "messages" not in body(a), unnamed)),
    Defect("range-unnamed", "errors.param", reply=on(lambda a: body(a).get("n") == 0, unnamed)),
    Defect("any-temperature", "errors.ranges", request=dropping("temperature")),
    Defect(
        "text-as-json",
        "errors.content-type",
        reply=on(lambda a: a.headers.get("content-type") == "text/plain", instead(say(200, {}))),
    ),
    Defect("reads-it-all", "errors.too-large", flags=frozenset({"greedy"})),
    Defect("too-large-as-400", "errors.too-large", reply=status(413, 400)),
    Defect("guarded", "errors.auth", reply=guarded),
    Defect("open-door", "errors.auth", reply=open_door),
    Defect("sdk-422", "errors.sdk-class", reply=status(400, 422)),
    Defect("typeless", "errors.sdk-class", reply=on_error(lambda e: e.update(type=None))),
    Defect("no-request-id", "errors.request-id", reply=header("x-request-id", "")),
    Defect("one-request-id", "errors.request-id", reply=header("x-request-id", "req_0")),
    Defect("dies-of-it", "errors.healthy-after", reply=Memory(dying)),
)


def mixed(past: Json, asked: Asked, parts: list[Json]) -> list[Json]:
    """Every stream shows what the first one was about."""
    first = past.setdefault("text", text_of(body(asked)))
    parts[0]["choices"][0]["delta"]["content"] = first
    return parts


CONCURRENCY = (
    Defect("deaf", "concurrency.disconnect-frees", flags=frozenset({"deaf", "serial"})),
    Defect("mixed-up", "concurrency.no-crosstalk", chunks=Memory(mixed)),
    Defect("shared-id", "concurrency.no-crosstalk", chunks=each(lambda p: p.update(id="chatcmpl-0"))),
)

STREAMING = STREAMS + TOOLS + ERRORS + CONCURRENCY
