"""What differs between Metal and a CPU, behind capability checks; the rest of the worker never asks which it is.

The wired limit is never touched: setting it has been tied to kernel panics under load (ml-explore/mlx#3186).
"""

from __future__ import annotations

import ctypes
import gc

import mlx.core as mx
import psutil


def on_cpu() -> bool:
    return bool(mx.default_device() == mx.Device(mx.cpu))


def name() -> str:
    """The device as its maker calls it, e.g. "Apple M3 Max" or "AMD EPYC (cpu)"."""
    info = mx.device_info()
    label = str(info.get("device_name", "unknown"))
    return f"{label} (cpu)" if on_cpu() else label


def memory_limit() -> int | None:
    """Bytes that MLX recommends to stay under; None where it names no figure (CPU)."""
    limit = mx.device_info().get("max_recommended_working_set_size")
    return int(limit) if limit else None


def left(weights: int) -> int:
    """Bytes for caches beside these weights once they are loaded; where MLX names no limit, all that is free."""
    limit = memory_limit()
    return int(psutil.virtual_memory().available) if limit is None else limit - weights


def release() -> None:
    """Give memory nobody refers to any more back to the system. On a CPU MLX's buffers come from malloc, which keeps
    what was freed; glibc can be told not to (malloc_trim(3))."""
    gc.collect()
    mx.clear_cache()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def shut_down() -> None:
    """End MLX on the owner thread; without it the interpreter aborts at exit now and then."""
    gc.collect()
    mx.synchronize()
    mx.clear_cache()
    mx.clear_streams()
