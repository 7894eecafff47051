"""Chat requests that every area uses, answers read strictly, samples taken once.

Prompts are chosen so that even a tiny model says enough. Knows nothing of verdicts but the ones it raises.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from openai.types.chat import ChatCompletion

from .check import Fail
from .context import Context
from .shapes import JsonObject, accepted, cooperation, dig, require
from .sse import Event, parse
from .wire import Streamed

CHAT = "/chat/completions"
COUNT = "Count from 1 to 30, one number after the other."
ENDLESS = "Write a very long story. Then count from 1 to 2000."
ROOM = 64  # tokens: enough to see deltas, little enough for sixty checks in a minute
WIDE = 1024  # tokens for a model that thinks before it speaks


def user(text: str) -> JsonObject:
    return {"role": "user", "content": text}


def body(ctx: Context, prompt: str = COUNT, /, **fields: Any) -> JsonObject:
    """A greedy chat request; a field given as `...` is left out."""
    request: JsonObject = {
        "model": ctx.target.model,
        "messages": [user(prompt)],
        "temperature": 0,
        "max_completion_tokens": ROOM,
    }
    return {name: value for name, value in (request | fields).items() if value is not ...}


def ask(ctx: Context, request: JsonObject) -> ChatCompletion:
    """Through the official client, validated strictly against its types."""
    return ctx.client.post(CHAT, cast_to=ChatCompletion, body=request)


@dataclass(frozen=True, slots=True)
class Said:
    """The parts of one answer that checks compare, streamed or not."""

    content: str
    reasoning: str
    finish: str | None
    usage: JsonObject | None
    raw: JsonObject

    @property
    def calls(self) -> list[JsonObject]:
        found = dig(self.raw, "choices", 0, "message").get("tool_calls") or []
        require(isinstance(found, list), "tool_calls to be a list", found)
        return list(found)


def said(answer: object) -> Said:
    """Read a ChatCompletion's first choice out of parsed JSON."""
    choice = dig(answer, "choices", 0)
    message = dig(choice, "message")
    content = dig(message, "content")
    require(content is None or isinstance(content, str), "content a string or null", content)
    assert isinstance(answer, dict)  # dig went through it
    return Said(content or "", thought(message), choice.get("finish_reason"), answer.get("usage"), answer)


def thought(part: JsonObject) -> str:
    """Reasoning under either name servers use for it; some send both with the same text."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(part.get(name), str) and part[name]:
            return str(part[name])
    return ""


def tell(ctx: Context, request: JsonObject) -> Said:
    """Raw HTTP, for what strict types would hide or refuse."""
    return said(accepted(ctx.post(CHAT, request), "a plain chat request").json())


def budget(ctx: Context) -> int:
    """Tokens until content shows up: a reasoning model gets head-room, others stay quick."""

    def probe() -> int:
        first = tell(ctx, body(ctx))
        return WIDE if first.reasoning and not first.content else ROOM

    return ctx.once("budget", probe)


def plain(ctx: Context) -> Said:
    """The non-stream answer to COUNT that other answers are compared with."""

    def take() -> Said:
        return tell(ctx, body(ctx, max_completion_tokens=budget(ctx)))

    return ctx.once("plain", take)


def streamed(ctx: Context, *, usage: bool) -> Streamed:
    """The same request as `plain` as a stream, with or without the usage chunk asked for."""
    options = {"stream_options": {"include_usage": True}} if usage else {}

    def take() -> Streamed:
        request = body(ctx, max_completion_tokens=budget(ctx), stream=True, **options)
        got = ctx.stream(CHAT, request)
        accepted(got, "a streamed chat request")
        return got

    return ctx.once(f"streamed-{usage}", take)


def events(stream: Streamed) -> list[Event]:
    try:
        return parse(stream.body)
    except UnicodeDecodeError as error:
        raise Fail("a stream in UTF-8", str(error)) from error


def chunks(stream: Streamed) -> list[JsonObject]:
    """Every JSON chunk in order; [DONE] and comments left out."""
    data = [event.data for event in events(stream) if event.data is not None]
    found = [_chunk(text) for text in data if text.strip() != "[DONE]"]
    require(bool(found), "at least one chunk", stream.brief)
    return found


def _chunk(data: str) -> JsonObject:
    try:
        chunk = json.loads(data)
    except ValueError as error:
        raise Fail("JSON in every data line", data[:200]) from error
    require(isinstance(chunk, dict), "an object in every data line", data[:200])
    found: JsonObject = chunk
    return found


def choices(parts: list[JsonObject], index: int = 0) -> list[JsonObject]:
    """The pieces of one choice, in order."""
    return [c for part in parts for c in dig(part, "choices") if c.get("index") == index]


def joined(parts: list[JsonObject]) -> Said:
    """A stream read as one answer: content, reasoning, finish and usage."""
    pieces = choices(parts)
    finishes = [piece["finish_reason"] for piece in pieces if piece.get("finish_reason")]
    usages = [part["usage"] for part in parts if part.get("usage")]
    return Said(
        "".join(dig(piece, "delta").get("content") or "" for piece in pieces),
        "".join(thought(dig(piece, "delta")) for piece in pieces),
        finishes[-1] if finishes else None,
        usages[-1] if usages else None,
        {},
    )


def baseline(ctx: Context, at_least: int = 12) -> str:
    """A greedy text that came out twice the same: what stop strings are cut from."""
    first = plain(ctx)
    cooperation(len(first.content) >= at_least, "the model said too little to cut")
    again = joined(chunks(streamed(ctx, usage=True)))
    cooperation(again.content == first.content, "two greedy answers differ")
    return first.content
