"""Tokens as bytes, which compare fast: how much two prompts have in common."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

WORTH = 16  # tokens: a shorter common prefix is computed faster than it is copied
WIDTH = array("I").itemsize


def key_of(tokens: Sequence[int]) -> bytes:
    """The tokens as bytes."""
    return array("I", tokens).tobytes()


def tokens_of(key: bytes, first: int = 0) -> list[int]:
    """The tokens of a key, from number `first` on."""
    return memoryview(key).cast("I")[first:].tolist()


def common_prefix(one: bytes, other: bytes) -> int:
    """Of two keys, in tokens."""
    return common_bytes(one, other) // WIDTH


def common_bytes(a: bytes, b: bytes) -> int:
    """Bytes in the common prefix, whole tokens: bisection on slices, so that all comparing happens in C.

    0 for what is not worth a copy: most others part at once, and are to cost next to nothing.
    """
    head = WORTH * WIDTH
    if a[:head] != b[:head]:
        return 0
    if a.startswith(b):
        return len(b)
    low, high = 0, min(len(a), len(b)) // WIDTH
    while low < high:
        middle = (low + high + 1) // 2
        if a[low * WIDTH : middle * WIDTH] == b[low * WIDTH : middle * WIDTH]:
            low = middle
        else:
            high = middle - 1
    return low * WIDTH
