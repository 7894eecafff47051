"""The prompt cache's second tier: what has to leave memory is kept in files, and found again by the prompts that begin
with it, also after a restart. Decides what is written, read and deleted; `errands` does it. Owned by the MLX thread.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from mlxtui.engine.worker.cache.entry import Entry
from mlxtui.engine.worker.cache.errands import Delete, Errands, Read, Recalled, Report, Save
from mlxtui.engine.worker.cache.file import Damaged, read_manifest
from mlxtui.engine.worker.cache.keys import WIDTH, common_bytes, key_of
from mlxtui.engine.worker.cache.packed import class_names, pack, unpack
from mlxtui.engine.worker.cache.prefix import PrefixCache
from mlxtui.engine.worker.cache.stem import unfolded
from mlxtui.engine.worker.cache.stored import Held, Stored, manifest, new_name, stored, whole
from mlxtui.engine.worker.slot import Prompt
from mlxtui.types import Priority

_WORTH = 64  # tokens: fewer are computed sooner than they are read
_WAITING = 4  # writes that may wait for the disk; more would hold memory that was to be free
_ABANDONED = 600.0  # seconds: nobody is still writing that file
_RECENT, _AHEAD = 3600.0, 1 / 2  # seconds, and of the memory: what is read before anybody asks
_RESTED = 300.0  # seconds without use: a conversation that goes on would be written anew with each turn
_log = logging.getLogger("mlxtui.engine")


class Disk:
    """`budget` in bytes for all files in `directory`, whichever model's; `ttl` in seconds since their last use."""

    def __init__(
        self,
        directory: Path,
        budget: int,
        ttl: float,
        module: Any,
        identity: Mapping[str, str],
        deliver: Callable[[Report], None],
    ) -> None:
        self._directory, self.budget, self._ttl = directory, budget, ttl
        self._module, self._identity = module, dict(identity)
        self._stored: dict[bytes, Stored] = {}
        self._others: list[Held] = []  # what the cache has written for other models, or is damaged
        self._reading: dict[bytes, list[Prompt]] = {}
        self._ahead: deque[Stored] = deque()
        self._errands = Errands(deliver)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._scan()

    @property
    def nbytes(self) -> int:
        return sum(held.nbytes for held in self._held)

    @property
    def stored(self) -> list[Stored]:
        return [*self._stored.values()]

    @property
    def _held(self) -> list[Held]:
        return [*self._stored.values(), *self._others]

    def _scan(self) -> None:
        for path in self._directory.iterdir():
            with suppress(FileNotFoundError):  # another server may be deleting its own
                self._look_at(path)
        self._make_room(0, time.time())

    def _look_at(self, path: Path) -> None:
        if (finished := whole(path)) is None:
            return
        about = path.stat()
        held = Held(path, about.st_size, min(about.st_mtime, time.time()))
        if not finished:
            if time.time() - about.st_mtime > _ABANDONED:
                self._errands.put(Delete(path))
            return
        try:
            mine = stored(held, read_manifest(path), self._identity)
        except Damaged as damaged:
            _log.warning("%s is left out of the prompt cache: %s", path.name, damaged)
            mine = None
        if mine and mine.key not in self._stored:
            self._stored[mine.key] = mine
        else:
            self._others.append(held)

    def recall(self, prompt: Prompt, cache: PrefixCache) -> bool:
        """Whether a file has so much more of this prompt than memory that it is being read: `take` gives it back."""
        self._ahead.clear()  # somebody is there: from now on all time is theirs
        wanted = key_of(prompt.tokens[:-1])
        fitting = [stored.key for stored in self._stored.values() if stored.nbytes <= cache.max_bytes]
        shared = {key: common_bytes(wanted, key) for key in fitting}
        usable = {key: n for key, n in shared.items() if n == len(key) or self._stored[key].cuttable}
        best = max(usable, key=usable.__getitem__, default=None)
        if best is None or usable[best] // WIDTH < cache.known(prompt.tokens[:-1]) + _WORTH:
            return False
        self._read(self._stored[best]).append(prompt)
        return True

    def _read(self, stored: Stored) -> list[Prompt]:
        """Have it read, if it isn't being; the prompts that wait for it."""
        if stored.key not in self._reading:
            self._reading[stored.key] = []
            self._errands.put(Read(stored.key, stored.path))
        return self._reading[stored.key]

    def read_ahead(self, cache: PrefixCache) -> None:
        """What was in use shortly before this start, the last used first: those who go on then wait for no disk."""
        room, since = cache.max_bytes * _AHEAD, time.time() - _RECENT
        for held in sorted(self.stored, key=lambda held: -held.used):
            room -= held.nbytes
            if room < 0 or held.used < since:
                break
            self._ahead.append(held)
        self._read_next(cache)

    def _read_next(self, cache: PrefixCache) -> None:
        while self._ahead:
            held = self._ahead.popleft()
            if held.key in self._stored and not any(entry.serves(held.key) for entry in cache.entries):
                self._read(held)
                return

    def cancel(self, job: str) -> None:
        """A prompt that waits for a file does not come back."""
        for waiting in self._reading.values():
            waiting[:] = [prompt for prompt in waiting if prompt.id != job]

    def prioritise(self, job: str, priority: Priority) -> None:
        """A prompt that waits for a file comes back with this priority."""
        for waiting in self._reading.values():
            waiting[:] = [replace(prompt, priority=priority) if prompt.id == job else prompt for prompt in waiting]

    def take(self, report: Report, cache: PrefixCache, *, idle: bool = True) -> list[Prompt]:
        """What has been read goes into memory; returns the prompts that waited for it. Unless the engine is `idle`,
        what nobody waits for is left where it is: taking it in would hold up those who run.
        """
        if not isinstance(report, Recalled):
            if report.failed:
                self._stored.pop(report.save.key, None)
            return []
        waiting, stored = self._reading.pop(report.key, []), self._stored.get(report.key)
        if not (waiting or idle):
            return []
        if stored and (entry := self._rebuilt(stored, report)):
            if waiting:
                entry.used = time.time()
                self._touch(stored, entry.used)
            cache.put(entry)
        elif stored:
            self.forget(stored)
        self._read_next(cache)
        return waiting

    def _touch(self, stored: Stored, used: float) -> None:
        stored.used = used
        with suppress(OSError):  # it may have been deleted meanwhile
            os.utime(stored.path, (used, used))

    def _rebuilt(self, stored: Stored, report: Recalled) -> Entry | None:
        if report.content is None:
            return None
        manifest, tensors = report.content
        try:
            caches = unpack(self._module, manifest["classes"], tensors, manifest["rest"])
        except (Damaged, KeyError, TypeError, AttributeError) as damaged:
            _log.warning("%s is left out of the prompt cache: %s", stored.path.name, damaged)
            return None
        nbytes = sum(cache.nbytes for cache in caches)
        return Entry(
            stored.id,
            stored.key,
            caches,
            nbytes,
            stored.origin,
            stored.created,
            stored.used,
            stored.cuttable,
            stored.hits,
            True,
        )

    def keep(self, entry: Entry) -> None:
        """Write an entry that is about to leave memory, unless it is on disk already."""
        if self._is_news(entry) and len(self._errands) < _WAITING:
            self._save(entry)

    def keep_rested(self, cache: PrefixCache) -> float | None:
        """Write the entry that was not used for longest, if that is long enough: the end has less to write then, and a
        crash takes less. Returns the seconds until there is more to do; None: nothing is, before the next report.
        """
        if len(self._errands):
            return None
        unkept = [entry for entry in cache.entries if not entry.offered and self._is_news(entry)]
        entry = min(unkept, key=lambda entry: entry.used, default=None)
        if entry is None:
            return None
        if (left := entry.used + _RESTED - time.time()) > 0:
            return left
        entry.offered = True
        return None if self._save(entry) else 0.0

    def _is_news(self, entry: Entry) -> bool:
        if stored := self._stored.get(entry.key):
            self._touch(stored, max(entry.used, stored.used))
        return stored is None and len(entry.key) // WIDTH >= _WORTH

    def _save(self, entry: Entry) -> bool:
        """Whether it is being written: if it can be, and fits beside what was used later."""
        outgrown = [old for old in self.stored if old.cuttable and entry.cuttable and entry.key.startswith(old.key)]
        caches = unfolded(entry)
        if not self._make_room(sum(cache.nbytes for cache in caches), entry.used, outgrown):
            return False
        try:
            tensors, rest = pack(caches)
        except (ValueError, KeyError) as error:
            _log.warning("this model's caches can't be kept on disk: %s", error)
            return False
        for old in outgrown:
            self._stored.pop(old.key, None)
        path, size = self._directory / new_name(entry.origin.root), sum(tensor.data.nbytes for tensor in tensors)
        self._stored[entry.key] = Stored(
            path, size, entry.used, entry.key, entry.id, entry.origin, entry.created, entry.hits, entry.cuttable
        )
        about = manifest(entry, class_names(caches), rest, self._identity)
        self._errands.put(Save(entry.key, path, about, tensors, entry.used, tuple(old.path for old in outgrown)))
        return True

    def _make_room(self, wanted: int, used: float, outgrown: Collection[Held] = ()) -> bool:
        """Delete what was not used for too long, then the least recently used until `wanted` bytes, last used at
        `used`, fit beside the rest without the `outgrown`; False: not beside what was used later, nothing is deleted.
        """
        dead = time.time() - self._ttl
        for held in [held for held in self._held if held.used < dead]:
            self.forget(held)
        rest = sorted((held for held in self._held if held not in outgrown), key=lambda held: held.used)
        later = sum(held.nbytes for held in rest if held.used > used)
        if later + wanted > self.budget:
            return False
        left = sum(held.nbytes for held in rest)
        for held in rest:
            if left + wanted <= self.budget:
                break
            self.forget(held)
            left -= held.nbytes
        return True

    def forget(self, held: Held) -> None:
        if isinstance(held, Stored):
            self._stored.pop(held.key, None)
        else:
            self._others.remove(held)
        self._errands.put(Delete(held.path))

    def close(self, cache: PrefixCache, seconds: float) -> None:
        """Write what is in memory, the last used first, as far as it goes in this time."""
        end = time.monotonic() + seconds
        written: SimpleQueue[Report] = SimpleQueue()
        self._errands.deliver = written.put
        copies = 0
        for entry in sorted(cache.entries, key=lambda entry: -entry.used):
            with suppress(Empty):
                while copies >= _WAITING:
                    written.get(timeout=max(0.0, end - time.monotonic()))
                    copies -= 1
            if time.monotonic() > end:
                break
            copies += self._is_news(entry) and self._save(entry)
        self._errands.finish(max(0.1, end - time.monotonic()))
