"""The prefix cache: what is found again, what goes first, and that nothing keeps more memory alive than it counts."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import ArraysCache, KVCache

from mlxtui.engine.interface import Miss
from mlxtui.engine.worker.cache.entry import Origin, Parting
from mlxtui.engine.worker.cache.prefix import PrefixCache


class _Module:
    def make_cache(self) -> list[Any]:
        return [KVCache()]


def _kv(length: int) -> list[Any]:
    cache = KVCache()
    cache.keys = cache.values = mx.arange(length, dtype=mx.float32).reshape(1, 1, length, 1)
    cache.offset = length
    return [cache]


def _recurrent() -> list[Any]:
    cache = ArraysCache(1)
    cache[0] = mx.zeros((1, 4))
    return [cache]


BYTES = 8  # of keys and values per token in _kv


def _cache(max_tokens: int = 10_000) -> PrefixCache:
    return PrefixCache(_Module(), max_tokens * BYTES)


def test_the_longest_common_prefix_is_found() -> None:
    cache = _cache()
    cache.store([*range(50), 1, 2, 3], _kv(53))
    cache.store([*range(40), 7, 8, 9], _kv(43))
    caches, done, _ = cache.fetch([*range(50), 99])
    assert done == 50
    assert caches[0].offset == 50
    assert caches[0].keys.shape[2] == 50  # cut, not just moved back: the rest of the buffer is free
    assert cache.fetch([*range(40), 7, 8])[1] == 42


def test_an_equal_prompt_is_found_whole() -> None:
    cache = _cache()
    cache.store(list(range(50)), _kv(50))
    assert cache.fetch(list(range(50)))[1] == 50


def test_nothing_in_common_gives_a_new_cache() -> None:
    cache = _cache()
    cache.store(list(range(50)), _kv(50))
    caches, done, _ = cache.fetch(list(range(1, 50)))
    assert (done, caches[0].offset) == (0, 0)


def test_a_hit_is_a_copy() -> None:
    cache = _cache()
    cache.store(list(range(50)), _kv(50))
    for _ in range(2):
        caches, *_ = cache.fetch(list(range(60)))
        assert caches[0].keys[0, 0, :50, 0].tolist() == list(range(50))
        caches[0].update_and_fetch(mx.zeros((1, 1, 5, 1)), mx.zeros((1, 1, 5, 1)))
        caches[0].keys[..., 0, :] = 99.0


def test_what_can_not_be_trimmed_serves_only_whole() -> None:
    cache = _cache()
    cache.store(list(range(50)), _recurrent())
    assert cache.fetch(list(range(60)))[1] == 50
    assert cache.fetch(list(range(49)))[1] == 0
    assert cache.fetch([*range(49), 99, 100])[1] == 0


def test_the_least_recently_used_goes_first() -> None:
    cache = _cache(max_tokens=120)
    one, two, three = ([start, *range(49)] for start in (1, 2, 3))
    cache.store(one, _kv(50))
    cache.store(two, _kv(50))
    cache.fetch(one)
    cache.store(three, _kv(50))
    assert [cache.fetch(tokens)[1] for tokens in (one, two, three)] == [50, 0, 50]
    assert (len(cache), cache.nbytes) == (2, 100 * BYTES)


def test_a_longer_trimmable_entry_replaces_its_prefixes() -> None:
    cache = _cache()
    cache.store(list(range(30)), _kv(30))
    cache.store(list(range(50)), _kv(50))
    cache.store(list(range(50)), _kv(50))
    assert (len(cache), cache.nbytes) == (1, 50 * BYTES)


def test_recurrent_entries_keep_their_prefixes() -> None:
    cache = _cache()
    cache.store(list(range(30)), _recurrent())
    cache.store(list(range(50)), _recurrent())
    assert cache.fetch(list(range(40)))[1] == 30


def test_what_exceeds_the_budget_alone_is_not_kept() -> None:
    cache = _cache(max_tokens=40)
    cache.store(list(range(30)), _kv(30))
    cache.store([7, *range(50)], _kv(51))
    assert (len(cache), cache.nbytes) == (1, 30 * BYTES)


def test_tokens_of_wide_vocabularies_are_told_apart() -> None:
    cache = _cache()
    cache.store([262_143] * 20, _kv(20))
    assert cache.fetch([255] * 20)[1] == 0
    assert cache.fetch([262_143] * 20)[1] == 20


def _parted(cache: PrefixCache, tokens: list[int]) -> tuple[str, int, list[int]] | None:
    parting = cache.fetch(tokens).parting
    return parting and (parting.reason, parting.at, list(parting.was))


def test_a_conversation_that_goes_on_misses_nothing() -> None:
    cache = _cache()
    cache.store(list(range(50)), _kv(50))
    assert _parted(cache, list(range(60))) is None
    assert _parted(cache, list(range(50))) is None
    assert _parted(cache, list(range(30))) is None


def test_where_a_prompt_parts_from_the_nearest_one() -> None:
    cache = _cache()
    cache.store([*range(20), 7, 8, 9], _kv(23))
    cache.store([*range(40), 7, 8, 9], _kv(43))
    assert _parted(cache, [*range(40), 5, 6]) == ("parted", 40, [7, 8, 9])


def test_another_branch_does_not_hide_that_all_of_this_one_is_in_use() -> None:
    cache = _cache()
    cache.store([*range(40), 7, 8, 9], _recurrent())
    cache.store(list(range(40)), _recurrent())
    assert _parted(cache, [*range(40), 5, 6]) is None


def test_nothing_alike_is_told_as_new() -> None:
    cache = _cache()
    assert _parted(cache, list(range(50))) == ("new", 0, [])
    cache.store(list(range(50)), _kv(50))
    assert _parted(cache, list(range(1, 50))) == ("new", 0, [])


def test_what_can_not_be_cut_is_told() -> None:
    cache = _cache()
    cache.store([*range(50), 7], _recurrent())
    assert _parted(cache, [*range(50), 5]) == ("uncut", 50, [7])


def test_what_had_to_go_is_told() -> None:
    cache = _cache(max_tokens=60)
    cache.store([1, *range(49)], _kv(50))
    cache.store([2, *range(49)], _kv(50))
    assert _parted(cache, [1, *range(49), 5]) == ("evicted", 50, [])
    cache.store([1, *range(49)], _kv(50))
    assert _parted(cache, [1, *range(49), 5]) is None


def test_a_parting_in_words() -> None:
    parting = Parting("parted", 2, [104, 105])
    assert parting.told([0, 0, 104, 111], lambda token: bytes([token])) == Miss("parted", 2, "hi", "ho")


def test_a_conversation_keeps_its_id_and_hits_as_it_grows() -> None:
    cache = _cache()
    cache.store(list(range(30)), _kv(30), Origin("a", "hello", "job1"))
    before = cache.entries[0]
    cache.fetch(list(range(40)), Origin("a"))
    cache.store(list(range(50)), _kv(50), Origin("a", "hello", "job2"))
    (after,) = cache.entries
    assert (after.id, after.created, after.hits) == (before.id, before.created, 1)
    assert (after.origin.job, after.used >= before.used) == ("job2", True)


def test_what_somebody_dropped_is_not_told_as_evicted() -> None:
    cache = _cache()
    cache.store(list(range(50)), _kv(50))
    cache.drop(cache.entries[0])
    assert cache.fetch(list(range(60))).parting == Parting("new", 0, ())
