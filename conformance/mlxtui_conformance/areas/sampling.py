"""Checks on how tokens are drawn and on their log probabilities. Knows nothing of a vocabulary.

A figure is compared with another answer of the same server, never with what a model ought to say.
"""

from __future__ import annotations

from typing import Any

from ..check import Fail, Level, Unsupported, check
from ..context import Context
from ..shapes import JsonObject, accepted, cooperation, dig, offered, require
from ..talk import CHAT, ROOM, Said, body, budget, choices, chunks, joined, plain, said, tell

STORY = "Tell me a short story about a boat."
WARM = 1.5  # hot enough that two draws differ, cool enough to be text
LENGTH = 24  # tokens of a drawn answer
TOP = 3
NEAR = 0.1  # two runs of one prompt may add up their numbers in another order


def _drawn(ctx: Context, **fields: Any) -> str:
    """What is said, or thought, in a few tokens drawn at random."""
    request = body(ctx, STORY, max_completion_tokens=LENGTH, **({"temperature": WARM} | fields))
    got = said(offered(ctx.post(CHAT, request), f"the fields {sorted(fields)}").json())
    return got.reasoning + got.content


@check("sampling.seed", Level.SHOULD, "OpenAPI: seed; best effort to the same answer", asks_model=True)
def seed(ctx: Context) -> None:
    """The same seed draws the same text again; other seeds need not."""
    first, again = (_drawn(ctx, seed=11) for _ in range(2))
    require(first == again, f"the text of seed 11 again: {first!r}", repr(again))
    others = [_drawn(ctx, seed=number) for number in (12, 13, 14)]
    cooperation(any(other != first for other in others), "the model says the same whatever the seed")


@check("sampling.top-p", Level.SHOULD, "OpenAPI: top_p 0.1 means the top 10% only", asks_model=True)
def top_p(ctx: Context) -> None:
    """A tiny top_p leaves the likeliest token alone, which is what temperature 0 takes."""
    greedy, again = (_drawn(ctx, temperature=0) for _ in range(2))
    cooperation(greedy == again, "two greedy answers differ")
    free = [_drawn(ctx, seed=number) for number in (12, 13, 14)]
    cooperation(any(text != greedy for text in free), "the model says the same at any temperature")
    narrow = [_drawn(ctx, seed=number, top_p=0.001) for number in (12, 13, 14)]
    wrong = [text for text in narrow if text != greedy]
    require(not wrong, f"the greedy text {greedy!r}", f"{wrong}")


def _asked(ctx: Context) -> JsonObject:
    """Room for a few tokens of content: cut short, so that no end token is among them."""
    room = 8 if budget(ctx) == ROOM else budget(ctx)
    return body(ctx, max_completion_tokens=room, logprobs=True, top_logprobs=TOP)


def _logged(ctx: Context) -> Said:
    def take() -> Said:
        got = said(offered(ctx.post(CHAT, _asked(ctx)), "logprobs").json())
        cooperation(bool(got.content), "the model said nothing")
        return got

    return ctx.once("logprobs", take)


def _entries(choice: JsonObject) -> list[JsonObject]:
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict):
        return []
    return list(logprobs.get("content") or [])


@check("sampling.logprobs", Level.MUST, "OpenAPI: ChatCompletionTokenLogprob", asks_model=True)
def logprobs(ctx: Context) -> None:
    """logprobs come for every token of the content, each ≤ 0 with its bytes and the likeliest others.

    Or the request is refused: answered without them, a field was passed over in silence.
    """
    got = _logged(ctx)
    entries = _entries(dig(got.raw, "choices", 0))
    require(bool(entries), "logprobs.content, or a 400", got.raw)
    for entry in entries:
        _figured(entry)
        others = dig(entry, "top_logprobs")
        require(len(others) == TOP, f"{TOP} top_logprobs", entry)
        figures = [_figured(other) for other in others]
        require(figures == sorted(figures, reverse=True), "the likeliest first", entry)
    text = b"".join(_bytes(entry) for entry in entries).decode("utf-8", "replace")
    # Some servers count the tokens of the reasoning as well; its markers are in no field to compare.
    same = text.endswith(got.content) if got.reasoning else text == got.content
    require(same, f"tokens that add up to {got.content!r}", repr(text))


def _figured(entry: JsonObject) -> float:
    figure = dig(entry, "logprob")
    require(isinstance(figure, int | float) and figure <= 0, "a logprob ≤ 0", entry)
    require(isinstance(dig(entry, "token"), str), "a token as text", entry)
    require("bytes" in entry, "bytes, or null where there are none", entry)
    return float(figure)


def _bytes(entry: JsonObject) -> bytes:
    """A token that is a part of a character can be read from its bytes only."""
    raw = entry.get("bytes")
    try:
        return str(entry["token"]).encode() if raw is None else bytes(raw)
    except (TypeError, ValueError) as error:
        raise Fail("bytes as a list of numbers from 0 to 255", f"{entry}") from error


@check("sampling.logprobs-count", Level.SHOULD, "OpenAPI: an entry for each token of the content", asks_model=True)
def logprobs_count(ctx: Context) -> None:
    """There are as many entries as completion_tokens, less those of the reasoning (and one for an end token)."""
    got = _logged(ctx)
    entries = len(_entries(dig(got.raw, "choices", 0)))
    if not entries or got.usage is None:
        raise Unsupported("no logprobs, or no usage to compare them with")
    spent = dig(got.usage, "completion_tokens")
    thoughts = (got.usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    least = 1 if got.reasoning and not thoughts else spent - thoughts - 1
    require(least <= entries <= spent + 1, f"{least} to {spent + 1} entries by usage", entries)


@check("sampling.logprobs-unasked", Level.SHOULD, "OpenAPI: logprobs defaults to false")
def logprobs_unasked(ctx: Context) -> None:
    """Not asked for, logprobs is null."""
    found = dig(plain(ctx).raw, "choices", 0).get("logprobs")
    require(found is None, "logprobs null", found)


@check("sampling.logprobs-stream", Level.SHOULD, "practice: one engine, one set of figures", asks_model=True)
def logprobs_stream(ctx: Context) -> None:
    """Streamed, the same tokens come with the same figures."""
    whole = _logged(ctx)
    entries = _entries(dig(whole.raw, "choices", 0))
    if not entries:
        raise Unsupported("no logprobs without streaming either")
    sample = ctx.stream(CHAT, _asked(ctx) | {"stream": True})
    accepted(sample, "streamed logprobs")
    parts = chunks(sample)
    cooperation(joined(parts).content == whole.content, "two greedy answers differ")
    streamed = [entry for piece in choices(parts) for entry in _entries(piece)]
    require(len(streamed) == len(entries), f"{len(entries)} entries", f"{len(streamed)}")
    for once, twice in zip(entries, streamed, strict=True):
        near = abs(_figured(once) - _figured(twice)) <= NEAR
        require(near and once["token"] == twice["token"], f"{once}", twice)


@check("sampling.logit-bias", Level.OPT, "OpenAPI: logit_bias, from a ban at -100 to the only choice at 100")
def logit_bias(ctx: Context) -> None:
    """A logit_bias of 100 makes its token win over what would be said, or is a 400.

    Which text a token id stands for is not known from outside, but three of them can't all be what the model
    says anyway, each at every place.
    """
    request = body(ctx, max_completion_tokens=4)
    usual = tell(ctx, request).raw
    found = []
    for token in ("70", "300", "500"):
        reply = offered(ctx.post(CHAT, request | {"logit_bias": {token: 100}}), "logit_bias")
        found.append(dig(reply.json(), "choices", 0, "message"))
    heard = any(message != dig(usual, "choices", 0, "message") for message in found)
    require(heard, "another answer with a bias of 100, or a 400", found)


CHECKS = (seed, top_p, logprobs, logprobs_count, logprobs_unasked, logprobs_stream, logit_bias)
