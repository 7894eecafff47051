"""Room in plain KV caches, one sequence's or a batch's, before it is missed.

By themselves they grow when they are full: all layers in the same pass, each into new memory, and whoever runs waits
for that. Here they grow a layer at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import BatchKVCache, KVCache


def make_room(caches: Sequence[Any], tokens: int) -> bool:
    """For as many more tokens, and some, in the first of the caches that has less; False: there is none. Lazy."""
    for cache in caches:
        used = _used(cache)
        if used and cache.keys.shape[2] - used < tokens:
            length = used + tokens + KVCache.step
            cache.keys, cache.values = (_lengthened(part, used, length) for part in (cache.keys, cache.values))
            return True
    return False


def _used(cache: Any) -> int:
    """Tokens in a cache that can be lengthened; 0 if it is empty or of another kind."""
    if type(cache) is KVCache:
        return cache.offset if cache.keys is not None else 0
    return int(cache._idx) if type(cache) is BatchKVCache and cache.keys is not None else 0


def _lengthened(part: mx.array, used: int, length: int) -> mx.array:
    """(n, heads, length, width): its first `used` tokens, and room."""
    rows, heads, _, width = part.shape
    out = mx.zeros((rows, heads, length, width), part.dtype)
    out[..., :used, :] = part[..., :used, :]
    return out
