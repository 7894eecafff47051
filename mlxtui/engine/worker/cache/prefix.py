"""KV caches of finished requests, found again by the longest common prefix: tokens in, a cache to continue from out,
and where the prompt parts from what was known.

Used in place of mlx-lm's LRUPromptCache, whose search walks a trie in Python (seconds for long contexts that part
early), whose eviction is first-in-first-out, and whose trimmed hits keep the longer entry's whole buffer alive.
"""

from __future__ import annotations

import copy
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import Any, NamedTuple

import mlx.core as mx
from mlx_lm.models.cache import KVCache, can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache

from mlxtui.engine.worker.cache.entry import UNKNOWN, Entry, Origin, Parting
from mlxtui.engine.worker.cache.keys import WIDTH, WORTH, common_bytes, key_of, tokens_of
from mlxtui.engine.worker.cache.quota import next_to_go
from mlxtui.engine.worker.cache.stem import fold, unfolded
from mlxtui.events import MissReason
from mlxtui.kept import Evicted, EvictionReason

MAX_ENTRIES = 256
_LOW = 15 / 16  # of the budget: what is left once it was exceeded, so that not every further store evicts
_RECENT = 32
_REMEMBERED = 64  # entries that had to go: only their tokens, to say so


class Found(NamedTuple):
    """`caches` hold the first `length` tokens; `parting` None: all that was known of this conversation is in use."""

    caches: list[Any]
    length: int
    parting: Parting | None


class PrefixCache:
    """Keeps up to `max_bytes`; what goes first, `quota` decides. Owned by the MLX thread."""

    def __init__(self, module: Any, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._module, self.max_bytes, self._clock = module, max_bytes, clock
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()  # least recently used first
        self._taken: OrderedDict[bytes, Entry] = OrderedDict()  # by requests that still run; without their caches
        self._gone: OrderedDict[bytes, None] = OrderedDict()
        self.evicted: Counter[str] = Counter()
        self.recent: deque[Evicted] = deque(maxlen=_RECENT)
        self.leaving: Callable[[Entry], None] = lambda _: None
        """Told of an entry that is worth something and has to go, while there is memory to copy it."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        return sum(entry.nbytes for entry in self._entries.values())

    @property
    def entries(self) -> list[Entry]:
        """Least recently used first."""
        return [*self._entries.values()]

    def known(self, tokens: Sequence[int]) -> int:
        """How many of these tokens `fetch` would find."""
        return max(self._usable(self._shared(key_of(tokens))).values(), default=0) // WIDTH

    def fetch(self, tokens: Sequence[int], origin: Origin = UNKNOWN) -> Found:
        """The longest beginning of these tokens that is kept; the caller owns its caches, `length` may be 0."""
        wanted = key_of(tokens)
        shared = self._shared(wanted)
        usable = self._usable(shared)
        best = max(usable, key=usable.__getitem__, default=None)
        longest = usable[best] if best is not None else 0
        parting = self._parting(wanted, shared, longest)
        if best is None:
            return Found(make_prompt_cache(self._module), 0, parting)
        entry = self._use(best, origin)
        if longest == len(best) and entry.cuttable and not entry.pinned and origin.root == entry.origin.root != "":
            return Found(self._taken_over(entry), longest // WIDTH, parting)
        if entry.stem:
            return Found(unfolded(entry, longest // WIDTH), longest // WIDTH, parting)
        caches = copy.deepcopy(entry.caches)
        trim_prompt_cache(caches, (len(best) - longest) // WIDTH)
        for cache in caches:
            if type(cache) is KVCache:
                _view(cache)
        return Found(caches, longest // WIDTH, parting)

    def _taken_over(self, entry: Entry) -> list[Any]:
        """What its own conversation goes on with need not be copied: it comes back longer, under the same id."""
        caches = unfolded(entry)
        self._drop(entry.key)
        self._taken[entry.key] = entry
        while len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)
        entry.caches, entry.stem = [], None
        return caches

    def _use(self, key: bytes, origin: Origin) -> Entry:
        self._entries.move_to_end(key)
        entry = self._entries[key]
        entry.hits += 1
        entry.used = self._clock()
        if entry.origin.root == origin.root:
            for mine in self._of(origin.root):
                mine.returned = True
        return entry

    def _of(self, root: str) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.origin.root == root]

    def _shared(self, wanted: bytes) -> dict[bytes, int]:
        """How many bytes each entry begins with as `wanted` does; those with next to nothing in common left out."""
        head = wanted[: WORTH * WIDTH]
        return {key: n for key in self._entries if key.startswith(head) and (n := common_bytes(wanted, key))}

    def _usable(self, shared: dict[bytes, int]) -> dict[bytes, int]:
        """What can't be cut (recurrent, windows) only serves whole."""
        whole = {key: n for key, n in shared.items() if n == len(key)}
        return whole | {key: n for key, n in shared.items() if self._entries[key].cuttable}

    def _parting(self, wanted: bytes, shared: dict[bytes, int], used: int) -> Parting | None:
        gone = {key: n for key in self._gone if (n := common_bytes(wanted, key)) > used}
        known = {**gone, **shared}
        if not known:
            return Parting("new", 0, ())
        # Of equally near ones the one that is used up first: nothing of it is missed.
        nearest = max(known, key=lambda key: (known[key], -len(key)))
        at = known[nearest]
        if at in (len(nearest), len(wanted)) and at == used:
            return None
        reason: MissReason = "evicted" if nearest in gone else "uncut" if at > used else "parted"
        return Parting(reason, at // WIDTH, tokens_of(nearest, at // WIDTH))

    def store(self, tokens: Sequence[int], caches: list[Any], origin: Origin = UNKNOWN) -> None:
        """Keep a cache that holds exactly these tokens."""
        if len(tokens) < WORTH:
            return
        _tighten(caches)
        nbytes = sum(c.nbytes for c in caches)
        if nbytes > self.max_bytes:
            return
        # A row of a batch is a lazy slice that keeps the whole batch's buffer alive until it is computed.
        mx.eval([c.state for c in caches])
        now = self._clock()
        entry = Entry(token_hex(4), key_of(tokens), caches, nbytes, origin, now, now, can_trim_prompt_cache(caches))
        entry.returned = any(other.returned for other in self._of(origin.root))
        self.put(entry)

    def put(self, entry: Entry) -> None:
        """Take in an entry, new or from disk, and make room for it."""
        self._supersede(entry)
        self._entries[entry.key] = entry
        if entry.used < next(iter(self._entries.values())).used:
            self._entries.move_to_end(entry.key, last=False)
        self._gone.pop(entry.key, None)
        self._make_room()

    def _supersede(self, entry: Entry) -> None:
        """What the new entry holds as well goes; the longest of that lives on in it, under its id."""
        known = (*self._entries, *self._taken)
        held = set(filter(entry.serves, known))
        for key in sorted(held, key=len):
            old = self._drop(key) if key in self._entries else self._taken[key]
            self._taken.pop(key, None)
            entry.id, entry.created, entry.hits = old.id, old.created, old.hits
            entry.pinned |= old.pinned
            entry.returned |= old.returned

    def _make_room(self) -> None:
        if self.nbytes > self.max_bytes:
            self.shrink(int(self.max_bytes * _LOW), None)
        if len(self._entries) > MAX_ENTRIES:
            self._evict(None)

    def shrink(self, max_bytes: int | None, reason: EvictionReason | None = "memory") -> None:
        """Share beginnings, then drop entries until no more than this many bytes are held; None: all may stay."""
        while self._entries and max_bytes is not None and self.nbytes > max_bytes:
            if not fold(self.entries):
                self._evict(reason)

    def _evict(self, reason: EvictionReason | None) -> None:
        entry, why = next_to_go(self.entries, self.max_bytes, MAX_ENTRIES)
        if reason is None and why in ("quota", "budget"):  # where memory is short, copies for the disk are too much
            self.leaving(entry)
        self._remove(entry, reason or why)

    def drop(self, entry: Entry) -> None:
        """Forget an entry that somebody has no use for."""
        self._remove(entry, "dropped")

    def _remove(self, entry: Entry, reason: EvictionReason) -> None:
        self._drop(entry.key)
        self.evicted[reason] += 1
        length = len(entry.key) // WIDTH
        self.recent.append(Evicted(self._clock(), entry.id, entry.origin.opening, length, entry.nbytes, reason))
        if reason != "dropped":  # it had not to make room: nobody is to be told so
            self._gone[entry.key] = None
        while len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)

    def _drop(self, key: bytes) -> Entry:
        entry = self._entries.pop(key)
        if entry.stem:
            entry.stem.leave(entry)
        return entry


def forked(caches: list[Any], surplus: int) -> list[Any] | None:
    """A copy without the last `surplus` tokens; None if these caches can't be cut."""
    if surplus and not can_trim_prompt_cache(caches):
        return None
    copied = copy.deepcopy(caches)
    if surplus:
        trim_prompt_cache(copied, surplus)
        for cache in copied:
            if type(cache) is KVCache:
                _cut(cache)
    mx.eval([cache.state for cache in copied])
    return copied


def _view(cache: KVCache) -> None:
    """Trimming only moves the offset: without this the first write would copy the longer entry's whole buffer. Nothing
    is copied before there is room to be made for the next tokens: see `make_room`."""
    cache.keys, cache.values = cache.keys[..., : cache.offset, :], cache.values[..., : cache.offset, :]


def _tighten(caches: list[Any]) -> None:
    """Buffers grow in steps of 256 tokens: of short entries most would be empty."""
    for cache in caches:
        if type(cache) is KVCache and cache.keys.shape[2] - cache.offset > cache.offset // 4:
            _cut(cache)


def _cut(cache: KVCache) -> None:
    cache.keys = mx.contiguous(cache.keys[..., : cache.offset, :])
    cache.values = mx.contiguous(cache.values[..., : cache.offset, :])
