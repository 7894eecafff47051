"""One model on disk, as the command line, the server and the dashboard speak of it; and whether memory will do for it.

Pure values: nothing here looks at a disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Source = Literal["embedded", "hub", "folder"]
Fit = Literal["fits", "tight", "too big"]

SMALL_MACHINE = 36 << 30
AT_EASE, AT_MOST = 0.70, 0.95


@dataclass(frozen=True, slots=True)
class Entry:
    """`id` is what `up` and `load` take: a Hugging Face id, a directory, or the embedded model's name.

    `weights_bytes`: of the safetensors files alone. `context_length` None and the words "": its config.json does not
    say. `trouble` is why it can't be loaded, empty where nothing is known against it. `loaded`: by the
    server that tells of it.
    """

    id: str
    name: str
    source: Source
    path: str
    size_bytes: int
    weights_bytes: int
    architecture: str
    quantisation: str
    context_length: int | None
    fit: Fit
    trouble: str = ""
    loaded: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """Raises:
        ValueError: it was written by another version.
        """
        try:
            entry = cls(**data)
        except TypeError as error:
            raise ValueError(f"not a model of this version of mlxtui: {error}") from error
        if entry.source not in get_args(Source) or entry.fit not in get_args(Fit):
            raise ValueError(f"not a model of this version of mlxtui: {entry.source!r}, {entry.fit!r}")
        return entry


def fit(weights_bytes: int, memory_bytes: int) -> Fit:
    """Whether weights of this size run on a machine with this much memory.

    Metal recommends to stay under two thirds of it, three quarters on machines with more than 36 GiB
    (recommendedMaxWorkingSetSize), and Linux wants about as much left to itself. "fits": the weights take at most 70 %
    of that, so that conversations have room; "tight": at most 95 %, for few and short ones; above that "too big".
    """
    usable = memory_bytes * (2 / 3 if memory_bytes <= SMALL_MACHINE else 3 / 4)
    if weights_bytes <= AT_EASE * usable:
        return "fits"
    return "tight" if weights_bytes <= AT_MOST * usable else "too big"
