"""Checks on text beyond ASCII, on its way in and on its way out. Knows nothing of what a tokenizer does to it.

A model that can't repeat a line of emoji is made to: a schema with one possible value leaves it no other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..check import Fail, Inconclusive, Level, Unsupported, check
from ..context import Context
from ..schema import closed, one_of, strict_format
from ..shapes import JsonObject, accepted, cooperation, dig, refuses, require
from ..talk import CHAT, body, budget, choices, chunks, joined, said, tell
from ..wire import Reply

LINE = "👩‍👩‍👧 🦜🫠 日本語 žluť ∑"  # joined emoji, rare ones, and letters of two, three and four bytes
PROMPT = f"Repeat exactly: {LINE}"
JSON = {"content-type": "application/json"}
LOST = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A request that brings the line back, and what came; `forced` when the model had no choice."""

    request: JsonObject
    content: str
    forced: bool


def _room(ctx: Context) -> int:
    return max(256, budget(ctx))


def _forced(ctx: Context) -> JsonObject:
    form = strict_format(closed(text=one_of(LINE)))
    return body(ctx, PROMPT, max_completion_tokens=_room(ctx), response_format=form)


def _spoken(ctx: Context) -> Spoken:
    """The line as the model says it, by itself or else by force."""

    def take() -> Spoken:
        request = body(ctx, PROMPT, max_completion_tokens=_room(ctx))
        free = tell(ctx, request)
        if LINE in free.content:
            return Spoken(request, free.content, forced=False)
        forced = _forced(ctx)
        reply = ctx.post(CHAT, forced)
        if reply.status != 200:
            return Spoken(request, free.content, forced=False)
        got = said(reply.json())
        cooperation(got.finish != "length", "the line was not finished in time")
        return Spoken(forced, _text(got.content), forced=True)

    return ctx.once("unicode", take)


def _text(content: str) -> str:
    """The forced line out of its JSON; how the server escapes it there is its own business."""
    try:
        return str(json.loads(content)["text"])
    except (ValueError, KeyError, TypeError):
        return content


def _damaged(text: str) -> bool:
    """Bytes that were no characters any more, or that were taken for Latin-1."""
    mangled = [word.encode().decode("latin-1") for word in LINE.split() if not word.isascii()]
    return LOST in text or any(word in text for word in mangled)


@check("unicode.echo", Level.MUST, "RFC 8259 §8.1: JSON is UTF-8, both ways", asks_model=True)
def echo(ctx: Context) -> None:
    """Joined emoji, CJK and accents come back as they were sent."""
    got = _spoken(ctx)
    if LINE in got.content:
        return
    require(not got.forced and not _damaged(got.content), f"{LINE!r} intact", repr(got.content))
    raise Inconclusive("the model does not repeat the line and the server does not make it")


@check("unicode.stream", Level.MUST, "HTML standard §9.2: UTF-8; OpenAPI: delta.content is text", asks_model=True)
def stream(ctx: Context) -> None:
    """No delta holds a half of a character, though tokens end inside of emoji."""
    got = _spoken(ctx)
    cooperation(LINE in got.content, "the line does not even come back without streaming")
    sample = ctx.stream(CHAT, got.request | {"stream": True})
    accepted(sample, "a streamed line of emoji")
    parts = chunks(sample)
    for piece in choices(parts):
        _whole_characters(dig(piece, "delta").get("content") or "")
    content = joined(parts).content
    require(LINE in (_text(content) if got.forced else content), f"{LINE!r} intact", repr(content))


def _whole_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Fail("whole characters in every delta", ascii(text)) from error
    require(LOST not in text, "whole characters in every delta", repr(text))


@check("unicode.escapes", Level.SHOULD, "RFC 8259 §7: an escaped character is that character")
def escapes(ctx: Context) -> None:
    """A prompt escaped as ASCII and the same in raw UTF-8 are one prompt."""
    request = body(ctx, PROMPT, max_completion_tokens=16)
    counts = []
    for ascii_only in (True, False):
        text = json.dumps(request, ensure_ascii=ascii_only).encode()
        reply = accepted(ctx.send("POST", CHAT, content=text, headers=JSON), "a prompt with emoji")
        counts.append(_prompt_tokens(reply))
    require(counts[0] == counts[1], f"prompt_tokens {counts[1]} as in raw UTF-8", counts[0])


def _prompt_tokens(reply: Reply) -> int:
    usage = said(reply.json()).usage
    if usage is None:
        raise Unsupported("no usage to compare the prompts by")
    count: Any = dig(usage, "prompt_tokens")
    return int(count)


BROKEN = {
    "half a surrogate pair": rb"Hello \ud83d",
    "a byte that is not UTF-8": b"Hello \xff",
    "a NUL": rb"Hello \u0000",
}


@check("unicode.broken-request", Level.SHOULD, "RFC 3629 §3, RFC 8259 §8.2: no surrogates, UTF-8 only")
def broken_request(ctx: Context) -> None:
    """Text that is none is a 400, never a crash; a NUL may be answered, for it is a character."""
    request = json.dumps(body(ctx, "TEXT", max_completion_tokens=4)).encode()
    for what, text in BROKEN.items():
        reply = ctx.send("POST", CHAT, content=request.replace(b"TEXT", text), headers=JSON)
        answered = reply.status == 200 and what == "a NUL"
        require(answered or refuses(reply), f"a clean 4xx for {what}", reply.brief)


CHECKS = (echo, stream, escapes, broken_request)
