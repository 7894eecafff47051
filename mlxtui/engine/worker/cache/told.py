"""Answers what the server asks about the prompt cache: on the owner thread, between two steps, touching no array."""

from __future__ import annotations

from mlxtui.engine.interface import Failure
from mlxtui.engine.wire import AskCache, CacheTold, Declined
from mlxtui.engine.worker.cache.disk import Disk
from mlxtui.engine.worker.cache.entry import Entry
from mlxtui.engine.worker.cache.keys import WIDTH
from mlxtui.engine.worker.cache.prefix import PrefixCache
from mlxtui.engine.worker.cache.stored import Stored
from mlxtui.kept import Cache, Kept


def told(cache: PrefixCache, disk: Disk | None, asked: AskCache) -> CacheTold | Declined:
    """Do what is asked for, then tell what is kept."""
    entry = next((entry for entry in cache.entries if entry.id == asked.id), None)
    stored = next((stored for stored in disk.stored if stored.id == asked.id), None) if disk else None
    if asked.action is None:
        return CacheTold(asked.ticket, _view(cache, disk))
    if disk and stored and asked.action == "drop":
        disk.forget(stored)
        if entry is None:
            return CacheTold(asked.ticket, _view(cache, disk))
    if entry is None:
        why = f"in memory the prompt cache keeps nothing by the name of {asked.id[:64]!r} (any more)"
        return Declined(asked.ticket, Failure("", "cache_entry_not_found", why, "id"))
    if asked.action == "drop":
        cache.drop(entry)
    else:
        entry.pinned = asked.action == "pin"
    return CacheTold(asked.ticket, _view(cache, disk))


def _view(cache: PrefixCache, disk: Disk | None) -> Cache:
    return Cache(
        cache.max_bytes,
        cache.nbytes,
        (*map(_kept, reversed(cache.entries)), *_on_disk(cache, disk)),
        dict(cache.evicted),
        tuple(reversed(cache.recent)),
        disk.budget if disk else 0,
        disk.nbytes if disk else 0,
    )


def _on_disk(cache: PrefixCache, disk: Disk | None) -> list[Kept]:
    """What is not in memory as well, the last used first."""
    loaded = {entry.id for entry in cache.entries}
    stored = sorted(disk.stored if disk else (), key=lambda stored: -stored.used)
    return [_kept(each) for each in stored if each.id not in loaded]


def _kept(held: Entry | Stored) -> Kept:
    return Kept(
        id=held.id,
        root=held.origin.root,
        opening=held.origin.opening,
        tokens=len(held.key) // WIDTH,
        nbytes=held.nbytes,
        hits=held.hits,
        created=held.created,
        used=held.used,
        pinned=isinstance(held, Entry) and held.pinned,
        where="memory" if isinstance(held, Entry) else "disk",
        request=held.origin.job,
    )
