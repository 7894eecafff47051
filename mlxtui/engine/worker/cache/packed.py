"""Caches to tensors and back, on the thread that owns MLX. What can't be rebuilt exactly is refused, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.models import cache as kinds

from mlxtui.engine.worker.cache.file import Damaged, Tensor

_DTYPES = {
    "F32": mx.float32,
    "F16": mx.float16,
    "BF16": mx.bfloat16,
    "I64": mx.int64,
    "I32": mx.int32,
    "U32": mx.uint32,
    "U8": mx.uint8,
    "BOOL": mx.bool_,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def pack(caches: Sequence[Any]) -> tuple[list[Tensor], dict[str, Any]]:
    """Tensors, and what else is in the caches' states; the bytes stay valid as long as the tensors are held.

    Raises:
        ValueError: these caches have something in them that has no form on disk.
    """
    flat = tree_flatten([[cache.state] for cache in caches], is_leaf=lambda part: not isinstance(part, list | tuple))
    arrays = {name: mx.contiguous(part) for name, part in flat if isinstance(part, mx.array)}
    rest = {name: part for name, part in flat if not isinstance(part, mx.array)}
    if unknown := [type(part).__name__ for part in rest.values() if not isinstance(part, int | float | str | None)]:
        raise ValueError(f"a cache holds a {unknown[0]}")
    raw = {name: array.reshape(-1).view(mx.uint8) for name, array in arrays.items()}
    mx.eval(list(raw.values()))
    return [Tensor(name, _NAMES[array.dtype], array.shape, _bytes(raw[name])) for name, array in arrays.items()], rest


def _bytes(raw: Any) -> memoryview:
    """Of an evaluated array, without a copy; they keep it alive."""
    return memoryview(raw)


def unpack(module: Any, classes: Sequence[str], tensors: Sequence[Tensor], rest: Mapping[str, Any]) -> list[Any]:
    """The caches that were packed.

    Raises:
        Damaged: they are not those of this model.
    """
    if list(classes) != class_names(kinds.make_prompt_cache(module)):
        raise Damaged("its caches are of another kind than the model's")
    try:
        flat = [(tensor.name, _array(tensor)) for tensor in tensors] + list(rest.items())
        states = tree_unflatten(flat)
        caches = [getattr(kinds, name).from_state(state) for name, (state,) in zip(classes, states, strict=True)]
        mx.eval([cache.state for cache in caches])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise Damaged(f"its caches can't be rebuilt ({type(error).__name__}: {error})") from error
    return caches


def class_names(caches: Sequence[Any]) -> list[str]:
    return [type(cache).__name__ for cache in caches]


def _array(tensor: Tensor) -> mx.array:
    raw = mx.array(np.frombuffer(tensor.data, dtype=np.uint8))
    return raw.view(_DTYPES[tensor.dtype]).reshape(tensor.shape)
