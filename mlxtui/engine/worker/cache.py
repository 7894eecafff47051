"""KV caches of finished requests, found again by the longest common prefix: tokens in, a cache to continue from out.

Used in place of mlx-lm's LRUPromptCache, whose search walks a trie in Python (seconds for long contexts that part
early), whose eviction is first-in-first-out, and whose trimmed hits keep the longer entry's whole buffer alive.
"""

from __future__ import annotations

import copy
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import KVCache, can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache

MAX_ENTRIES = 256
_WORTH = 16  # tokens: a shorter common prefix is computed faster than it is copied
_WIDTH = array("I").itemsize


@dataclass(frozen=True, slots=True)
class _Entry:
    caches: list[Any]
    nbytes: int


class PrefixCache:
    """Least recently used entries go first once `max_bytes` are exceeded. Owned by the MLX thread."""

    def __init__(self, module: Any, max_bytes: int) -> None:
        self._module, self._max_bytes = module, max_bytes
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def fetch(self, tokens: Sequence[int]) -> tuple[list[Any], int]:
        """A cache that holds the first n of these tokens, and n. The caller owns it; n may be 0."""
        wanted = _key(tokens)
        best, longest = None, _WORTH * _WIDTH - 1
        for key, entry in self._entries.items():
            shared = _usable(wanted, key, entry)
            if shared > longest:
                best, longest = key, shared
        if best is None:
            return make_prompt_cache(self._module), 0
        self._entries.move_to_end(best)
        caches = copy.deepcopy(self._entries[best].caches)
        _shorten(caches, (len(best) - longest) // _WIDTH)
        return caches, longest // _WIDTH

    def store(self, tokens: Sequence[int], caches: list[Any]) -> None:
        """Keep a cache that holds exactly these tokens."""
        key = _key(tokens)
        entry = _Entry(caches, sum(c.nbytes for c in caches))
        if len(tokens) < _WORTH or entry.nbytes > self._max_bytes:
            return
        # A row of a batch is a lazy slice that keeps the whole batch's buffer alive until it is computed.
        mx.eval([c.state for c in caches])
        self._drop(key)
        if can_trim_prompt_cache(caches):
            for shorter in [known for known in self._entries if key.startswith(known)]:
                self._drop(shorter)
        self._entries[key] = entry
        self.nbytes += entry.nbytes
        self.shrink(self._max_bytes)
        if len(self._entries) > MAX_ENTRIES:
            self._drop(next(iter(self._entries)))

    def shrink(self, max_bytes: int | None) -> None:
        """Drop entries until no more than this many bytes are held; None: all may stay."""
        while self._entries and max_bytes is not None and self.nbytes > max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        if entry := self._entries.pop(key, None):
            self.nbytes -= entry.nbytes


def forked(caches: list[Any], surplus: int) -> list[Any] | None:
    """A copy without the last `surplus` tokens; None if these caches can't be cut."""
    if surplus and not can_trim_prompt_cache(caches):
        return None
    copied = copy.deepcopy(caches)
    _shorten(copied, surplus)
    mx.eval([cache.state for cache in copied])
    return copied


def _key(tokens: Sequence[int]) -> bytes:
    return array("I", tokens).tobytes()


def _usable(wanted: bytes, key: bytes, entry: _Entry) -> int:
    """How many bytes of `wanted` this entry can stand for. What can't be trimmed (recurrent) only serves whole."""
    head = _WORTH * _WIDTH
    if wanted[:head] != key[:head]:
        return 0
    if wanted.startswith(key):
        return len(key)
    return _common(wanted, key) if can_trim_prompt_cache(entry.caches) else 0


def _common(a: bytes, b: bytes) -> int:
    """Bytes in the common prefix, whole tokens: bisection on slices, so that all comparing happens in C."""
    low, high = 0, min(len(a), len(b)) // _WIDTH
    while low < high:
        middle = (low + high + 1) // 2
        if a[low * _WIDTH : middle * _WIDTH] == b[low * _WIDTH : middle * _WIDTH]:
            low = middle
        else:
            high = middle - 1
    return low * _WIDTH


def _shorten(caches: list[Any], surplus: int) -> None:
    if surplus <= 0:
        return
    trim_prompt_cache(caches, surplus)
    for cache in caches:
        # Trimming only moves the offset: without the cut the first write would copy the longer entry's whole buffer.
        if type(cache) is KVCache:
            cache.keys = mx.contiguous(cache.keys[..., : cache.offset, :])
            cache.values = mx.contiguous(cache.values[..., : cache.offset, :])
