"""Caches of several sequences in one: a row each in mlx-lm's batch caches.

What was computed in one pass and goes on together is never taken apart and put together again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import mlx.core as mx
from mlx_lm.models.cache import BatchKVCache, KVCache

if TYPE_CHECKING:
    from mlxtui.engine.worker.slot import Slot


class Rows:
    """What a shared pass leaves: `caches`, one per layer, in which `slots` have a row each, in this order."""

    def __init__(self, slots: Sequence[Slot], caches: list[Any]) -> None:
        self.slots, self.caches = list(slots), caches

    def extract(self, slot: Slot) -> list[Any]:
        """A plain cache of its own."""
        row = self.slots.index(slot)
        own = [cache.extract(row) for cache in self.caches]
        mx.eval([cache.state for cache in own])  # a lazy slice would keep all rows alive
        return own


def joined(slots: Sequence[Slot]) -> list[Any]:
    """One batch cache per layer, with a row for each of these slots in this order."""
    first, *others = [_of(rows, list(mine)) for rows, mine in groupby(slots, key=lambda slot: slot.rows)]
    for other in others:
        for cache, more in zip(first, other, strict=True):
            cache.extend(more)
    return first


def _of(rows: Rows | None, slots: list[Slot]) -> list[Any]:
    """As the pass left them, if all that were in it are there."""
    return rows.caches if rows and rows.slots == slots else merge([slot.plain() for slot in slots])


def merge(caches: list[list[Any]]) -> list[Any]:
    """One batch cache per layer from the plain caches of several sequences."""
    return [_merged(layer) for layer in zip(*caches, strict=True)]


def _merged(layer: Sequence[Any]) -> Any:
    """As mlx-lm's own merge, with room for the next tokens where it can be had: the first of them would copy it all."""
    if not all(type(cache) is KVCache and cache.keys is not None for cache in layer):
        return layer[0].merge(list(layer))
    longest = max(cache.offset for cache in layer)
    merged = BatchKVCache([longest - cache.offset for cache in layer])
    merged.keys = _aligned([cache.keys[..., : cache.offset, :] for cache in layer], longest)
    merged.values = _aligned([cache.values[..., : cache.offset, :] for cache in layer], longest)
    merged.offset += longest
    merged._idx = longest
    return merged


def _aligned(rows: list[mx.array], longest: int) -> mx.array:
    """(n, heads, longest + room, width): each row ends at `longest`."""
    _, heads, _, width = rows[0].shape
    out = mx.zeros((len(rows), heads, longest + BatchKVCache.step, width), rows[0].dtype)
    for i, row in enumerate(rows):
        out[i : i + 1, :, longest - row.shape[2] : longest] = row
    return out
