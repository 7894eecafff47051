"""Prompts that begin alike, at the same time: what they share is prefilled once, and each still gets its own tokens."""

from __future__ import annotations

import pytest

from tests.engine.conftest import Models
from tests.engine.drive import Drive, alone, prompt

SYSTEM = prompt(1, 300)


@pytest.mark.parametrize("kind", ["plain", "sliding", "recurrent"])
def test_all_get_what_they_get_alone(models: Models, kind: str) -> None:
    model = models(kind)
    drive = Drive(model)
    prompts = [SYSTEM[: 300 - 20 * (i % 3)] + prompt(10 + i, 5 + 9 * i) for i in range(8)]
    jobs = [drive.admit(tokens, 10, marks=(len(tokens) - 5 - 9 * i,)) for i, tokens in enumerate(prompts)]
    drive.finish()
    assert [drive.got[job].tokens for job in jobs] == [alone(model, tokens, 10) for tokens in prompts]


@pytest.mark.parametrize("kind", ["plain", "sliding", "recurrent"])
def test_a_cold_prefix_is_prefilled_once(models: Models, kind: str) -> None:
    drive = Drive(models(kind))
    jobs = [drive.admit(SYSTEM + prompt(10 + i, 40), 4, marks=(300,)) for i in range(6)]
    drive.finish()
    assert [drive.got[job].cached for job in jobs] == [0, 300, 300, 300, 300, 300]


def test_what_a_running_job_has_prefilled_is_shared(models: Models) -> None:
    drive = Drive(models("plain"))
    running = drive.admit(SYSTEM + prompt(2, 10), 60)
    while not drive.got[running].tokens:
        drive.step()
    late = drive.admit(SYSTEM + prompt(3, 10), 4)
    while not drive.got[late].over:
        drive.step()
    assert not drive.got[running].over
    assert drive.got[late].cached == 300
    assert drive.got[late].tokens == alone(drive.model, SYSTEM + prompt(3, 10), 4)


def test_who_waited_for_a_cancelled_one_goes_on_by_itself(models: Models) -> None:
    drive = Drive(models("plain"))
    first, *others = [drive.admit(SYSTEM + prompt(10 + i, 40), 4) for i in range(3)]
    drive.step()
    done = drive.got[first].prefills[-1].done
    assert 0 < done < 300
    drive.scheduler.cancel(first)
    drive.finish()
    assert [len(drive.got[job].tokens) for job in others] == [4, 4]
    assert [drive.got[job].cached for job in others] == [done, done]  # the rest of SYSTEM is not worth a wait


def test_nobody_waits_for_little(models: Models) -> None:
    drive = Drive(models("plain"))
    jobs = [drive.admit(SYSTEM[:20] + prompt(10 + i, 40), 4) for i in range(3)]
    drive.finish()
    assert [drive.got[job].cached for job in jobs] == [0, 0, 0]
