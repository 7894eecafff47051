"""What the prompt cache keeps, as values: told by the worker, sent as JSON, shown by the dashboard.

The beginning of a conversation's text is in here, so this never goes into the event stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

EvictionReason = Literal["outgrown", "passing", "quota", "budget", "memory", "dropped"]
"""Why something is kept no more. "outgrown": a later turn holds nearly all of it. "passing": it was short and came
once, and such ones hold more than their share. "quota": its conversation holds more than its share. "budget": it was
used least recently. "memory": running requests need the bytes. "dropped": somebody wanted it.
"""

CacheAction = Literal["pin", "unpin", "drop"]


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry. Times are Unix time. `root` names its conversation, `opening` is how that begins, cut and safe to
    show; `request` is the last that was part of it, `client` who sent that, "" where it is not known any more.
    """

    id: str
    root: str
    opening: str
    tokens: int
    nbytes: int
    hits: int
    created: float
    used: float
    pinned: bool
    where: Literal["memory", "disk"]
    request: str
    client: str = ""


@dataclass(frozen=True, slots=True)
class Evicted:
    """An entry that is gone since `t`."""

    t: float
    id: str
    opening: str
    tokens: int
    nbytes: int
    reason: EvictionReason


@dataclass(frozen=True, slots=True)
class Cache:
    """`entries`: the one used last comes first. `recent` evictions, the newest first; `evicted` counts all of them.

    Bytes on disk are those of all models' files.
    """

    budget: int = 0
    nbytes: int = 0
    entries: tuple[Kept, ...] = ()
    evicted: Mapping[str, int] = field(default_factory=dict)
    recent: tuple[Evicted, ...] = ()
    disk_budget: int = 0
    disk_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cache:
        """What `to_json` wrote.

        Raises:
            ValueError: it was written by another version.
        """
        try:
            parts = {
                "entries": tuple(Kept(**entry) for entry in data["entries"]),
                "recent": tuple(Evicted(**gone) for gone in data["recent"]),
            }
            return cls(**{**data, **parts})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not what this version of mlxtui keeps: {error}") from error
