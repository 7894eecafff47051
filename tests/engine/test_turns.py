"""Who is next, with the real batch loop: high before normal before low, and nobody waits for ever."""

from __future__ import annotations

import itertools

from mlxtui.engine.worker.turns import PATIENCE
from tests.engine.conftest import Models
from tests.engine.drive import Drive, alone, prompt


def slow_clock() -> float:
    """By this clock every chunk takes a second: chunks become as small as they can be."""
    return float(next(_seconds))


_seconds = itertools.count()


def busy(models: Models) -> tuple[Drive, str]:
    """A scheduler whose only slot is decoding."""
    drive = Drive(models("plain"), max_running=1)
    running = drive.admit(prompt(0, 10), 5)
    drive.step()
    return drive, running


def admitted(drive: Drive, *priorities: str) -> list[str]:
    return [drive.admit(prompt(1 + i, 10), 2, priority=priority) for i, priority in enumerate(priorities)]


def test_the_next_free_slot_goes_to_the_highest_and_among_equals_to_the_first(models: Models) -> None:
    drive, running = busy(models)
    low, one, high, two = admitted(drive, "low", "normal", "high", "normal")
    drive.finish()
    assert drive.order == [running, high, one, two, low]


def test_waiting_jobs_can_be_moved(models: Models) -> None:
    drive, running = busy(models)
    one, two, low = admitted(drive, "normal", "normal", "low")
    drive.scheduler.prioritise(one, "low")
    drive.scheduler.prioritise(low, "high")
    drive.finish()
    assert drive.order == [running, low, two, one]


def test_a_low_job_is_overtaken_by_so_many_and_no_more(models: Models) -> None:
    drive, running = busy(models)
    low = drive.admit(prompt(99, 10), 2, priority="low")
    high = admitted(drive, *["high"] * 12)
    drive.finish()
    assert drive.order[0] == running
    assert drive.order.index(low) == 1 + PATIENCE
    assert [job for job in drive.order if job in high] == high


def test_prefill_goes_to_the_highest_first_and_the_others_still_move(models: Models) -> None:
    drive = Drive(models("plain"), clock=slow_clock)
    normal, low, high = (drive.admit(prompt(i, 3900), 2, priority=p) for i, p in enumerate(("normal", "low", "high")))
    while not drive.got[high].tokens:
        drive.step()
    done = {job: drive.got[job].prefills[-1].done for job in (high, normal, low)}
    assert done[high] == 3900
    assert 0 < done[low] < 2000
    assert 0 < done[normal] < 2000
    drive.finish()
    assert drive.order[0] == high


def test_a_prefilling_job_can_be_raised(models: Models) -> None:
    drive = Drive(models("plain"), clock=slow_clock)
    first, second = drive.admit(prompt(1, 3000), 2), drive.admit(prompt(2, 3000), 2)
    drive.step()
    drive.scheduler.prioritise(second, "high")
    drive.finish()
    assert drive.order == [second, first]


def test_who_a_high_job_waits_for_hurries_with_it(models: Models) -> None:
    """The low one is computing what both begin with; a normal one would otherwise go before it."""
    drive = Drive(models("plain"), clock=slow_clock)
    shared = prompt(1, 3000)
    low = drive.admit([*shared, 7], 2, priority="low")
    drive.step()
    normal, high = drive.admit(prompt(2, 3000), 2), drive.admit([*shared, 9], 2, priority="high")
    drive.finish()
    assert set(drive.order[:2]) == {low, high}
    assert drive.order[2] == normal
    assert drive.got[high].cached >= 2900


def test_a_job_that_decodes_or_is_unknown_is_left_alone(models: Models) -> None:
    drive, running = busy(models)
    for job in (running, "nobody"):
        drive.scheduler.prioritise(job, "low")
    drive.finish()
    assert drive.got[running].tokens == alone(models("plain"), prompt(0, 10), 5)
