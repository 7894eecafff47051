"""Checks on several requests at once and on clients that walk away.

Knows nothing of a server's scheduler: only what a client sees from outside counts.
"""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor

from ..check import Level, Unsupported, check
from ..context import Context
from ..shapes import accepted, cooperation, dig, is_json, require
from ..talk import CHAT, body, choices, chunks, joined, tell
from ..wire import Streamed

LONG = 200  # tokens a model must be good for before it is walked out on
ENDLESS = "Write a very long story. Then count from 1 to 2000."


@check(
    "concurrency.disconnect-frees",
    Level.MUST,
    "practice: closed tabs must not hold the engine",
    asks_model=True,
    alone=True,
)
def disconnect_frees(ctx: Context) -> None:
    """A client that goes away mid-stream frees its slot: the next request is answered soon.

    Three clients in a row leave after the first text of a long answer. A server that goes on
    generating for them keeps the next request waiting (or its /health counters up).
    """
    request = body(ctx, ENDLESS, max_completion_tokens=4000)
    first = tell(ctx, body(ctx, ENDLESS, max_completion_tokens=LONG))
    cooperation(first.finish == "length", "the model's long answers end before anyone can leave")
    alone = _seconds(ctx)
    for _ in range(3):
        ctx.stream(CHAT, request | {"stream": True}, until=b"data:")
    freed = ctx.target.limits.freed
    waited = _seconds(ctx)
    bound = freed + 3 * alone
    require(waited <= bound, f"an answer within {bound:.1f} s", f"{waited:.1f} s")
    ctx.note(f"one token took {alone:.2f} s alone and {waited:.2f} s after three left")
    running = _running(ctx)
    if running is not None:
        require(running == 0, "0 running in /health after the clients left", running)


def _seconds(ctx: Context) -> float:
    begun = time.monotonic()
    tell(ctx, body(ctx, "Hello", max_completion_tokens=1))
    return time.monotonic() - begun


def _running(ctx: Context) -> int | None:
    """The count of running requests, from servers whose /health has one, once it settles."""
    until = time.monotonic() + ctx.target.limits.freed
    while True:
        reply = ctx.get(f"{ctx.target.root}/health")
        health = reply.json() if is_json(reply) else None
        found = health.get("running") if isinstance(health, dict) else None
        if not isinstance(found, int) or found == 0 or time.monotonic() > until:
            return found if isinstance(found, int) else None
        time.sleep(0.05)


@check(
    "concurrency.no-crosstalk",
    Level.MUST,
    "practice: one client's text is its own",
    asks_model=True,
    alone=True,
)
def no_crosstalk(ctx: Context) -> None:
    """Four streams at once, each about its own secret word, never show another's word or id."""
    words = [f"{secrets.token_hex(3)}" for _ in range(4)]
    with ThreadPoolExecutor(len(words)) as pool:
        samples = list(pool.map(lambda word: _repeat(ctx, word), words))
    for sample in samples:
        if sample.status == 429:
            raise Unsupported(f"four streams at once: {sample.brief}")
        accepted(sample, "one of four streams at once")
    texts = [joined(chunks(sample)) for sample in samples]
    for own, said in zip(words, texts, strict=True):
        foreign = [word for word in words if word != own and word in said.content + said.reasoning]
        require(not foreign, f"nothing but {own}", f"{foreign} in {said.content!r}")
    ids = [{dig(part, "id") for part in chunks(sample)} for sample in samples]
    require(len(set.union(*ids)) == len(words), "one id to each stream", [sorted(i) for i in ids])
    ended = [[c for c in choices(chunks(s)) if c.get("finish_reason")] for s in samples]
    require(all(len(ends) == 1 for ends in ended), "each stream finished once", ended)
    kept = sum(word in said.content for word, said in zip(words, texts, strict=True))
    cooperation(kept >= 2, f"the model repeated {kept} of {len(words)} words")


def _repeat(ctx: Context, word: str) -> Streamed:
    prompt = f"Repeat exactly: {word}"
    return ctx.stream(CHAT, body(ctx, prompt, stream=True, max_completion_tokens=256))


CHECKS = (disconnect_frees, no_crosstalk)
