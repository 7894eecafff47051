"""The disk tier while nobody asks: what a restart reads beforehand, and what is written once it rests."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from mlxtui.engine.worker.cache.entry import Origin
from mlxtui.engine.worker.sampling import choice
from mlxtui.engine.worker.slot import Prompt
from mlxtui.types import NEUTRAL_SAMPLING
from tests.engine.conftest import Models
from tests.engine.drive import GREEDY, alone, prompt
from tests.engine.test_disk import Tier

LENGTH, SAID = 150, 4


def _talk(tier: Tier, number: int, *, ago: float = 0.0) -> None:
    tier.drive.run(prompt(number, LENGTH), SAID, origin=Origin(f"{number}", f"talk {number}"))
    tier.cache.entries[-1].used -= ago


def _restarted(models: Models, directory: Path, *ago: float, **options: int) -> Tier:
    """A tier over files of talks 1, 2, …, each last used so many seconds ago."""
    before = Tier(models("plain"), directory)
    for number, seconds in enumerate(ago, 1):
        _talk(before, number, ago=seconds)
    before.leave()
    return Tier(models("plain"), directory, **options)


def _read(tier: Tier, count: int) -> list[str]:
    """What is in memory, the least recently used first, once so many files have been read ahead."""
    tier.disk.read_ahead(tier.cache)
    for _ in range(count):
        assert tier.take() == []
    return _openings(tier)


def _openings(tier: Tier) -> list[str]:
    return [entry.origin.opening for entry in tier.cache.entries]


def _asked(tier: Tier, tokens: list[int]) -> Prompt:
    return Prompt("asked", tokens, choice(GREEDY.over(NEUTRAL_SAMPLING), tier.drive.model.vocab), 1)


def test_what_was_in_use_before_a_restart_is_in_memory_when_it_is_asked_for(models: Models, tmp_path: Path) -> None:
    tier = _restarted(models, tmp_path, 20, 30, 10)
    assert _read(tier, 3) == ["talk 2", "talk 1", "talk 3"]
    further = [*prompt(2, LENGTH), *prompt(9, 10)]
    assert tier.recalled(further) is None
    got = tier.drive.run(further, 6)
    assert (got.cached, got.tokens) == (LENGTH, alone(models("plain"), further, 6))
    tier.leave()


def test_what_can_not_be_cut_is_read_at_each_length_that_was_kept(models: Models, tmp_path: Path) -> None:
    model, tokens = models("recurrent"), prompt(1, LENGTH)
    before = Tier(model, tmp_path)
    before.drive.run(tokens, SAID, marks=(70, LENGTH - 10))
    before.leave()
    kept = len(list(tmp_path.iterdir()))
    tier = Tier(model, tmp_path)
    tier.disk.read_ahead(tier.cache)
    for _ in range(kept):
        tier.take()
    further = [*tokens[:-10], *prompt(2, 20)]
    assert tier.recalled(further) is None
    assert tier.drive.run(further, SAID).cached == LENGTH - 10
    tier.leave()


def test_old_ones_and_those_beyond_half_of_the_memory_stay_on_disk(models: Models, tmp_path: Path) -> None:
    tier = _restarted(models, tmp_path, 3500, 3700, 10)
    assert _read(tier, 2) == ["talk 1", "talk 3"]
    tier.leave()
    nbytes = max(path.stat().st_size for path in tmp_path.iterdir())
    small = Tier(models("plain"), tmp_path, cache_bytes=3 * nbytes)
    assert _read(small, 1) == ["talk 3"]
    small.leave()


def test_being_read_ahead_is_no_use_that_keeps_a_file_longer(models: Models, tmp_path: Path) -> None:
    tier = _restarted(models, tmp_path, 1000)
    _read(tier, 1)
    tier.leave()
    (path,) = tmp_path.iterdir()
    assert 900 < time.time() - path.stat().st_mtime < 1100


def test_a_damaged_file_is_skipped_and_the_next_one_read(
    models: Models, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _restarted(models, tmp_path, 20, 10).leave()
    newest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime)
    used, damaged = newest.stat().st_mtime, newest.read_bytes()[:-1] + b"\x55"
    newest.write_bytes(damaged)
    os.utime(newest, (used, used))
    tier = Tier(models("plain"), tmp_path)
    with caplog.at_level(logging.WARNING, "mlxtui.engine"):
        assert _read(tier, 2) == ["talk 1"]
    assert f"{newest.name} is left out of the prompt cache: its hash is wrong" in caplog.text
    tier.leave()


def test_a_prompt_waits_for_the_file_that_is_being_read_already_and_ends_the_reading_ahead(
    models: Models, tmp_path: Path
) -> None:
    tier = _restarted(models, tmp_path, 20, 10)
    tier.disk.read_ahead(tier.cache)
    assert tier.disk.recall(_asked(tier, prompt(2, LENGTH + 10)), tier.cache)
    assert [back.id for back in tier.take()] == ["asked"]
    tier.leave()
    assert tier.reports.empty()
    assert _openings(tier) == ["talk 2"]


def test_what_nobody_waits_for_holds_up_nobody_who_runs(models: Models, tmp_path: Path) -> None:
    tier = _restarted(models, tmp_path, 10)
    tier.disk.read_ahead(tier.cache)
    assert tier.disk.take(tier.reports.get(timeout=20), tier.cache, idle=False) == []
    assert len(tier.cache) == 0
    assert tier.recalled(prompt(1, LENGTH + 10)) is not None
    assert _openings(tier) == ["talk 1"]
    tier.leave()


def test_a_conversation_that_rests_is_written_before_the_end(models: Models, tmp_path: Path) -> None:
    tier = Tier(models("plain"), tmp_path)
    _talk(tier, 1, ago=400)
    _talk(tier, 2, ago=500)
    _talk(tier, 3, ago=100)
    for talk in (2, 1):
        assert tier.disk.keep_rested(tier.cache) is None  # until it is written
        assert tier.take() == []
        assert [stored.origin.opening for stored in tier.disk.stored][-1] == f"talk {talk}"
    assert tier.disk.keep_rested(tier.cache) == pytest.approx(200, abs=30)
    crashed = Tier(models("plain"), tmp_path)
    assert sorted(stored.origin.opening for stored in crashed.disk.stored) == ["talk 1", "talk 2"]
    tier.leave()


def test_what_finds_no_room_on_disk_is_not_offered_for_ever(models: Models, tmp_path: Path) -> None:
    tier = Tier(models("plain"), tmp_path, budget=1)
    _talk(tier, 1, ago=400)
    assert tier.disk.keep_rested(tier.cache) == 0.0
    assert tier.disk.keep_rested(tier.cache) is None
    assert not tier.disk.stored
    tier.leave()
