"""What a file of the prompt cache says of itself, out of an entry and back. What it says is not trusted: it may be
anybody's. Knows neither MLX nor the disk.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from secrets import token_hex
from typing import Any

from mlxtui.engine.worker.cache.entry import Entry, Origin, shown
from mlxtui.engine.worker.cache.file import Damaged
from mlxtui.engine.worker.cache.keys import WIDTH

VERSION = 1
_OURS = re.compile(r"(text|[0-9a-f]+)-[0-9a-f]{16}\.safetensors(?P<part>\.\d+\.part)?")
_HEX = re.compile("[0-9a-f]{0,64}")
_MOST_HITS = 1 << 53  # what every reader of JSON still counts exactly


@dataclass(slots=True, eq=False)
class Held:
    """A file the cache has written, whichever model's. `used` in Unix seconds."""

    path: Path
    nbytes: int
    used: float


@dataclass(slots=True, eq=False)
class Stored(Held):
    """A file of this model's, by what it says of itself."""

    key: bytes
    id: str
    origin: Origin
    created: float
    hits: int
    cuttable: bool


def new_name(root: str) -> str:
    return f"{root or 'text'}-{token_hex(8)}.safetensors"


def whole(path: Path) -> bool | None:
    """Whether it is a finished file of the cache's; False: a half-written one, None: not the cache's to touch."""
    name = _OURS.fullmatch(path.name)
    return None if name is None else name["part"] is None


def manifest(
    entry: Entry, classes: Sequence[str], rest: Mapping[str, Any], identity: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "version": VERSION,
        "identity": dict(identity),
        "tokens": base64.b64encode(entry.key).decode(),
        "classes": [*classes],
        "rest": dict(rest),
        "root": entry.origin.root,
        "key": entry.origin.key,
        "opening": entry.origin.opening,
        "id": entry.id,
        "created": entry.created,
        "hits": entry.hits,
        "cuttable": entry.cuttable,
    }


def stored(held: Held, said: Mapping[str, Any], identity: Mapping[str, str]) -> Stored | None:
    """None: another model's, or another version's.

    Raises:
        Damaged: the manifest lacks something, or says what no manifest of ours does.
    """
    if said.get("version") != VERSION or said.get("identity") != identity:
        return None
    try:
        key = base64.b64decode(said["tokens"], validate=True)
        root, name, created, hits = said["root"], said["id"], float(said["created"]), int(said["hits"])
        if not all(map(_HEX.fullmatch, (root, said["key"], name))):
            raise ValueError("its names")
        if len(key) % WIDTH or not isfinite(created) or not 0 <= hits < _MOST_HITS:
            raise ValueError("its numbers")
        origin = Origin(root, shown(said["opening"]), key=said["key"])
        return Stored(held.path, held.nbytes, held.used, key, name, origin, created, hits, bool(said["cuttable"]))
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError) as error:
        raise Damaged(f"its manifest lacks or misuses {error}") from error
