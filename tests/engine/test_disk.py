"""The prompt cache on disk: what comes back is what was computed, and what is damaged or foreign is never used."""

from __future__ import annotations

import logging
import os
import shutil
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxtui.engine.wire import AskCache, CacheTold
from mlxtui.engine.worker.cache import file
from mlxtui.engine.worker.cache.disk import Disk
from mlxtui.engine.worker.cache.entry import Origin
from mlxtui.engine.worker.cache.errands import Read, Report
from mlxtui.engine.worker.cache.file import Damaged, Tensor
from mlxtui.engine.worker.cache.identity import identity
from mlxtui.engine.worker.cache.told import told
from mlxtui.engine.worker.model import Model
from mlxtui.engine.worker.sampling import choice
from mlxtui.engine.worker.slot import Prompt
from mlxtui.types import NEUTRAL_SAMPLING
from tests.engine.conftest import Models
from tests.engine.drive import GREEDY, Drive, alone, prompt

ME = {"model": "m", "tokenizer": "t"}
NAME = f"text-{0:016x}.safetensors"  # as the cache calls its own
TALK = Origin("c0de", "Hello", "job")


class Tier:
    """A disk tier under a scheduler, as the worker runs them."""

    def __init__(self, model: Model, directory: Path, *, who: Any = ME, budget: int = 1 << 30, **options: Any) -> None:
        self.reports: SimpleQueue[Report] = SimpleQueue()
        self.drive = Drive(model, **options)
        self.cache = self.drive.scheduler.cache
        self.disk = Disk(directory, budget, 3600.0, model.module, who, self.reports.put)
        self.cache.leaving = self.disk.keep

    def take(self) -> list[Prompt]:
        return self.disk.take(self.reports.get(timeout=20), self.cache)

    def recalled(self, tokens: list[int]) -> list[Prompt] | None:
        """The prompts that come back once the file is read; None: no file has more of it."""
        asked = Prompt("asked", tokens, choice(GREEDY.over(NEUTRAL_SAMPLING), self.drive.model.vocab), 1)
        return self.take() if self.disk.recall(asked, self.cache) else None

    def leave(self) -> None:
        self.disk.close(self.cache, 20)


@pytest.mark.parametrize("kind", ["plain", "sliding", "recurrent", "leaky", "harmony"])
def test_a_conversation_goes_on_after_a_restart(models: Models, tmp_path: Path, kind: str) -> None:
    model, tokens = models(kind), prompt(1, 150)
    first = Tier(model, tmp_path)
    tokens += first.drive.run(tokens, 8, origin=TALK).tokens
    first.leave()
    second = Tier(model, tmp_path)
    asked = [*tokens, *prompt(2, 10)]
    assert [back.id for back in second.recalled(asked) or ()] == ["asked"]
    got = second.drive.run(asked, 12, origin=TALK)
    assert got.cached >= 149
    assert got.tokens == alone(model, asked, 12)
    second.leave()


def test_what_leaves_memory_is_found_on_disk(models: Models, tmp_path: Path) -> None:
    model, talks = models("plain"), [prompt(n, 200) for n in range(6)]
    probe = Drive(model)
    probe.run(talks[0], 4)
    tier = Tier(model, tmp_path, cache_bytes=probe.scheduler.cache.nbytes * 5 // 2)
    for n, tokens in enumerate(talks):
        tier.drive.run(tokens, 4, origin=Origin(f"{n}"))
    assert tier.cache.evicted["budget"] >= 3
    while len(tier.disk._errands) or not tier.reports.empty():
        tier.take()
    assert tier.recalled(talks[5]) is None  # that one is in memory
    assert tier.recalled([*talks[0], 7]) is not None
    assert tier.drive.run([*talks[0], 7], 4).cached == 200
    tier.leave()


def test_told_dropped_and_forgotten(models: Models, tmp_path: Path) -> None:
    first = Tier(models("plain"), tmp_path)
    first.drive.run(prompt(1, 150), 4, origin=TALK)
    first.leave()
    tier = Tier(models("plain"), tmp_path)
    answer = told(tier.cache, tier.disk, AskCache(1))
    assert isinstance(answer, CacheTold)
    (kept,) = answer.cache.entries
    assert (kept.where, kept.tokens, kept.opening, kept.root) == ("disk", 153, "Hello", "c0de")
    assert answer.cache.disk_bytes > 150 * models("plain").info.kv_bytes_per_token
    dropped = told(tier.cache, tier.disk, AskCache(2, "drop", kept.id))
    assert isinstance(dropped, CacheTold)
    assert dropped.cache.entries == ()
    tier.leave()
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_prompt_does_not_come_back(models: Models, tmp_path: Path) -> None:
    first = Tier(models("plain"), tmp_path)
    first.drive.run(prompt(1, 150), 4)
    first.leave()
    tier = Tier(models("plain"), tmp_path)
    sampling = choice(GREEDY.over(NEUTRAL_SAMPLING), models("plain").vocab)
    both = [Prompt(name, prompt(1, 160), sampling, 1) for name in ("stays", "goes")]
    assert [tier.disk.recall(asked, tier.cache) for asked in both] == [True, True]
    tier.disk.cancel("goes")
    assert [back.id for back in tier.take()] == ["stays"]
    tier.leave()


def test_the_oldest_files_make_room_also_those_of_other_models(models: Models, tmp_path: Path) -> None:
    model = models("plain")
    for number, who in enumerate([{"model": "other"}, ME]):
        tier = Tier(model, tmp_path, who=who)
        tier.drive.run(prompt(number, 150), 4)
        tier.leave()
    one = max(path.stat().st_size for path in tmp_path.iterdir())
    tier = Tier(model, tmp_path, budget=one * 5 // 2)
    assert len(tier.disk._others) == len(tier.disk.stored) == 1
    assert tier.recalled(prompt(0, 160)) is None, "another model computed that"
    tier.drive.run(prompt(7, 150), 4)
    tier.leave()
    left = Tier(model, tmp_path, budget=one * 5 // 2)
    assert len(left.disk.stored) == 2
    assert left.disk.nbytes <= left.disk.budget
    left.leave()


def test_what_was_not_used_for_long_is_deleted(models: Models, tmp_path: Path) -> None:
    first = Tier(models("plain"), tmp_path)
    first.drive.run(prompt(1, 150), 4)
    first.leave()
    late = Disk(tmp_path, 1 << 30, -1.0, models("plain").module, ME, lambda report: None)
    late.close(Drive(models("plain")).scheduler.cache, 20)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_nothing_is_a_warning(
    models: Models, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tier = Tier(models("plain"), tmp_path / "gone")
    tier.drive.run(prompt(1, 150), 4)
    shutil.rmtree(tmp_path / "gone")
    with caplog.at_level(logging.WARNING, "mlxtui.engine"):
        tier.disk.keep(tier.cache.entries[0])
        assert tier.take() == []
    assert "can't be kept on disk" in caplog.text
    assert not tier.disk.stored
    assert tier.drive.run(prompt(1, 160), 4).cached == 150
    tier.leave()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, models: Models) -> bytes:
    """A file of a conversation of 100 tokens."""
    directory = tmp_path_factory.mktemp("saved")
    tier = Tier(models("plain"), directory)
    tier.drive.run(prompt(1, 100), 4)
    tier.leave()
    (path,) = directory.iterdir()
    return path.read_bytes()


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_damaged_file_is_never_trusted(
    saved: bytes, tmp_path_factory: pytest.TempPathFactory, models: Models, data: st.DataObject
) -> None:
    header = 8 + int.from_bytes(saved[:8], "little")
    at = data.draw(st.one_of(st.integers(0, header), st.integers(0, len(saved) - 1)))
    how = data.draw(st.sampled_from(["flip", "cut", "more"]))
    flipped = saved[:at] + bytes([saved[at] ^ 1 << data.draw(st.integers(0, 7))]) + saved[at + 1 :]
    damaged = {"flip": flipped, "cut": saved[:at], "more": saved + b"x"}[how]
    path = tmp_path_factory.mktemp("damaged") / NAME
    path.write_bytes(damaged)
    with pytest.raises(Damaged):
        file.read(path)
    tier = Tier(models("plain"), path.parent)
    assert tier.recalled(prompt(1, 110)) is None or not len(tier.cache)
    tier.leave()


def test_a_damaged_file_costs_nothing_but_its_hit(
    saved: bytes, tmp_path: Path, models: Models, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / NAME).write_bytes(saved[:-1] + b"\x55")
    tier = Tier(models("plain"), tmp_path)
    with caplog.at_level(logging.WARNING, "mlxtui.engine"):
        assert [back.id for back in tier.recalled(prompt(1, 110)) or ()] == ["asked"]
    assert "its hash is wrong" in caplog.text
    got = tier.drive.run(prompt(1, 110), 6)
    assert (got.cached, got.tokens) == (0, alone(models("plain"), prompt(1, 110), 6))
    tier.leave()


def test_files_of_others_are_left_alone(tmp_path: Path, models: Models) -> None:
    """Ordinary safetensors, an honest file of other caches, and no file at all."""
    file.write(tmp_path / "a.safetensors", {"version": 1, "identity": ME}, [], 0.0)
    file.write(tmp_path / "b.safetensors", {"hello": 1}, [Tensor("x", "U8", (2,), memoryview(b"ab"))], 0.0)
    (tmp_path / "c.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (tmp_path / "d.safetensors").write_bytes(b"")
    (tmp_path / "model.safetensors.part").write_bytes(b"half a download")
    for path in tmp_path.iterdir():
        os.utime(path, (0.0, 0.0))
    tier = Tier(models("plain"), tmp_path, budget=0)
    assert not tier.disk.stored
    tier.leave()
    assert len(list(tmp_path.iterdir())) == 5


def test_caches_of_another_kind_are_refused(saved: bytes, tmp_path: Path, models: Models) -> None:
    (tmp_path / NAME).write_bytes(saved)
    tier = Tier(models("recurrent"), tmp_path)
    assert tier.recalled(prompt(1, 110)) is not None
    assert not len(tier.cache)
    tier.leave()


def test_what_a_killed_server_left_half_written_is_deleted(tmp_path: Path, models: Models) -> None:
    for name, age in ((f"{NAME}.1.part", 3600), (f"{NAME}.2.part", 1)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    Tier(models("plain"), tmp_path).leave()
    assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.2.part"]


def test_files_are_private_and_named_by_no_text(tmp_path: Path, models: Models) -> None:
    tier = Tier(models("plain"), tmp_path / "cache")
    tier.drive.run(prompt(1, 100), 4, origin=TALK)
    tier.leave()
    (path,) = (tmp_path / "cache").iterdir()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "Hello" not in path.name


def test_models_are_told_apart(model_dir: Any, tmp_path: Path) -> None:
    one = model_dir("plain")
    assert identity(one, "cpu") == identity(one, "cpu")
    other = tmp_path / "other"
    shutil.copytree(one, other)
    assert identity(other, "cpu") == identity(one, "cpu")
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[len(weights) // 2 : len(weights) // 2 + 40_000] = bytes(40_000)
    (other / "model.safetensors").write_bytes(weights)
    assert identity(other, "cpu")["model"] != identity(one, "cpu")["model"]
    assert identity(other, "cpu")["tokenizer"] == identity(one, "cpu")["tokenizer"]


def test_other_weights_of_the_same_size_are_another_model(model_dir: Any, tmp_path: Path) -> None:
    """Also where no sample is taken: what was fused anew has at least another time."""
    shutil.copytree(model_dir("plain"), tmp_path / "fused")
    weights = tmp_path / "fused" / "model.safetensors"
    before, about = identity(tmp_path / "fused", "cpu"), weights.stat()
    content = bytearray(weights.read_bytes())
    content[len(content) // 32 + 5000] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    assert identity(tmp_path / "fused", "cpu") != before


def test_another_blob_behind_the_same_name_is_another_model(model_dir: Any, tmp_path: Path) -> None:
    shutil.copytree(model_dir("plain"), tmp_path / "snapshot")
    weights = tmp_path / "snapshot" / "model.safetensors"
    weights.rename(tmp_path / "blob1")
    shutil.copy2(tmp_path / "blob1", tmp_path / "blob2")
    known = []
    for blob in ("blob1", "blob2"):
        weights.unlink(missing_ok=True)
        weights.symlink_to(tmp_path / blob)
        known.append(identity(tmp_path / "snapshot", "cpu")["model"])
    assert known[0] != known[1]


def _talks(tier: Tier, *numbers: int) -> None:
    """One after another; of 150 tokens each, last used as many seconds after the epoch of a day ago as they say."""
    for number in numbers:
        tier.drive.run(prompt(number, 150), 4, origin=Origin(f"{number}", f"talk {number}"))
    for entry in tier.cache.entries:
        entry.used = time.time() - 1000 + int(entry.origin.root)


def _openings(directory: Path, model: Model, **options: Any) -> list[str]:
    """What a restart would find, the least recently used first."""
    tier = Tier(model, directory, **options)
    found = [stored.origin.opening for stored in sorted(tier.disk.stored, key=lambda stored: stored.used)]
    tier.disk.close(Drive(model).scheduler.cache, 20)
    return found


def test_what_was_used_last_outlives_the_server_where_not_all_fits(models: Models, tmp_path: Path) -> None:
    tier = Tier(models("plain"), tmp_path)
    _talks(tier, 1, 2, 3)
    tier.disk.budget = tier.cache.entries[0].nbytes * 5 // 2
    tier.leave()
    assert _openings(tmp_path, models("plain")) == ["talk 2", "talk 3"]


def test_the_order_and_the_age_survive_a_restart(models: Models, tmp_path: Path) -> None:
    tier = Tier(models("plain"), tmp_path)
    _talks(tier, 1, 2, 3)
    tier.leave()
    assert _openings(tmp_path, models("plain")) == ["talk 1", "talk 2", "talk 3"]
    assert all(time.time() - path.stat().st_mtime > 900 for path in tmp_path.iterdir())


def test_what_was_used_later_never_makes_room(models: Models, tmp_path: Path) -> None:
    tier = Tier(models("plain"), tmp_path)
    _talks(tier, 1, 2)
    older, newer = tier.cache.entries
    tier.disk.budget = newer.nbytes * 3 // 2
    tier.disk.keep(newer)
    tier.disk.keep(older)
    assert [stored.key for stored in tier.disk.stored] == [newer.key]
    tier.leave()


def test_what_memory_has_used_since_is_no_older_on_disk(models: Models, tmp_path: Path) -> None:
    tier = Tier(models("plain"), tmp_path)
    _talks(tier, 1, 2)
    tier.disk.keep(tier.cache.entries[0])
    tier.take()
    tier.cache.entries[0].used = time.time()
    tier.leave()
    assert _openings(tmp_path, models("plain")) == ["talk 2", "talk 1"]


BAD: dict[str, Any] = {
    "hits": float("inf"),
    "created": float("nan"),
    "root": "../../outside",
    "id": ["no", "name"],
    "tokens": "AAAAAAA=",
    "opening": 7,
}


@pytest.mark.parametrize("field", BAD)
def test_a_manifest_that_says_what_none_of_ours_does_is_damaged(
    saved: bytes, tmp_path: Path, models: Models, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / NAME).write_bytes(saved)
    said, tensors = file.read(tmp_path / NAME)
    file.write(tmp_path / NAME, said | {field: BAD[field]}, tensors, time.time())
    with caplog.at_level(logging.WARNING, "mlxtui.engine"):
        tier = Tier(models("plain"), tmp_path)
    assert not tier.disk.stored
    assert "is left out of the prompt cache" in caplog.text
    tier.leave()


@pytest.mark.parametrize("field", ["classes", "rest"])
def test_a_manifest_that_lacks_what_reading_needs_costs_only_the_hit(
    saved: bytes, tmp_path: Path, models: Models, field: str
) -> None:
    (tmp_path / NAME).write_bytes(saved)
    said, tensors = file.read(tmp_path / NAME)
    del said[field]
    file.write(tmp_path / NAME, said, tensors, time.time())
    tier = Tier(models("plain"), tmp_path)
    assert [back.id for back in tier.recalled(prompt(1, 110)) or ()] == ["asked"]
    assert not len(tier.cache)
    tier.leave()


def test_a_header_nested_without_end_is_damaged(tmp_path: Path) -> None:
    head = b"[" * 200_000
    (tmp_path / NAME).write_bytes(len(head).to_bytes(8, "little") + head)
    for read in (file.read, file.read_manifest):
        with pytest.raises(Damaged):
            read(tmp_path / NAME)


def test_where_memory_is_short_nothing_is_copied_for_the_disk(models: Models, tmp_path: Path) -> None:
    tier = Tier(models("plain"), tmp_path)
    _talks(tier, 1, 2)
    tier.cache.shrink(0)
    assert tier.cache.evicted == {"memory": 2}
    assert not tier.disk.stored
    tier.leave()


def test_a_disk_that_stands_still_at_the_end_does_not_pile_up_copies(models: Models, tmp_path: Path) -> None:
    tier = Tier(models("plain"), tmp_path / "cache")
    _talks(tier, *range(10, 22))
    os.mkfifo(tmp_path / "stands still")  # reading it waits for somebody to write
    tier.disk._errands.put(Read(b"", tmp_path / "stands still"))
    tier.disk.close(tier.cache, 0.5)
    (tmp_path / "stands still").write_bytes(b"")
    tier.disk._errands.finish(20)
    assert 1 <= len(list((tmp_path / "cache").iterdir())) <= 4


def test_a_file_that_memory_has_no_room_for_is_not_read(models: Models, tmp_path: Path) -> None:
    first = Tier(models("plain"), tmp_path)
    _talks(first, 1)
    nbytes = first.cache.nbytes
    first.leave()
    tier = Tier(models("plain"), tmp_path, cache_bytes=nbytes // 2)
    assert tier.recalled(prompt(1, 160)) is None
    tier.leave()


@pytest.mark.parametrize("fails", [False, True])
def test_the_longer_file_is_there_before_the_shorter_goes(models: Models, tmp_path: Path, fails: bool) -> None:
    tier = Tier(models("plain"), tmp_path)
    _talks(tier, 1)
    tier.disk.keep(tier.cache.entries[0])
    tier.take()
    (shorter,) = tmp_path.iterdir()
    got = tier.drive.run(prompt(1, 150), 4)
    tier.drive.run([*prompt(1, 150), *got.tokens, *prompt(9, 20)], 4)
    if fails:
        tier.disk._directory = tmp_path / "gone"
    tier.disk.keep(tier.cache.entries[-1])
    tier.take()
    assert shorter.exists() == fails
    assert len(list(tmp_path.iterdir())) == 1
    tier.leave()


def test_a_prompt_that_waits_for_a_file_keeps_its_new_priority(models: Models, tmp_path: Path) -> None:
    first = Tier(models("plain"), tmp_path)
    _talks(first, 1)
    first.leave()
    tier = Tier(models("plain"), tmp_path)
    asked = Prompt("asked", prompt(1, 160), choice(GREEDY.over(NEUTRAL_SAMPLING), models("plain").vocab), 1)
    assert tier.disk.recall(asked, tier.cache)
    tier.disk.prioritise("asked", "high")
    assert [back.priority for back in tier.take()] == ["high"]
    tier.leave()
