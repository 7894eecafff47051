"""Checks on several requests at once and on clients that walk away.

Knows nothing of a server's scheduler: only what a client sees from outside counts.
"""

from __future__ import annotations

import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from ..check import Level, Unsupported, check
from ..context import Context
from ..shapes import JsonObject, accepted, cooperation, dig, is_json, require
from ..talk import CHAT, ENDLESS, body, choices, chunks, joined, said, tell
from ..wire import Streamed

LONG = 200  # tokens a model must be good for before it is walked out on


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
    endless(ctx)
    alone = _seconds(ctx)
    for _ in range(3):
        ctx.stream(CHAT, long_answer(ctx), until=b"data:")
    freed = ctx.target.limits.freed
    waited = _seconds(ctx)
    bound = freed + 3 * alone
    require(waited <= bound, f"an answer within {bound:.1f} s", f"{waited:.1f} s")
    ctx.note(f"one token took {alone:.2f} s alone and {waited:.2f} s after three left")
    running = settled(ctx, "running", 0)
    if running is not None:
        require(running == 0, "0 running in /health after the clients left", running)


def endless(ctx: Context) -> None:
    """Inconclusive unless a long answer is still going on when the check needs it to."""

    def probe() -> bool:
        return tell(ctx, body(ctx, ENDLESS, max_completion_tokens=LONG)).finish == "length"

    cooperation(ctx.once("endless", probe), "the model's long answers end before anyone can leave")


def long_answer(ctx: Context) -> JsonObject:
    return body(ctx, ENDLESS, max_completion_tokens=4000, stream=True)


def _seconds(ctx: Context) -> float:
    begun = time.monotonic()
    tell(ctx, body(ctx, "Hello", max_completion_tokens=1))
    return time.monotonic() - begun


def counter(ctx: Context, name: str) -> int | None:
    """A count in /health, from servers that have it."""
    reply = ctx.get(f"{ctx.target.root}/health")
    health = reply.json() if is_json(reply) else None
    found = health.get(name) if isinstance(health, dict) else None
    return found if isinstance(found, int) else None


def settled(ctx: Context, name: str, wanted: int) -> int | None:
    """The counter once it has got there, or as it is when a slot should have been freed."""
    until = time.monotonic() + ctx.target.limits.freed
    while (found := counter(ctx, name)) is not None and found != wanted and time.monotonic() < until:
        time.sleep(0.02)
    return found


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
    for own, text in zip(words, texts, strict=True):
        foreign = [word for word in words if word != own and word in text.content + text.reasoning]
        require(not foreign, f"nothing but {own}", f"{foreign} in {text.content!r}")
    ids = [{dig(part, "id") for part in chunks(sample)} for sample in samples]
    require(len(set.union(*ids)) == len(words), "one id to each stream", [sorted(i) for i in ids])
    ended = [[c for c in choices(chunks(s)) if c.get("finish_reason")] for s in samples]
    require(all(len(ends) == 1 for ends in ended), "each stream finished once", ended)
    kept = sum(word in text.content + text.reasoning for word, text in zip(words, texts, strict=True))
    cooperation(kept >= 2, f"the model repeated {kept} of {len(words)} words")


def _repeat(ctx: Context, word: str) -> Streamed:
    prompt = f"Repeat exactly: {word}"
    return ctx.stream(CHAT, body(ctx, prompt, stream=True, max_completion_tokens=256))


@check("concurrency.identical", Level.SHOULD, "practice: one prompt, one greedy text, however many ask", alone=True)
def identical(ctx: Context) -> None:
    """Four clients with the same fresh prompt at once all get the same greedy answer.

    A near tie between two tokens can tip when prompts are computed together, so answers that differ are looked at
    again with another prompt.
    """
    for _ in range(2):
        texts = _four_times(ctx, body(ctx, f"Session {secrets.token_hex(8)}. Count to 20.", max_completion_tokens=24))
        if len(texts) == 1:
            return
    require(False, "one text for four identical requests", sorted(texts))


def _four_times(ctx: Context, request: JsonObject) -> set[str]:
    """What four clients are told who ask the same at once."""
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: ctx.post(CHAT, request), range(4)))
    if any(reply.status == 429 for reply in replies):
        raise Unsupported("four requests at once are too many")
    answers = [said(accepted(reply, "one of four identical requests").json()) for reply in replies]
    return {answer.reasoning + answer.content for answer in answers}


@check(
    "concurrency.short-beside-long",
    Level.OPT,
    "practice: a short question need not wait for a long answer",
    asks_model=True,
    alone=True,
)
def short_beside_long(ctx: Context) -> None:
    """A short request is answered while a long one is still going on."""
    endless(ctx)
    alone = _seconds(ctx)
    begun, done = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(_listen, ctx, begun, done)
        cooperation(begun.wait(ctx.target.limits.check), "the long answer did not begin")
        waited = _seconds(ctx)
        done.set()
        went_on = long.result()
    ctx.note(f"one token took {alone:.2f} s alone and {waited:.2f} s beside a long answer")
    if not went_on:
        cooperation(waited > 3 * alone, "the long answer was over too soon to tell")
        require(False, "an answer before the long one ended", f"one after {waited:.1f} s, at its end")


MORE = 5  # reads after the short answer that show the long one going on; fewer may have been on their way


def _listen(ctx: Context, begun: threading.Event, done: threading.Event) -> bool:
    """Read a long answer; whether it went on after the short one was `done`."""
    more = 0
    with ctx.raw.stream("POST", ctx.url(CHAT), json=long_answer(ctx)) as response:
        for _ in response.iter_raw():
            begun.set()
            more += done.is_set()
            if more >= MORE:
                return True
    return False


CHECKS = (disconnect_frees, no_crosstalk, identical, short_beside_long)
