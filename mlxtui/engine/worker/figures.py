"""Log probabilities of drawn tokens and of the likeliest ones, for the rows that ask; the others pay nothing.

They are of the model's own distribution, before temperature, filters, penalties and masks, as OpenAI's and vLLM's are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import mlx.core as mx

from mlxtui.engine.worker.slot import Slot
from mlxtui.types import Logprob, TokenLogprob

_LEAST = -9999.0  # JSON has no infinity


@dataclass(frozen=True, slots=True)
class Figure:
    """Of one drawn token: its log probability, and ids with those of the likeliest, best first."""

    logprob: float
    top: list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one step, possibly still being computed: `arrays` are drawn (n,), ids (n, k) and logprobs (n, k)."""

    slots: list[Slot]
    arrays: list[mx.array]

    def read(self) -> dict[Slot, Figure]:
        drawn, *tops = (cast(list[Any], array.tolist()) for array in self.arrays)
        ids, logprobs = tops or ([], [])
        found = {}
        for row, slot in enumerate(self.slots):
            count = slot.prompt.top_logprobs or 0
            top = list(zip(ids[row][:count], logprobs[row][:count], strict=True)) if count else []
            found[slot] = Figure(drawn[row], top)
        return found


class Asked:
    """Who asks, among a fixed list of slots. Make a new one when slots join or leave."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        rows = [row for row, slot in enumerate(slots) if slot.prompt.top_logprobs is not None]
        self._slots = [slots[row] for row in rows]
        self._rows = mx.array(rows) if rows else None
        self._most = max((slot.prompt.top_logprobs or 0 for slot in self._slots), default=0)

    def __call__(self, logits: mx.array, drawn: mx.array) -> Figures | None:
        """The figures of tokens (n,) that were drawn by logits (n, vocab); None if nobody asks."""
        if self._rows is None:
            return None
        mine = logits[self._rows].astype(mx.float32)
        mine = mine - mx.logsumexp(mine, axis=-1, keepdims=True)
        arrays = [mx.take_along_axis(mine, drawn[self._rows][:, None], axis=-1)[:, 0]]
        if self._most:
            count = min(self._most, mine.shape[-1])
            ids = mx.argpartition(-mine, kth=count - 1, axis=-1)[:, :count]
            found = mx.take_along_axis(mine, ids, axis=-1)
            order = mx.argsort(-found, axis=-1)
            arrays += [mx.take_along_axis(ids, order, axis=-1), mx.take_along_axis(found, order, axis=-1)]
        return Figures(self._slots, arrays)


def logprob(token: int, figure: Figure, bytes_of: Callable[[int], bytes]) -> Logprob:
    """The figure with the tokens as text and bytes."""
    return Logprob(
        _spelled(token, figure.logprob, bytes_of),
        tuple(_spelled(other, value, bytes_of) for other, value in figure.top),
    )


def _spelled(token: int, value: float, bytes_of: Callable[[int], bytes]) -> TokenLogprob:
    raw = bytes_of(token)
    return TokenLogprob(raw.decode("utf-8", "replace"), raw, max(value, _LEAST))
