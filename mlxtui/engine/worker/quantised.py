"""KV caches of fewer bits: a loaded model comes in, and from then on its plain KV caches are mlx-lm's quantised ones.

mlx-lm can't merge those into a batch (QuantizedKVCache has no `merge`): such a model runs one request at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlx_lm.models.cache import KVCache, QuantizedKVCache

from mlxtui.engine.worker.locate import LoadError

_GROUPS = (64, 32)  # elements that share a scale; mlx's kernels know 128, too, but 64 divides what 128 does


def quantise(name: str, module: Any, bits: int, probe: Sequence[Any]) -> None:
    """Let `make_prompt_cache` give quantised caches; `probe` are plain ones of this model with a token in them.

    Sliding windows and recurrent states stay as they are: mlx-lm has no quantised ones.

    Raises:
        LoadError: there is no plain KV cache, or its heads are of a width that can't be quantised.
    """
    plain = [cache for cache in probe if type(cache) is KVCache]
    if not plain:
        raise LoadError(f"model {name!r} has no KV cache that could be quantised: leave out --kv-bits")
    widths = {array.shape[-1] for cache in plain for array in (cache.keys, cache.values)}
    group = next((size for size in _GROUPS if not any(width % size for width in widths)), None)
    if group is None:
        heads = " and ".join(map(str, sorted(widths)))
        raise LoadError(f"model {name!r} has heads of width {heads}, and --kv-bits needs a multiple of {_GROUPS[-1]}")
    made = getattr(module, "make_cache", None) or (lambda: [KVCache() for _ in module.layers])
    module.make_cache = lambda: [QuantizedKVCache(group, bits) if type(c) is KVCache else c for c in made()]
