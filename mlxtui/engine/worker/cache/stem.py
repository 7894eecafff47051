"""What several conversations begin with (a system prompt, an agent's tools), kept once where there is no room to keep
it for each of them. Entries in, some of them shorter out; knows neither when nor who has to go.

A cache that goes on is one piece, so taking up an entry whose beginning is shared copies all of it: that is why entries
share nothing as long as there is room.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import KVCache

from mlxtui.engine.worker.cache.entry import Entry
from mlxtui.engine.worker.cache.keys import WIDTH, common_bytes

_WORTH = 512  # tokens
_SHARE = 1 / 4  # of an entry's tokens: the rest is copied with it


class Stem:
    """`caches` hold the tokens of `key`, those of each of `entries` what follows in its own. Its bytes are divided
    among them."""

    def __init__(self, key: bytes, caches: list[Any]) -> None:
        self.key, self.caches = key, caches
        self.entries: list[Entry] = []

    def carry(self, entry: Entry) -> None:
        """A layer at a time: while memory is short, only one is there twice."""
        length = len(self.key) // WIDTH
        for layer, cache in enumerate(entry.caches):
            entry.caches[layer] = _part(cache, length, cache.offset)
        entry.stem = self
        self.entries.append(entry)
        self._divide()

    def leave(self, entry: Entry) -> None:
        self.entries.remove(entry)
        self._divide()

    def _divide(self) -> None:
        size = sum(cache.nbytes for cache in self.caches)
        for i, entry in enumerate(self.entries):
            share = size * (i + 1) // len(self.entries) - size * i // len(self.entries)
            entry.nbytes = share + sum(cache.nbytes for cache in entry.caches)


def fold(entries: Sequence[Entry]) -> bool:
    """Let one or two of these (least recently used first) share what they begin with; False: nobody is left to."""
    loose = [entry for entry in entries if _can_share(entry)]
    stems = {id(entry.stem): entry.stem for entry in entries if entry.stem}
    for entry in loose:
        for stem in stems.values():
            if entry.key.startswith(stem.key) and _pays(len(stem.key), entry):
                stem.carry(entry)
                return True
    length, pair = min(_alike(loose), key=lambda found: found[0], default=(0, ()))
    if not pair:
        return False
    stem = Stem(pair[0].key[:length], [_part(cache, 0, length // WIDTH) for cache in pair[0].caches])
    for entry in pair:
        stem.carry(entry)
    return True


def unfolded(entry: Entry, length: int | None = None) -> list[Any]:
    """The first `length` of an entry's tokens, or all, in caches of one piece; lazy. Its own ones if it shares none."""
    if entry.stem is None:
        return entry.caches
    most = len(entry.key) // WIDTH if length is None else length
    return [_joined(*both, most) for both in zip(entry.stem.caches, entry.caches, strict=True)]


def _can_share(entry: Entry) -> bool:
    return entry.stem is None and entry.cuttable and all(type(cache) is KVCache for cache in entry.caches)


def _pays(length: int, entry: Entry) -> bool:
    """Whether as many bytes of an entry's key are worth sharing."""
    return max(_WORTH * WIDTH, int(len(entry.key) * _SHARE)) <= length < len(entry.key)


def _alike(entries: Sequence[Entry]) -> Iterator[tuple[int, tuple[Entry, Entry]]]:
    """Of neighbours by their keys, who have the most in common: how many bytes two conversations share. The turns of
    one are told apart otherwise, see `quota`."""
    for pair in pairwise(sorted(entries, key=lambda entry: entry.key)):
        length = common_bytes(pair[0].key, pair[1].key)
        if pair[0].origin.root != pair[1].origin.root and all(_pays(length, entry) for entry in pair):
            yield length, pair


def _part(cache: KVCache, begin: int, end: int) -> KVCache:
    """A copy of these of its tokens, and of nothing else."""
    copied = _of(*(mx.contiguous(part[..., begin:end, :]) for part in (cache.keys, cache.values)))
    mx.eval(copied.state)
    return copied


def _joined(stem: KVCache, own: KVCache, length: int) -> KVCache:
    more = length - stem.offset
    if more <= 0:
        return _of(stem.keys[..., :length, :], stem.values[..., :length, :])
    pairs = (stem.keys, own.keys), (stem.values, own.values)
    return _of(*(mx.concatenate([first, rest[..., :more, :]], axis=2) for first, rest in pairs))


def _of(keys: mx.array, values: mx.array) -> KVCache:
    cache = KVCache()
    cache.keys, cache.values, cache.offset = keys, values, keys.shape[2]
    return cache
