"""Checks on models that think before they speak: where the thoughts go, and what they cost.

A model whose thoughts were never seen leaves nothing to check: unsupported.
"""

from __future__ import annotations

import re
from typing import Any

from ..check import Level, Unsupported, check
from ..context import Context
from ..shapes import JsonObject, accepted, cooperation, dig, offered, require, whole
from ..talk import CHAT, WIDE, Said, body, choices, chunks, joined, said, tell, thought, user
from ..wire import Streamed

QUESTION = "Think step by step: what is 17 + 25?"
TAGS = re.compile(r"</?(?:think|thinking|thought|reasoning|seed:think)>|<\|(?:channel|message)\|>|\[/?THINK\]")


def _request(ctx: Context) -> JsonObject:
    """What makes the model think: by itself, or else with reasoning_effort high."""

    def take() -> JsonObject:
        usual = body(ctx, QUESTION, max_completion_tokens=WIDE)
        for request in (usual, usual | {"reasoning_effort": "high"}):
            reply = ctx.post(CHAT, request)
            if reply.status == 200 and _thoughts(said(reply.json())):
                return request
        return usual

    return ctx.once("thinker", take)


def _thoughts(got: Said) -> bool:
    return bool(got.reasoning or TAGS.search(got.content))


def _whole(ctx: Context) -> Said:
    """An answer with thoughts before it, wherever the server puts them."""
    got: Said = ctx.once("thoughts", lambda: tell(ctx, _request(ctx)))
    if not _thoughts(got):
        raise Unsupported("no reasoning seen")
    return got


def _streamed(ctx: Context) -> list[JsonObject]:
    def take() -> list[JsonObject]:
        asked = _request(ctx) | {"stream": True, "stream_options": {"include_usage": True}}
        return chunks(_stream(ctx, asked))

    return ctx.once("streamed thoughts", take)


def _stream(ctx: Context, request: JsonObject) -> Streamed:
    sample = ctx.stream(CHAT, request)
    accepted(sample, "a stream with reasoning")
    return sample


def _separate(ctx: Context) -> Said:
    got = _whole(ctx)
    if not got.reasoning:
        raise Unsupported("the reasoning comes as content; reasoning.no-tags tells")
    return got


@check("reasoning.no-tags", Level.MUST, "practice: content is what is shown to the reader")
def no_tags(ctx: Context) -> None:
    """The content holds no think tags, whole or streamed."""
    for content in (_whole(ctx).content, joined(_streamed(ctx)).content):
        found = TAGS.search(content)
        require(found is None, "content without think tags", repr(content))


@check(
    "reasoning.separate", Level.SHOULD, "DeepSeek, vLLM, OpenRouter: reasoning_content or reasoning", asks_model=True
)
def separate(ctx: Context) -> None:
    """Thoughts come in a field of their own, streamed too, and all of them before the answer."""
    got = _whole(ctx)
    require(bool(got.reasoning), "the reasoning in a field of its own", got.raw)
    cooperation(bool(got.content), "the model thought and said nothing")
    order = [_kind(dig(piece, "delta")) for piece in choices(_streamed(ctx))]
    steps = "".join(order)
    require("r" in steps, "reasoning in the stream as without it", f"{len(steps)} deltas without any")
    require("r" not in steps.lstrip("r"), "all reasoning before the first content", steps[:200])


def _kind(delta: JsonObject) -> str:
    return "r" if thought(delta) else "c" if delta.get("content") else ""


@check("reasoning.tokens", Level.MUST, "OpenAPI: completion_tokens_details.reasoning_tokens")
def tokens(ctx: Context) -> None:
    """reasoning_tokens is above 0 where there was reasoning, and part of completion_tokens."""
    answers = (_separate(ctx), joined(_streamed(ctx)))
    counted = [got.usage for got in answers if got.usage and _count(got.usage) is not None]
    if not counted:
        raise Unsupported("no reasoning_tokens in usage")
    for usage in counted:
        count, spent = _count(usage), dig(usage, "completion_tokens")
        require(whole(count) and 0 < count <= spent, f"0 < reasoning_tokens ≤ {spent}", usage)


def _count(usage: JsonObject) -> Any:
    return (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")


@check("reasoning.budget", Level.MUST, "OpenAPI: max_completion_tokens bounds reasoning as well", asks_model=True)
def budget(ctx: Context) -> None:
    """A limit that is used up by thoughts ends with finish_reason length and no content."""
    full = _separate(ctx)
    cooperation(len(full.reasoning.split()) > 6, "the thoughts are too short to cut")
    cut = _request(ctx) | {"max_completion_tokens": 4}
    for got in (tell(ctx, cut), joined(chunks(_stream(ctx, cut | {"stream": True})))):
        require(got.finish == "length", "finish_reason length", got.finish)
        require(not got.content, "no content from unfinished thoughts", repr(got.content))


@check("reasoning.history", Level.MUST, "real clients send the whole message back, reasoning included")
def history(ctx: Context) -> None:
    """An assistant message of the past may bring its reasoning along, under either name, or null."""
    for name in ("reasoning_content", "reasoning"):
        for thoughts in ("I add ten and twenty.", None):
            past = {"role": "assistant", "content": "It is 42.", name: thoughts}
            messages = [user(QUESTION), past, user("And twice that?")]
            request = body(ctx, messages=messages, max_completion_tokens=4)
            accepted(ctx.post(CHAT, request), f"a past message with {name} {thoughts!r}")


@check("reasoning.effort", Level.SHOULD, "OpenAPI: ReasoningEffort; none means no reasoning")
def effort(ctx: Context) -> None:
    """reasoning_effort low and high are accepted, and none leaves no reasoning, or each is an honest 400."""
    for level in ("low", "high", "none"):
        request = body(ctx, QUESTION, max_completion_tokens=WIDE if level == "none" else 4, reasoning_effort=level)
        got = said(offered(ctx.post(CHAT, request), f"reasoning_effort {level}").json())
        require(level != "none" or not _thoughts(got), "no reasoning with effort none", got.raw)


CHECKS = (no_tags, separate, tokens, budget, history, effort)
