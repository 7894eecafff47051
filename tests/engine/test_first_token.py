"""The first token of a batch is told before the pass that feeds it: whatever happens in between, all is as ever."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import mlx.core as mx
import pytest

from mlxtui.types import Sampling
from tests.engine.conftest import Models
from tests.engine.drive import GREEDY, Drive, alone, prompt

ASKED = (
    GREEDY,
    Sampling(temperature=1.2, seed=5),
    Sampling(temperature=0.0, frequency_penalty=1.5, presence_penalty=1.0, repetition_penalty=1.3),
)


@dataclass
class _Counted:
    """A model that counts its passes."""

    module: Any
    passes: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def __call__(self, tokens: mx.array, **options: Any) -> mx.array:
        self.passes += 1
        result: mx.array = self.module(tokens, **options)
        return result


def _until_told(drive: Drive, jobs: list[str]) -> None:
    while not all(drive.got[job].tokens for job in jobs):
        drive.step()
    assert all(len(drive.got[job].tokens) == 1 for job in jobs)


@pytest.mark.parametrize("kind", ["plain", "recurrent"])
def test_a_follow_up_is_answered_as_soon_as_its_new_tokens_are_computed(models: Models, kind: str) -> None:
    counted = _Counted(models(kind).module)
    drive = Drive(replace(models(kind), module=counted))
    said = drive.run(prompt(1, 200), 8).tokens
    counted.passes = 0
    job = drive.admit([*prompt(1, 200), *said, *prompt(2, 20)], 8)
    _until_told(drive, [job])
    assert counted.passes == (1 if kind == "plain" else 2)  # what can't be cut is copied before its last token


@pytest.mark.parametrize("sampling", ASKED)
def test_who_joins_right_after_it_changes_nothing(models: Models, sampling: Sampling) -> None:
    model, drive = models("plain"), Drive(models("plain"))
    work = [(prompt(i, 20 + 7 * i), 12, sampling) for i in range(3)]
    jobs = [drive.admit(*item) for item in work[:2]]
    _until_told(drive, jobs)
    jobs.append(drive.admit(*work[2]))
    drive.finish()
    assert [drive.got[job].tokens for job in jobs] == [alone(model, *item) for item in work]


@pytest.mark.parametrize("kind", ["plain", "sliding", "recurrent"])
def test_who_leaves_right_after_it_leaves_what_was_computed(models: Models, kind: str) -> None:
    model, drive = models(kind), Drive(models(kind))
    work = [(prompt(i, 40 + i), 10) for i in range(3)]
    jobs = [drive.admit(*item) for item in work]
    _until_told(drive, jobs)
    drive.scheduler.cancel(jobs[1])
    drive.finish()
    assert [drive.got[jobs[i]].tokens for i in (0, 2)] == [alone(model, *work[i]) for i in (0, 2)]
    tokens = [*work[1][0], *drive.got[jobs[1]].tokens, *prompt(9, 5)]
    further = drive.run(tokens, 10)
    assert further.cached == len(work[1][0])
    assert further.tokens == alone(model, tokens, 10)


@pytest.mark.parametrize("most", [1, 2])
def test_it_may_be_the_last_one(models: Models, most: int) -> None:
    model, drive = models("plain"), Drive(models("plain"))
    work = [(prompt(i, 40 + i), most if i % 2 else 5) for i in range(4)]
    jobs = [drive.admit(*item) for item in work]
    drive.finish()
    assert [drive.got[job].tokens for job in jobs] == [alone(model, item[0], 5)[: item[1]] for item in work]
    assert [drive.got[job].finish for job in jobs] == ["length"] * 4
