"""One cache entry as a file: safetensors with a manifest and a hash over all of it. Bytes and JSON only, no MLX, no
pickle: whatever is not exactly what was written is Damaged, and never read further.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

_BLOCK = 1 << 20  # bytes: what has just been read is hashed while the processor still has it at hand
_LENGTH = 8
_MOST_HEADER = 64 << 20


class Damaged(Exception):
    """It is no file of ours, or no longer; its text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Raw bytes in row order; `dtype` as safetensors names it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: memoryview


def write(path: Path, manifest: Mapping[str, Any], tensors: Sequence[Tensor], used: float) -> None:
    """Whole or not at all, readable by its owner only. Its time is when it was last `used`, in Unix seconds.

    Raises:
        OSError: the disk is full, or not ours to write.
    """
    head = _header(manifest, tensors)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(unfinished, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(len(head).to_bytes(_LENGTH, "little") + head)
            for tensor in tensors:
                file.write(tensor.data)
        os.utime(unfinished, (used, used))
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def _header(manifest: Mapping[str, Any], tensors: Sequence[Tensor]) -> bytes:
    table: dict[str, Any] = {}
    at = 0
    for tensor in tensors:
        end = at + tensor.data.nbytes
        table[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (at, end)}
        at = end
    about = json.dumps(manifest, sort_keys=True)
    hashed = _hash(about, table, (tensor.data for tensor in tensors))
    return json.dumps({"__metadata__": {"mlxtui": about, "sha256": hashed}, **table}).encode()


def _hash(about: str, table: Mapping[str, Any], data: Any) -> str:
    digest = sha256(json.dumps([about, table], sort_keys=True).encode())
    for part in data:
        digest.update(part)
    return digest.hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """What the file says of itself, unproved: enough to know whether to read the rest.

    Raises:
        Damaged: it can't be read.
    """
    try:
        with path.open("rb") as file:
            manifest: dict[str, Any] = json.loads(_head(file)["__metadata__"]["mlxtui"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"its header can't be read ({type(error).__name__})") from error
    if not isinstance(manifest, dict):
        raise Damaged("its manifest is no object")
    return manifest


def read(path: Path) -> tuple[dict[str, Any], list[Tensor]]:
    """All of it, proved by its hash.

    Raises:
        Damaged: it differs from what was written by as much as a bit.
    """
    try:
        with path.open("rb") as file:
            head = _head(file)
            data = np.empty(os.fstat(file.fileno()).st_size - file.tell(), np.uint8).data
            about = head.pop("__metadata__")
            if _hash(about["mlxtui"], head, _blocks(file, data)) != about["sha256"]:
                raise Damaged("its hash is wrong")
        tensors = [_tensor(name, entry, data) for name, entry in head.items()]
        return json.loads(about["mlxtui"]), tensors
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(f"it can't be read ({type(error).__name__})") from error


def _blocks(file: Any, room: memoryview) -> Iterator[memoryview]:
    """What is in the file, read into `room`, one block after the other."""
    at = 0
    while count := file.readinto(room[at : at + _BLOCK]):
        yield room[at : at + count]
        at += count


def _head(file: Any) -> dict[str, Any]:
    length = int.from_bytes(file.read(_LENGTH), "little")
    if not 0 < length <= _MOST_HEADER:
        raise ValueError(length)
    head: dict[str, Any] = json.loads(file.read(length))
    return head


def _tensor(name: str, entry: Mapping[str, Any], data: memoryview) -> Tensor:
    begin, end = entry["data_offsets"]
    return Tensor(name, entry["dtype"], tuple(entry["shape"]), data[begin:end])
