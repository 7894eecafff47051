"""Prompts that were prefilled in one pass, and what happens to them between that and the batch."""

from __future__ import annotations

import pytest

from tests.engine.conftest import Models
from tests.engine.drive import Drive, alone, prompt

PROMPTS = [prompt(seed, 40 + seed % 4) for seed in range(6)]


def _prefilled(drive: Drive) -> list[str]:
    """Jobs that have shared a pass and have not joined the batch yet: the first step of a rush waits for more."""
    jobs = [drive.admit(tokens, 12) for tokens in PROMPTS]
    drive.step()
    assert [slot.id for slot in drive.scheduler._intake.ready] == jobs
    return jobs


def test_the_rows_of_a_pass_become_the_batch_as_they_are(models: Models) -> None:
    drive = Drive(models("plain"))
    jobs = _prefilled(drive)
    rows = drive.scheduler._intake.ready[0].rows
    drive.step()
    assert rows
    assert rows.caches is drive.scheduler._running._batches[0]._caches
    drive.finish()
    assert [drive.got[job].tokens for job in jobs] == [alone(models("plain"), tokens, 12) for tokens in PROMPTS]


@pytest.mark.parametrize("kind", ["plain", "sliding"])
def test_one_that_leaves_in_between_takes_its_own_row(models: Models, kind: str) -> None:
    drive = Drive(models(kind))
    jobs = _prefilled(drive)
    drive.scheduler.cancel(jobs[2])
    drive.finish()
    del jobs[2]
    others = PROMPTS[:2] + PROMPTS[3:]
    assert [drive.got[job].tokens for job in jobs] == [alone(models(kind), tokens, 12) for tokens in others]
    again = drive.run(PROMPTS[2], 12)
    assert again.cached == len(PROMPTS[2]) - 1
    assert again.tokens == alone(models(kind), PROMPTS[2], 12)


def test_one_that_begins_alike_copies_from_a_row(models: Models) -> None:
    drive = Drive(models("plain"))
    jobs = _prefilled(drive)
    longer = PROMPTS[1] + prompt(50, 20)
    later = drive.run(longer, 12)
    drive.finish()
    assert later.cached == len(PROMPTS[1]) - 1
    assert later.tokens == alone(models("plain"), longer, 12)
    assert [drive.got[job].tokens for job in jobs] == [alone(models("plain"), tokens, 12) for tokens in PROMPTS]


def test_a_second_pass_joins_the_batch_of_the_first(models: Models) -> None:
    drive = Drive(models("plain"))
    jobs = _prefilled(drive)
    drive.step()
    more = [drive.admit(prompt(20 + seed, 60 + seed % 3), 12) for seed in range(4)]
    drive.finish()
    wanted = [*PROMPTS, *(prompt(20 + seed, 60 + seed % 3) for seed in range(4))]
    assert [drive.got[job].tokens for job in (*jobs, *more)] == [alone(models("plain"), each, 12) for each in wanted]
