"""Attention of several queries at once where MLX would take its time: on an x86 CPU. Knows neither models nor caches.

MLX computes exp one number after another there (11 to 14 ns each, whichever operation it is part of), and a prompt of
thousands of tokens spends more time in softmax than in the model's weights. A power of two is libm's work: a third.
"""

from __future__ import annotations

import math
import platform
from typing import Any

import mlx.core as mx

_fused = mx.fast.scaled_dot_product_attention


def install() -> None:
    """Let mlx-lm's models find it under the name that they call, on a CPU; nothing changes on other machines."""
    if platform.machine() in ("x86_64", "AMD64"):
        mx.fast.scaled_dot_product_attention = attention


def attention(
    q: mx.array, k: mx.array, v: mx.array, *, scale: float, mask: Any = None, sinks: Any = None, **more: Any
) -> mx.array:
    """As `mx.fast.scaled_dot_product_attention`: (batch, heads, queries, width) of float32; all else goes there.

    `k` and `v` may have fewer heads. `mask`: "causal", or booleans that can be broadcast.
    """
    many = q.dtype == k.dtype == v.dtype == mx.float32 and q.shape[2] > 1
    if not many or more or sinks is not None or (isinstance(mask, mx.array) and mask.dtype != mx.bool_):
        return _fused(q, k, v, scale=scale, mask=mask, sinks=sinks, **more)
    batch, heads, queries, width = q.shape
    groups, keys = k.shape[1:3]
    rows = (q * (scale * math.log2(math.e))).reshape(batch, groups, -1, width)
    scores = (rows @ k.swapaxes(-1, -2)).reshape(batch, heads, queries, keys)
    if mask is not None:
        allowed = _causal(queries, keys) if isinstance(mask, str) else mask
        scores = mx.where(allowed, scores, mx.finfo(mx.float32).min)  # a row of padding alone stays finite
    weights = mx.power(2.0, scores - scores.max(-1, keepdims=True)).reshape(batch, groups, -1, keys)
    return ((weights @ v) / weights.sum(-1, keepdims=True)).reshape(batch, heads, queries, v.shape[-1])


def _causal(queries: int, keys: int) -> mx.array:
    """(queries, keys): the last query sees all keys, each one before it one fewer."""
    return mx.arange(keys - queries, keys)[:, None] >= mx.arange(keys)
