"""Our attention against MLX's own: the same numbers for whatever mlx-lm's models ask of it."""

from __future__ import annotations

import platform
from typing import Any

import mlx.core as mx
import pytest

from mlxtui.engine.worker.attention import _fused, attention
from tests.engine.conftest import Models

ROWS, HEADS, QUERIES, KEYS, WIDTH = 3, 4, 5, 40, 16


def some(heads: int, length: int) -> mx.array:
    return mx.random.normal((ROWS, heads, length, WIDTH))


def padded() -> mx.array:
    """(rows, 1, queries, keys): the rows are padded on the left by nothing, some, and all that their queries see."""
    causal = mx.arange(KEYS - QUERIES, KEYS)[:, None] >= mx.arange(KEYS)
    return causal & (mx.array([0, 7, KEYS - 2])[:, None, None, None] <= mx.arange(KEYS))


MASKS = {
    "none": lambda: None,
    "causal": lambda: "causal",
    "window": lambda: mx.arange(KEYS - QUERIES, KEYS)[:, None] < mx.arange(KEYS) + 8,
    "padded": padded,
    "every head its own": lambda: mx.random.bernoulli(0.7, (ROWS, HEADS, QUERIES, KEYS)),
    "added": lambda: mx.random.normal((QUERIES, KEYS)),
}


@pytest.mark.parametrize("groups", [HEADS, 2, 1])
@pytest.mark.parametrize("queries", [1, QUERIES])
@pytest.mark.parametrize("mask", MASKS)
def test_it_is_mlx_s_attention(mask: str, queries: int, groups: int) -> None:
    mx.random.seed(3)
    q, k, v = some(HEADS, QUERIES), some(groups, KEYS), some(groups, KEYS)
    asked: Any = MASKS[mask]()
    if queries == 1:
        q = q[:, :, -1:]
        asked = asked[..., -1:, :] if isinstance(asked, mx.array) else asked
    ours, theirs = (f(q, k, v, scale=0.3, mask=asked) for f in (attention, _fused))
    assert ours.shape == theirs.shape
    assert mx.allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_large_scores_neither_overflow_nor_vanish() -> None:
    q, k, v = 1e3 * some(HEADS, QUERIES), some(HEADS, KEYS), some(HEADS, KEYS)
    ours, theirs = (f(q, k, v, scale=1.0, mask="causal") for f in (attention, _fused))
    assert mx.allclose(ours, theirs, rtol=1e-2, atol=1e-2)


def test_sinks_and_other_floats_are_left_to_mlx() -> None:
    q, k, v = some(HEADS, QUERIES), some(HEADS, KEYS), some(HEADS, KEYS)
    more = {"scale": 0.3, "mask": "causal", "sinks": mx.ones((HEADS,))}
    assert mx.array_equal(attention(q, k, v, **more), _fused(q, k, v, **more))
    half = [part.astype(mx.float16) for part in (q, k, v)]
    assert attention(*half, scale=0.3).dtype == mx.float16


@pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere MLX's own exp is as fast as any")
def test_models_call_it(models: Models) -> None:
    models("plain")
    assert mx.fast.scaled_dot_product_attention is attention
