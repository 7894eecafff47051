"""Whatever way an answer comes about, it is the same: cold, from the cache, and in a batch of 32, at temperature 0.

On the embedded model, in 32-bit floats. Sums in another order may turn a tie over: then the gap between the two tokens'
logprobs is told.
"""

from __future__ import annotations

import random

import pytest

from mlxtui.engine.interface import ChatPrompt, Job
from mlxtui.engine.worker.locate import EMBEDDED
from mlxtui.engine.worker.model import Model, load
from mlxtui.engine.worker.prompt import prepare
from mlxtui.types import NEUTRAL_SAMPLING, Message, Sampling
from tests.engine.drive import Drive

PROMPTS, NEW, BATCH = 100, 6, 32
GREEDY = Sampling(temperature=0.0).over(NEUTRAL_SAMPLING)
WORDS = (
    *("Paris", "Rome", "is", "the", "capital", "of", "what", "name", "my", "Ada", "remember", "count", "story"),
    *("weather", "in", "Oslo", "time", "now", "two", "plus", "three"),
)


@pytest.fixture(scope="module")
def model() -> Model:
    return load(EMBEDDED, None, lambda detail: None)


def conversations(model: Model) -> list[list[int]]:
    """One or two turns of words, some with system messages that several share: tokens as the worker gets them."""
    draw = random.Random(11)
    out = []
    for number in range(PROMPTS):
        rules = [Message("system", f"You are helper {number % 5}. Answer in short words, and stay friendly.")]
        turns = rules if number % 3 else []
        for _ in range(1 + number % 2):
            turns = [*turns, Message("user", " ".join(draw.choices(WORDS, k=draw.randrange(3, 16))) + "?")]
            turns = [*turns, Message("assistant", " ".join(draw.choices(WORDS, k=draw.randrange(1, 8))) + ".")]
        prepared = prepare(model, Job("job", ChatPrompt(tuple(turns[:-1])), GREEDY, NEW))
        assert isinstance(prepared, tuple)
        out.append(prepared[1].tokens)
    return out


def together(drive: Drive, prompts: list[list[int]]) -> list[list[int]]:
    jobs = [drive.admit(tokens, NEW) for tokens in prompts]
    drive.finish()
    return [drive.got[job].tokens for job in jobs]


def difference(model: Model, tokens: list[int], other: list[int]) -> str:
    """At which token two answers part, and by how little."""
    told = Drive(model, cache_bytes=0).run(tokens, NEW, top_logprobs=2)
    at = next((i for i, (a, b) in enumerate(zip(told.tokens, other, strict=False)) if a != b), len(other))
    best, second = told.logprobs[at].top[:2]
    return f"token {at} of {len(tokens)} + {len(told.tokens)}: the gap is {best.logprob - second.logprob:.2e}"


def test_answers_are_equal_cold_warm_and_in_a_batch_of_32(model: Model) -> None:
    prompts = conversations(model)
    cold = [Drive(model, cache_bytes=0).run(tokens, NEW).tokens for tokens in prompts]
    drive = Drive(model)
    batched = [
        answer for at in range(0, PROMPTS, BATCH) for answer in together(drive, prompts[at : at + BATCH])
    ]  # the first batch is cold, later ones share their beginnings with it
    warm = [drive.run(tokens, NEW) for tokens in prompts]
    differing = [
        f"{name}, prompt {i}: {difference(model, prompts[i], other)}"
        for name, answers in (("batched", batched), ("warm", [got.tokens for got in warm]))
        for i, (answer, other) in enumerate(zip(cold, answers, strict=True))
        if answer != other
    ]
    assert differing == []
    assert sum(got.cached for got in warm) > 0.95 * sum(map(len, prompts))
