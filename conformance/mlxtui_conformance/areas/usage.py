"""Checks on token counts, and on what the prompt cache may change: nothing.

Knows nothing of how a server counts; only numbers that have to agree are compared.
"""

from __future__ import annotations

import secrets

from ..check import Level, Unsupported, check
from ..context import Context
from ..shapes import JsonObject, cooperation, dig, require, whole
from ..talk import body, chunks, joined, plain, streamed, tell

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
    cooperation(got.finish == "length", "the model stopped by itself before 8 tokens")
    count = counts(got.usage)[1]
    require(7 <= count <= 9, "completion_tokens 8 ± 1", got.usage)


@check("usage.stream-agrees", Level.SHOULD, "practice: one prompt, one count")
def stream_agrees(ctx: Context) -> None:
    """Streamed or not, the prompt has the same number of tokens."""
    usage = joined(chunks(streamed(ctx, usage=True))).usage
    if usage is None:
        raise Unsupported("no usage in the stream")
    once, twice = counts(plain(ctx).usage)[0], counts(usage)[0]
    require(once == twice, f"prompt_tokens {once}", twice)


def _fresh() -> str:
    """A prompt no server has in its cache, long enough that keeping it pays."""
    words = " ".join(secrets.token_hex(2) for _ in range(100))
    return f"Session {words}. Count from 1 to 20."


@check("usage.cached", Level.SHOULD, "OpenAPI: prompt_tokens_details.cached_tokens")
def cached(ctx: Context) -> None:
    """cached_tokens never exceeds the prompt, and is 0 for a prompt never seen."""
    request = body(ctx, _fresh(), max_completion_tokens=1)
    usages = [tell(ctx, request).usage for _ in range(2)]
    found = [((usage or {}).get("prompt_tokens_details") or {}) for usage in usages]
    if not all("cached_tokens" in details for details in found):
        raise Unsupported("no cached_tokens in usage")
    cold, warm = (details["cached_tokens"] for details in found)
    length = counts(usages[0])[0]
    require(whole(warm) and 0 <= warm <= length, f"0 ≤ cached_tokens ≤ {length}", usages[1])
    require(cold <= length // 2, "few cached tokens for a fresh prompt", usages[0])
    ctx.note(f"{warm} of {length} tokens came from the cache the second time")


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


CHECKS = (total, completion_count, stream_agrees, cached, warm_equals_cold)
