"""Scenario of conversations: the first token of a new one against that of its later turns."""

from __future__ import annotations

from mlxtui.bench import figures
from mlxtui.bench.answer import Answer
from mlxtui.bench.figures import p50, p95
from mlxtui.bench.prompts import Messages, hello, long, turn
from mlxtui.bench.scenario import Aim, Column, Figures, Measured, Scenario
from mlxtui.bench.talk import ask

TURNS = 3  # after the first
SIDE_CALLS = 8  # before each round of turns, where several conversations take turns
SAID = 16  # tokens of each answer


async def followup(aim: Aim, conversations: int) -> Measured:
    """Every conversation is begun, then they take turns; one request at a time."""
    talks = [long(f"{aim.nonce}.{number}", aim.characters) for number in range(conversations)]
    found: Figures = {"cold_ttft": [], "followup_ttft": [], "prompt_tokens": [], "cached_share": []}
    for talk in talks:
        answer = await _say(aim, talk, 1)
        found["cold_ttft"].append(answer.ttft)
        found["prompt_tokens"].append(float(answer.prompt_tokens or 0))
    for number in range(2, TURNS + 2):
        if conversations > 1:
            await _side_calls(aim, number)
        for talk in talks:
            answer = await _say(aim, talk, number)
            found["followup_ttft"].append(answer.ttft)
            if answer.cached_tokens is not None and answer.prompt_tokens:
                found["cached_share"].append(answer.cached_tokens / answer.prompt_tokens)
    found["speedup"] = [p50(found["cold_ttft"]) / p50(found["followup_ttft"])]
    return Measured(found)


async def _say(aim: Aim, talk: Messages, number: int) -> Answer:
    """Ask with the whole conversation, and put the answer and the next question to its end."""
    answer = await ask(aim.target, talk, SAID)
    talk += turn(answer.text, number)
    return answer


async def _side_calls(aim: Aim, number: int) -> None:
    """What agents do between two turns: titles, summaries, guesses, each with a prompt of its own."""
    for call in range(SIDE_CALLS):
        await ask(aim.target, hello(f"{aim.nonce}.side", number * SIDE_CALLS + call), SAID)


FOLLOWUP = Scenario(
    "followup",
    "Conversations: the first token of later turns",
    "conversations",
    lambda options: (1, 4),
    followup,
    (
        Column("prompt tokens", "prompt_tokens", p50, figures.whole),
        Column("cold TTFT", "cold_ttft", p50, figures.seconds),
        Column("follow-up p50", "followup_ttft", p50, figures.seconds),
        Column("follow-up p95", "followup_ttft", p95, figures.seconds),
        Column("faster by", "speedup", p50, figures.times),
        Column("cached", "cached_share", p50, figures.share),
    ),
    lead="followup_ttft",
)
