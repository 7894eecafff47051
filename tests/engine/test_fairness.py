"""Who waits for whom, by the order of steps and by a clock that only the model's passes move: no machine's speed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import mlx.core as mx
import pytest

from tests.engine.conftest import Models
from tests.engine.drive import Drive, prompt

BUDGET = 0.1  # seconds that a running stream may wait between two steps


@pytest.mark.parametrize("longs", [1, 4])
@pytest.mark.parametrize("kind", ["plain", "sliding", "recurrent"])
def test_twenty_tokens_behind_4k_prompts_get_their_first_token_before_them(
    models: Models, kind: str, longs: int
) -> None:
    seconds = itertools.count()  # by this clock every pass takes a second: chunks become as small as they can be
    drive = Drive(models(kind), clock=lambda: float(next(seconds)))
    before = [drive.admit(prompt(i, 3900), 2) for i in range(longs)]
    drive.step()
    short = drive.admit(prompt(99, 20), 2)
    steps = 0
    while not drive.got[short].tokens:
        drive.step()
        steps += 1
    assert not any(drive.got[job].tokens for job in before)
    assert steps <= longs + 10


@dataclass
class Timed:
    """A model by whose clock a pass takes as long as its tokens and what is before them make it."""

    module: Any
    now: float = 0.0
    seen: int = field(default=0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def __call__(self, tokens: mx.array, **options: Any) -> mx.array:
        length = tokens.shape[1]
        if length > 1:
            self.seen += length
            self.now += length * 0.001 * (1 + self.seen / 2000)
        else:
            self.now += 0.01
        result: mx.array = self.module(tokens, **options)
        return result


def test_no_step_of_a_running_stream_waits_longer_than_the_budget_for_a_long_prompt(models: Models) -> None:
    """The chunks shrink as the passes get slower, and are not smaller than they need be."""
    timed = Timed(models("plain").module)
    drive = Drive(replace(models("plain"), module=timed), clock=lambda: timed.now)
    running = drive.admit(prompt(1, 100), 4000)
    while len(drive.got[running].tokens) < 2:  # the first is told ahead of the others
        drive.step()
    timed.seen = 0
    long = drive.admit(prompt(2, 3900), 1)
    gaps, last = [], timed.now
    while not drive.got[long].tokens:
        had = len(drive.got[running].tokens)
        drive.step()
        assert len(drive.got[running].tokens) == had + 1
        gaps.append(timed.now - last)
        last = timed.now
    drive.scheduler.cancel(running)
    assert max(gaps) <= BUDGET
    assert len(gaps) < 3900 * 0.003 / 0.02


@dataclass
class Dear(Timed):
    """Most of a pass' time is the same for few tokens and for more; now and then one takes longer."""

    passes: list[int] = field(default_factory=list)

    def __call__(self, tokens: mx.array, **options: Any) -> mx.array:
        length = tokens.shape[1]
        if length > 1:
            self.passes.append(length)
            self.now += 0.030 + 0.002 * length + (0.04 if len(self.passes) % 40 == 20 else 0)
        else:
            self.now += 0.04
        result: mx.array = self.module(tokens, **options)
        return result


def test_chunks_get_as_long_again_as_they_were_before_a_pass_that_took_longer(models: Models) -> None:
    dear = Dear(models("plain").module)
    drive = Drive(replace(models("plain"), module=dear), clock=lambda: dear.now)
    running = drive.admit(prompt(1, 100), 4000)
    while len(drive.got[running].tokens) < 2:
        drive.step()
    dear.passes.clear()
    long = drive.admit(prompt(2, 1500), 1)
    while not drive.got[long].tokens:
        drive.step()
    drive.scheduler.cancel(running)
    settled = dear.passes[10:-1]
    fits = int((0.107 - 0.04 - 0.03) / 0.002)
    assert fits <= sorted(settled)[len(settled) // 2] <= max(settled) <= fits + 1
