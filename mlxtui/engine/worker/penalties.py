"""Penalties and biases: the logits of the rows that have them, changed by what those rows have said so far.

Counts stay on the device and grow by the tokens as they are fed, so no step waits for them. They are made anew from
the slots' tokens when rows join, leave or restart.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from mlxtui.engine.worker.slot import Slot


class Penalties:
    """For a fixed list of slots; false if none of them has any. Make a new one when slots join or leave."""

    def __init__(self, slots: Sequence[Slot], vocab: int) -> None:
        self._places = [row for row, slot in enumerate(slots) if slot.prompt.choice.adjusts]
        if not self._places:
            return
        mine = [slots[row] for row in self._places]
        self._rows, self._each = mx.array(self._places), mx.arange(len(mine))
        back = list(range(len(slots)))
        for at, row in enumerate(self._places):
            back[row] = len(slots) + at
        self._back = mx.array(back)
        choices = [slot.prompt.choice for slot in mine]
        self._presence = mx.array([[c.presence] for c in choices])
        self._frequency = mx.array([[c.frequency] for c in choices])
        self._repetition = mx.array([[c.repetition] for c in choices])
        self._counts = _table([_said(slot) for slot in mine], vocab) if any(c.counts for c in choices) else None
        self._seen = _table([_read(slot) for slot in mine], vocab) if any(c.repetition != 1 for c in choices) else None
        self._bias = mx.array(_biases([c.bias for c in choices], vocab)) if any(c.bias for c in choices) else None
        # The first token fed may be the last of the prompt, which the model has not said.
        self._weights = mx.array([1.0 if slot.joined or slot.generated else 0.0 for slot in mine])

    def __bool__(self) -> bool:
        return bool(self._places)

    def __call__(self, logits: mx.array, fed: mx.array) -> mx.array:
        """The logits (n, vocab) after all rows were fed (n,) one token more."""
        logits = logits.astype(mx.float32)
        mine, tokens = logits[self._rows], fed[self._rows]
        if self._seen is not None:
            self._seen = self._seen.at[self._each, tokens].add(1.0)
            scaled = mx.where(mine > 0, mine / self._repetition, mine * self._repetition)
            mine = mx.where(self._seen > 0, scaled, mine)
        if self._counts is not None:
            self._counts = self._counts.at[self._each, tokens].add(self._weights)
            self._weights = mx.ones_like(self._weights)
            mine = mine - self._frequency * self._counts - self._presence * (self._counts > 0)
        if self._bias is not None:
            mine = mine + self._bias
        return mx.concatenate([logits, mine])[self._back]


def _read(slot: Slot) -> list[int]:
    """Prompt and answer but for the token that is fed next."""
    return slot.tokens[: len(slot.tokens) - slot.unfed]


def _said(slot: Slot) -> list[int]:
    return _read(slot)[len(slot.prompt.tokens) :]


def _table(histories: list[list[int]], vocab: int) -> mx.array:
    """How often each history has each token, (n, vocab)."""
    return mx.array(np.stack([np.bincount(h, minlength=vocab) for h in histories]).astype(np.float32))


def _biases(biases: list[tuple[tuple[int, float], ...]], vocab: int) -> np.ndarray:
    table = np.zeros((len(biases), vocab), np.float32)
    for row, said in zip(table, biases, strict=True):
        for token, bias in said:
            row[token] += bias
    return table
