"""Checks on token counts, and on what the prompt cache may change: nothing.

Knows nothing of how a server counts; only numbers that have to agree are compared.
"""

from __future__ import annotations

import secrets

from ..check import Level, Unsupported, check
from ..context import Context
from ..shapes import JsonObject, cooperation, dig, require, whole
from ..talk import body, chunks, joined, plain, streamed, tell, user

NAMES = ("prompt_tokens", "completion_tokens", "total_tokens")


def counts(usage: JsonObject | None) -> tuple[int, int, int]:
    found = [dig(usage, name) for name in NAMES]
    require(all(whole(count) and count >= 0 for count in found), "whole counts ≥ 0", usage)
    return found[0], found[1], found[2]


@check("usage.total", Level.MUST, "OpenAPI: CompletionUsage; total = prompt + completion")
def total(ctx: Context) -> None:
    """total_tokens is the sum, and the same prompt counts the same twice."""
    first = counts(plain(ctx).usage)
    require(first[2] == first[0] + first[1], "total = prompt + completion", plain(ctx).usage)
    require(first[0] > 0, "prompt_tokens > 0", plain(ctx).usage)
    again = counts(tell(ctx, body(ctx, max_completion_tokens=1)).usage)
    require(again[0] == first[0], f"prompt_tokens {first[0]} for the same prompt", again[0])


@check("usage.completion-count", Level.SHOULD, "OpenAPI: completion_tokens", asks_model=True)
def completion_count(ctx: Context) -> None:
    """An answer cut at 8 tokens counts 8 (one more or less for an end token)."""
    got = tell(ctx, body(ctx, max_completion_tokens=8))
    count = counts(got.usage)[1]
    cooperation(got.finish == "length" or count > 9, "the model stopped by itself before 8 tokens")
    require(7 <= count <= 9, "completion_tokens 8 ± 1", got.usage)


@check("usage.stream-agrees", Level.SHOULD, "practice: one prompt, one count")
def stream_agrees(ctx: Context) -> None:
    """Streamed or not, the prompt has the same number of tokens."""
    usage = joined(chunks(streamed(ctx, usage=True))).usage
    if usage is None:
        raise Unsupported("no usage in the stream")
    once, twice = counts(plain(ctx).usage)[0], counts(usage)[0]
    require(once == twice, f"prompt_tokens {once}", twice)


def _fresh(length: int = 100) -> str:
    """A prompt no server has in its cache, long enough that keeping it pays."""
    words = " ".join(secrets.token_hex(2) for _ in range(length))
    return f"Session {words}. Count from 1 to 20."


@check("usage.cached", Level.SHOULD, "OpenAPI: prompt_tokens_details.cached_tokens")
def cached(ctx: Context) -> None:
    """cached_tokens never exceeds the prompt, and is 0 for a prompt never seen."""
    request = body(ctx, _fresh(), max_completion_tokens=1)
    usages = [tell(ctx, request).usage for _ in range(2)]
    cold, warm = map(_cached, usages)
    length = counts(usages[0])[0]
    require(whole(warm) and 0 <= warm <= length, f"0 ≤ cached_tokens ≤ {length}", usages[1])
    require(cold <= length // 2, "few cached tokens for a fresh prompt", usages[0])
    ctx.note(f"{warm} of {length} tokens came from the cache the second time")


LENGTH = 400  # words: more than the 1024 tokens below which some servers keep nothing


@check("usage.cache-reused", Level.SHOULD, "OpenAPI: cached_tokens; practice: an agent's prompt grows at its end")
def cache_reused(ctx: Context) -> None:
    """A long prompt asked again comes from the cache, and so does at least half of a chat that grew by a turn."""
    opening = user(_fresh(min(LENGTH, (ctx.target.context or 8192) // 12)))
    first = tell(ctx, body(ctx, messages=[opening], max_completion_tokens=1))
    again = tell(ctx, body(ctx, messages=[opening], max_completion_tokens=1))
    turn = {"role": "assistant", "content": first.content or "Yes."}
    grown = tell(ctx, body(ctx, messages=[opening, turn, user("Go on.")], max_completion_tokens=1))
    for what, got in (("the same prompt", again), ("a chat that grew", grown)):
        found = _cached(got.usage)
        length = counts(got.usage)[0]
        require(found >= length // 2, f"at least half of {length} tokens from the cache for {what}", got.usage)


def _cached(usage: JsonObject | None) -> int:
    details = (usage or {}).get("prompt_tokens_details") or {}
    if "cached_tokens" not in details:
        raise Unsupported("no cached_tokens in usage")
    found = details["cached_tokens"]
    require(whole(found), "a whole number of cached_tokens", usage)
    return int(found)


@check("usage.warm-equals-cold", Level.MUST, "practice: a cache may change speed, never text")
def warm_equals_cold(ctx: Context) -> None:
    """At temperature 0 a prompt gives the same text from the cache as without it.

    A near tie between two tokens can tip when a prompt is computed in other pieces, so one
    differing prompt is looked at again with another; two of two that differ are no tie. A server
    whose warm answers differ among themselves is not deterministic, and proves nothing here.
    """
    for _ in range(2):
        request = body(ctx, _fresh(), max_completion_tokens=24)
        cold, warm, again = (tell(ctx, request) for _ in range(3))
        if (cold.content, cold.reasoning) == (warm.content, warm.reasoning):
            return
        cooperation(again.content == warm.content, "two answers from the cache differ as well")
        seen = [cold.content or cold.reasoning, warm.content or warm.reasoning]
    require(False, f"the cold text again: {seen[0]!r}", repr(seen[1]))


CHECKS = (total, completion_count, stream_agrees, cached, cache_reused, warm_equals_cold)
