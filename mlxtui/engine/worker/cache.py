"""KV caches of finished requests, found again by the longest common prefix: tokens in, a cache to continue from out,
and where the prompt parts from what was known.

Used in place of mlx-lm's LRUPromptCache, whose search walks a trie in Python (seconds for long contexts that part
early), whose eviction is first-in-first-out, and whose trimmed hits keep the longer entry's whole buffer alive.
"""

from __future__ import annotations

import copy
from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import mlx.core as mx
from mlx_lm.models.cache import KVCache, can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache

from mlxtui.engine.interface import Miss, MissReason

MAX_ENTRIES = 256
_REMEMBERED = 64  # entries that had to go: only their tokens, to say so
_SHOWN = 16  # tokens on either side of a parting
_WORTH = 16  # tokens: a shorter common prefix is computed faster than it is copied
_WIDTH = array("I").itemsize


@dataclass(frozen=True, slots=True)
class _Entry:
    caches: list[Any]
    nbytes: int


class Parting(NamedTuple):
    """Why no more of a prompt was found: it parts from the nearest one after `at` tokens, where that had `was`."""

    reason: MissReason
    at: int
    was: Sequence[int]

    def told(self, tokens: Sequence[int], bytes_of: Callable[[int], bytes]) -> Miss:
        """In words, for a prompt of these tokens."""
        if self.reason == "new":
            return Miss("new")
        sides = self.was[:_SHOWN], tokens[self.at : self.at + _SHOWN]
        was, now = (b"".join(map(bytes_of, side)).decode(errors="replace") for side in sides)
        return Miss(self.reason, self.at, was, now)


class Found(NamedTuple):
    """`caches` hold the first `length` tokens; `parting` None: all that was known of this conversation is in use."""

    caches: list[Any]
    length: int
    parting: Parting | None


class PrefixCache:
    """Least recently used entries go first once `max_bytes` are exceeded. Owned by the MLX thread."""

    def __init__(self, module: Any, max_bytes: int) -> None:
        self._module, self._max_bytes = module, max_bytes
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._gone: OrderedDict[bytes, None] = OrderedDict()
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def known(self, tokens: Sequence[int]) -> int:
        """How many of these tokens `fetch` would find."""
        return max(self._usable(self._shared(key_of(tokens))).values(), default=0) // _WIDTH

    def fetch(self, tokens: Sequence[int]) -> Found:
        """The longest beginning of these tokens that is kept; the caller owns its caches, `length` may be 0."""
        wanted = key_of(tokens)
        shared = self._shared(wanted)
        usable = self._usable(shared)
        best = max(usable, key=usable.__getitem__, default=None)
        longest = usable[best] if best is not None else 0
        parting = self._parting(wanted, shared, longest)
        if best is None:
            return Found(make_prompt_cache(self._module), 0, parting)
        self._entries.move_to_end(best)
        caches = copy.deepcopy(self._entries[best].caches)
        _shorten(caches, (len(best) - longest) // _WIDTH)
        return Found(caches, longest // _WIDTH, parting)

    def _shared(self, wanted: bytes) -> dict[bytes, int]:
        """How many bytes each entry begins with as `wanted` does; those with next to nothing in common left out."""
        return {key: n for key in self._entries if (n := _common(wanted, key))}

    def _usable(self, shared: dict[bytes, int]) -> dict[bytes, int]:
        """What can't be cut (recurrent, windows) only serves whole."""
        whole = {key: n for key, n in shared.items() if n == len(key)}
        return whole | {key: n for key, n in shared.items() if can_trim_prompt_cache(self._entries[key].caches)}

    def _parting(self, wanted: bytes, shared: dict[bytes, int], used: int) -> Parting | None:
        gone = {key: n for key in self._gone if (n := _common(wanted, key)) > used}
        known = {**gone, **shared}
        if not known:
            return Parting("new", 0, ())
        # Of equally near ones the one that is used up first: nothing of it is missed.
        nearest = max(known, key=lambda key: (known[key], -len(key)))
        at = known[nearest]
        if at in (len(nearest), len(wanted)) and at == used:
            return None
        reason: MissReason = "evicted" if nearest in gone else "uncut" if at > used else "parted"
        return Parting(reason, at // _WIDTH, memoryview(nearest).cast("I")[at // _WIDTH :].tolist())

    def store(self, tokens: Sequence[int], caches: list[Any]) -> None:
        """Keep a cache that holds exactly these tokens."""
        key = key_of(tokens)
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
        self._gone.pop(key, None)
        self.nbytes += entry.nbytes
        self.shrink(self._max_bytes)
        if len(self._entries) > MAX_ENTRIES:
            self._evict()

    def shrink(self, max_bytes: int | None) -> None:
        """Drop entries until no more than this many bytes are held; None: all may stay."""
        while self._entries and max_bytes is not None and self.nbytes > max_bytes:
            self._evict()

    def _evict(self) -> None:
        oldest = next(iter(self._entries))
        self._drop(oldest)
        self._gone[oldest] = None
        while len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)

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


def key_of(tokens: Sequence[int]) -> bytes:
    """The tokens as bytes, which compare faster."""
    return array("I", tokens).tobytes()


def common_prefix(one: bytes, other: bytes) -> int:
    """Of two keys, in tokens."""
    return _common(one, other) // _WIDTH


def _common(a: bytes, b: bytes) -> int:
    """Bytes in the common prefix, whole tokens: bisection on slices, so that all comparing happens in C.

    0 for what is not worth a copy: most others part at once, and are to cost next to nothing.
    """
    head = _WORTH * _WIDTH
    if a[:head] != b[:head]:
        return 0
    if a.startswith(b):
        return len(b)
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
