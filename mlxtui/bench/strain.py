"""Scenarios of being disturbed: a long prompt beside a running stream, and clients that go away."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import pairwise

from mlxtui.bench import figures
from mlxtui.bench.answer import Answer, arrivals
from mlxtui.bench.figures import mean, p50
from mlxtui.bench.prompts import hello, long, story
from mlxtui.bench.scenario import Aim, Column, Figures, Measured, Scenario
from mlxtui.bench.talk import ENDED, ask, freed, held, spoken, together
from mlxtui.bench.wire import RequestFailed

ENDLESS = 4096  # tokens of streams that are left before they end
STEADY = 16  # pieces of text until a stream counts as running
BEHIND = 0.05  # seconds: what is sent so much later has certainly come in later


async def gap(aim: Aim, _: int) -> Measured:
    """One stream runs; a long prompt arrives, and a short request right behind it."""
    async with held(aim.target, story(aim.nonce), ENDLESS) as stream:
        steady = await spoken(stream, STEADY)
        prompt = long(f"{aim.nonce}.long", aim.characters)
        longer, short = await together([ask(aim.target, prompt, 1), _behind(aim)])
        times = await spoken(stream, since=longer.ended)  # the pause that was open then belongs to it
    found: Figures = {
        "gap": [widest(times, longer.sent, longer.ended)],
        "quiet_gap": [widest(steady, steady[0], steady[-1])],
        "long_ttft": [longer.ttft],
        "short_ttft": [short.ttft],
        "prompt_tokens": [float(longer.prompt_tokens or 0)],
    }
    first = longer.sent + longer.ttft
    if first < short.sent:
        return Measured(found, ("the long prompt was done before the short one was sent: raise --prompt-tokens",))
    return Measured(found | {"short_first": [float(short.sent + short.ttft < first)]})


async def _behind(aim: Aim) -> Answer:
    await asyncio.sleep(BEHIND)
    return await ask(aim.target, hello(f"{aim.nonce}.short"), 1)


def widest(times: list[float], begin: float, end: float) -> float:
    """The longest pause that lies at least partly between `begin` and `end`."""
    return max(later - earlier for earlier, later in pairwise(times) if later >= begin and earlier <= end)


async def disconnect(aim: Aim, limit: int) -> Measured:
    """Clients leave: in decode, in prefill, and one of `limit` while another one knocks."""
    found, notes = await _in_prefill(aim)
    if aim.idle is None:
        notes += ('its /health counts nobody as "running": no times to free a slot',)
    else:
        found["freed_decode"] = [await _in_decode(aim, aim.idle)]
    return Measured(found | await _at_limit(aim, limit), notes)


async def _in_decode(aim: Aim, idle: int) -> float:
    async with held(aim.target, story(f"{aim.nonce}.decode"), ENDLESS) as stream:
        await spoken(stream, STEADY)
    left = time.monotonic()
    return await freed(aim.target, idle) - left


async def _in_prefill(aim: Aim) -> tuple[Figures, tuple[str, ...]]:
    """The client leaves when half of a cold prefill's time is over, and asks the same again."""
    cold = await ask(aim.target, long(f"{aim.nonce}.cold", aim.characters), 1)
    found: Figures = {"cold_ttft": [cold.ttft]}
    prompt = long(f"{aim.nonce}.retry", aim.characters)
    async with held(aim.target, prompt, 1) as stream:
        await asyncio.sleep(cold.ttft / 2)
        if arrivals(stream.reads) or stream.response.complete:
            return found, ("a prefill took less than half of the time of the one before it: nobody left in it",)
    left = time.monotonic()
    if aim.idle is not None:
        found["freed_prefill"] = [await freed(aim.target, aim.idle) - left]
    retry = await ask(aim.target, prompt, 1)
    return found | {"retry_ttft": [retry.ttft], "retry_share": [retry.ttft / cold.ttft]}, ()


async def _at_limit(aim: Aim, limit: int) -> Figures:
    """The first token of a request with one place free, and with one that is just being left."""
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(held(aim.target, story(aim.nonce, number), ENDLESS))
            for number in range(limit - 1)
        ]
        await together(spoken(stream, 1) for stream in streams)
        free = await ask(aim.target, hello(aim.nonce, 1), 1)
        async with held(aim.target, story(aim.nonce, limit), ENDLESS) as leaving:
            await spoken(leaving, 1)
        knocking = await ask(aim.target, hello(aim.nonce, 2), 1)
        if any(stream.response.complete for stream in streams):
            raise RequestFailed(ENDED)
    return {"free_ttft": [free.ttft], "knocking_ttft": [knocking.ttft]}


GAP = Scenario(
    "gap",
    "A long prompt beside a running stream",
    "",
    lambda options: (1,),
    gap,
    (
        Column("prompt tokens", "prompt_tokens", p50, figures.whole),
        Column("longest pause before", "quiet_gap", p50, figures.seconds),
        Column("longest pause while", "gap", p50, figures.seconds),
        Column("worst", "gap", max, figures.seconds),
        Column("long TTFT", "long_ttft", p50, figures.seconds),
        Column("short TTFT", "short_ttft", p50, figures.seconds),
        Column("short one first", "short_first", mean, figures.share),
    ),
    lead="gap",
)
DISCONNECT = Scenario(
    "disconnect",
    "Clients that go away",
    "limit",
    lambda options: (max(options.clients),),
    disconnect,
    (
        Column("free after decode", "freed_decode", p50, figures.seconds),
        Column("free after prefill", "freed_prefill", p50, figures.seconds),
        Column("cold TTFT", "cold_ttft", p50, figures.seconds),
        Column("retry TTFT", "retry_ttft", p50, figures.seconds),
        Column("retry / cold", "retry_share", p50, figures.share),
        Column("TTFT, a place free", "free_ttft", p50, figures.seconds),
        Column("TTFT, one just left", "knocking_ttft", p50, figures.seconds),
    ),
    lead="freed_decode",
)
