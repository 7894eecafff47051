"""Puts a fast BLAS under MLX's CPU backend on Linux; knows nothing of MLX itself.

The Linux wheel of MLX links netlib's reference BLAS. A library loaded earlier with global symbols
wins the lookup: OpenBLAS is many times faster in f32 matrix products. macOS has Accelerate and needs nothing.
"""

from __future__ import annotations

import ctypes
import os
import sys

_NAMES = ("libopenblas.so.0", "libopenblas.so")


def preload() -> str | None:
    """Load OpenBLAS for all libraries loaded after it; its name, or None where there is none. Call before MLX."""
    if sys.platform != "linux":
        return None
    # One core stays free for the HTTP side: OpenBLAS' waiting threads spin.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 2) // 2)))
    for name in _NAMES:
        try:
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return name
    return None
