"""The end of a job: its last words first, then its cache is kept and its slot is free."""

from __future__ import annotations

from tests.engine.conftest import Models
from tests.engine.drive import Drive, prompt


def test_an_answer_does_not_wait_for_its_cache_to_be_kept(models: Models) -> None:
    drive = Drive(models("plain"))
    scheduler = drive.scheduler
    drive.admit(prompt(1, 40), 2)
    report = scheduler.step()
    while not any(piece.finish for piece in report.pieces):
        report = scheduler.step()
    assert (report.stats.running, len(scheduler.cache)) == (0, 0)
    scheduler.retire()
    assert scheduler.idle
    assert scheduler.report().stats.cache_entries == 1
