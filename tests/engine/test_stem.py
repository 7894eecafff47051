"""A system prompt of several conversations is kept once before one of them has to go, and each is found as it was."""

from __future__ import annotations

import gc
from pathlib import Path

import mlx.core as mx
import pytest

from mlxtui.engine.worker.cache.entry import Origin
from mlxtui.engine.worker.cache.prefix import PrefixCache
from tests.engine.conftest import Models
from tests.engine.drive import Drive, alone, prompt
from tests.engine.test_cache import BYTES, _cache, _kv, _recurrent
from tests.engine.test_disk import Tier

SYSTEM, OWN = 1000, 200
COMMON = list(range(SYSTEM))


def talk(number: int, length: int = OWN) -> list[int]:
    return [*COMMON, *(10_000 * (number + 1) + i for i in range(length))]


def root(number: int) -> Origin:
    return Origin(root=f"{number:08x}")


def filled(count: int, budget: int) -> PrefixCache:
    """Conversations with one system prompt; each token's keys say which it is."""
    cache = _cache(budget)
    for number in range(count):
        store(cache, talk(number), root(number))
    return cache


def store(cache: PrefixCache, tokens: list[int], origin: Origin) -> None:
    caches = _kv(len(tokens))
    caches[0].keys = mx.array(tokens, dtype=mx.float32).reshape(1, 1, -1, 1)
    caches[0].values = -caches[0].keys
    cache.store(tokens, caches, origin)


def test_while_there_is_room_nobody_shares() -> None:
    cache = filled(4, 5000)
    assert cache.nbytes == 4 * (SYSTEM + OWN) * BYTES
    assert not any(entry.stem for entry in cache.entries)


def test_a_shared_beginning_is_kept_and_counted_once_before_anybody_has_to_go() -> None:
    cache = filled(8, 2 * (SYSTEM + OWN) + 1000)
    assert len(cache) == 8
    held = {id(entry.stem): entry.stem for entry in cache.entries if entry.stem}
    loose = [entry for entry in cache.entries if not entry.stem]
    assert len(held) == 1
    assert cache.nbytes == (SYSTEM + (8 - len(loose)) * OWN + len(loose) * (SYSTEM + OWN)) * BYTES
    assert max(entry.nbytes for entry in cache.entries if entry.stem) < (OWN + SYSTEM // 4) * BYTES


@pytest.mark.parametrize("length", [SYSTEM + OWN, SYSTEM + 7, SYSTEM, SYSTEM - 300])
@pytest.mark.parametrize("own", [True, False])
def test_what_shares_is_found_as_it_was(length: int, own: bool) -> None:
    cache = filled(8, 3000)
    wanted = [*talk(0)[:length], 77, 78]
    caches, found, _ = cache.fetch(wanted, root(0 if own else 99))
    assert found == caches[0].offset == length
    assert caches[0].keys[0, 0, :length, 0].tolist() == wanted[:length]
    assert caches[0].values[0, 0, :length, 0].tolist() == [-token for token in wanted[:length]]
    caches[0].update_and_fetch(mx.zeros((1, 1, 5, 1)), mx.zeros((1, 1, 5, 1)))
    assert cache.fetch(talk(1), root(98)).caches[0].keys[0, 0, :, 0].tolist() == talk(1)


def test_who_goes_on_leaves_the_others_the_beginning_and_comes_back_to_it() -> None:
    cache = filled(8, 3000)
    before = {entry.id for entry in cache.entries}
    cache.fetch([*talk(0), 77], root(0))
    assert len(cache) == 7
    store(cache, talk(0, OWN + 50), root(0))
    assert {entry.id for entry in cache.entries} == before
    assert cache.nbytes <= 3000 * BYTES


def test_the_last_to_leave_takes_the_beginning_along() -> None:
    cache = filled(8, 3000)
    while cache.entries:
        cache.drop(cache.entries[0])
        assert cache.nbytes >= 0
    assert cache.nbytes == 0


def test_one_conversation_s_turns_share_nothing_and_neither_do_strangers() -> None:
    turns = _cache(3000)
    for number in range(4):
        store(turns, talk(number), root(0))
    strangers = _cache(3000)
    for number in range(4):
        store(strangers, [number, *talk(number)], root(number))
    brief = _cache(1000)
    for number in range(4):
        store(brief, [*range(400), *range(5000 * (number + 1), 5000 * (number + 1) + 200)], root(number))
    uncut = PrefixCache(turns._module, 40)
    for number in range(4):
        uncut.store(talk(number), _recurrent(), root(number))
    assert not any(entry.stem for cache in (turns, strangers, brief, uncut) for entry in cache.entries)
    assert [len(cache) for cache in (turns, strangers, brief, uncut)] == [2, 2, 1, 2]


def test_answers_are_the_same_whether_the_beginning_is_shared_or_not_and_the_memory_is_free(models: Models) -> None:
    model = models("plain")
    system = prompt(1, 900)
    talks = [system + prompt(10 + number, 60) for number in range(6)]
    wanted = [alone(model, tokens + prompt(50, 9), 8) for tokens in talks]
    per_token = model.info.kv_bytes_per_token
    drive = Drive(model, cache_bytes=2500 * per_token)
    gc.collect()
    base = mx.get_active_memory()
    for number, tokens in enumerate(talks):
        drive.run(tokens, 1, origin=root(number))
    cache = drive.scheduler.cache
    assert len(cache) == 6
    assert any(entry.stem for entry in cache.entries)
    gc.collect()
    mx.clear_cache()
    assert mx.get_active_memory() - base < 1.1 * 2500 * per_token
    for number, tokens in enumerate(talks):
        got = drive.run(tokens + prompt(50, 9), 8, origin=root(number))
        assert got.cached >= len(tokens)
        assert got.tokens == wanted[number]


def test_on_disk_each_conversation_is_whole(models: Models, tmp_path: Path) -> None:
    model, system = models("plain"), prompt(1, 900)
    talks = [system + prompt(10 + number, 100) for number in range(3)]
    first = Tier(model, tmp_path, cache_bytes=1900 * model.info.kv_bytes_per_token)
    for number, tokens in enumerate(talks):
        first.drive.run(tokens, 1, origin=root(number))
    assert sum(bool(entry.stem) for entry in first.cache.entries) >= 2
    first.leave()
    second = Tier(model, tmp_path)
    for number, tokens in enumerate(talks):
        asked = tokens + prompt(50, 9)
        assert second.recalled(asked)
        got = second.drive.run(asked, 8, origin=root(number))
        assert got.cached >= len(tokens)
        assert got.tokens == alone(model, asked, 8)
    second.leave()
