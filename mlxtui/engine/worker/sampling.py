"""Logits in, token ids out, for a whole batch at once; rows never influence each other.

A row draws by inverting its cumulative distribution at a number in [0, 1) that depends on its own seed and position
only. So a seed gives the same text alone, in any batch, and after a restart of the row; and all rows with the same
filters, whatever their temperatures and seeds, take one call. Filters are mlx-lm's, in mlx-lm's order. What a row has
said before is `penalties`' business.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import mlx.core as mx
from mlx_lm.sample_utils import apply_min_p, apply_top_k, apply_top_p, apply_xtc

from mlxtui.types import Sampling

_COLDEST = 1e-5  # below it a temperature only overflows: take the best token
_SEEDS = (1 << 64) - 1
_Filters = tuple[float, int, float, float | None]
_Filter = Callable[[mx.array, mx.array | None], mx.array]


@dataclass(frozen=True, slots=True)
class Choice:
    """One row's way to choose, with everything decided: `seed` is never None, `top_k` 0 is off and below the vocab.

    `xtc` is (probability, threshold); tokens in `spared` are never excluded by it.
    """

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    seed: int
    presence: float = 0.0
    frequency: float = 0.0
    repetition: float = 1.0
    bias: tuple[tuple[int, float], ...] = ()
    xtc: tuple[float, float] | None = None
    spared: tuple[int, ...] = ()

    @property
    def counts(self) -> bool:
        """What was said before is counted."""
        return bool(self.presence or self.frequency)

    @property
    def adjusts(self) -> bool:
        """Logits are changed before anything is drawn from them."""
        return self.counts or self.repetition != 1.0 or bool(self.bias)

    @property
    def greedy(self) -> bool:
        return self.temperature < _COLDEST

    @property
    def filters(self) -> _Filters | None:
        return None if self.greedy else (self.top_p, self.top_k, self.min_p, self.xtc[1] if self.xtc else None)

    def uniform(self, position: int) -> float:
        """The number in [0, 1) that decides the token at this position (0 = the first generated one)."""
        return self._number(position, b"")

    def excludes(self, position: int) -> bool:
        """Whether xtc acts at this position."""
        return self.xtc is not None and self._number(position, b"xtc") < self.xtc[0]

    def _number(self, position: int, purpose: bytes) -> float:
        digest = blake2b(struct.pack("<QQ", self.seed & _SEEDS, position), digest_size=4, person=purpose).digest()
        return (int.from_bytes(digest, "little") >> 8) / (1 << 24)


def choice(sampling: Sampling, vocab: int, spared: Sequence[int] = ()) -> Choice:
    """What a request asks for, bounded by the model: a `top_k` as wide as the vocabulary filters nothing.

    `spared`: ends of sequence and the like, which xtc must leave or answers would not end.
    """
    top_k = sampling.top_k or 0
    threshold = sampling.xtc_threshold if sampling.xtc_threshold is not None else 0.1
    return Choice(
        temperature=sampling.temperature if sampling.temperature is not None else 1.0,
        top_p=sampling.top_p if sampling.top_p is not None else 1.0,
        top_k=top_k if 0 < top_k < vocab else 0,
        min_p=sampling.min_p or 0.0,
        seed=sampling.seed if sampling.seed is not None else random.getrandbits(64),
        presence=sampling.presence_penalty or 0.0,
        frequency=sampling.frequency_penalty or 0.0,
        repetition=sampling.repetition_penalty or 1.0,
        bias=sampling.logit_bias or (),
        xtc=(sampling.xtc_probability, threshold) if sampling.xtc_probability else None,
        spared=tuple(spared) if sampling.xtc_probability else (),
    )


class Sampler:
    """Draws for a fixed list of rows: those with equal filters together. Make a new one when rows join or leave."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self._choices = choices
        groups: dict[_Filters | None, list[int]] = {}
        for row, chosen in enumerate(choices):
            groups.setdefault(chosen.filters, []).append(row)
        self._groups = [_Group(f, [choices[r] for r in rows], rows) for f, rows in groups.items()]
        order = [row for rows in groups.values() for row in rows]
        self._back = mx.array([order.index(row) for row in range(len(order))]) if len(groups) > 1 else None

    def __call__(self, logits: mx.array, positions: Sequence[int]) -> mx.array:
        """Token ids (n,) from logits (n, vocab); `positions` counts the tokens each row has drawn so far."""
        if self._back is None:
            return self._groups[0](logits, positions)
        drawn = [group(logits[group.index], positions) for group in self._groups]
        return mx.concatenate(drawn)[self._back]


class _Group:
    """Rows with the same filters. `index` finds them in the batch's logits."""

    def __init__(self, filters: _Filters | None, choices: list[Choice], rows: list[int]) -> None:
        self._choices, self._rows = choices, rows
        self._filters = None if filters is None else _filters(*filters, list(choices[0].spared))
        self._excludes = filters is not None and filters[3] is not None
        self._temperatures = mx.array([[c.temperature] for c in choices])
        self.index = mx.array(rows)

    def __call__(self, logits: mx.array, positions: Sequence[int]) -> mx.array:
        if self._filters is None:
            return mx.argmax(logits, axis=-1)
        logits = logits.astype(mx.float32)
        if self._filters:
            logits = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        pairs = [(c, positions[row]) for c, row in zip(self._choices, self._rows, strict=True)]
        excluding = mx.array([[c.excludes(at)] for c, at in pairs]) if self._excludes else None
        for keep in self._filters:
            logits = keep(logits, excluding)
        at = mx.array([[c.uniform(position)] for c, position in pairs])
        return _invert(logits / self._temperatures, at)


def _filters(top_p: float, top_k: int, min_p: float, xtc: float | None, spared: list[int]) -> list[_Filter]:
    """Functions of logprobs (n, vocab) and of whether xtc acts, for each row."""
    filters: list[_Filter] = []
    if top_p < 1.0:
        filters.append(lambda logprobs, _: apply_top_p(logprobs, max(top_p, 1e-6)))
    if min_p:
        filters.append(lambda logprobs, _: apply_min_p(logprobs, min_p))
    if xtc is not None:
        # mlx-lm throws its dice for all rows at once and from a state of its own: here it always acts, where asked to
        filters.append(lambda logprobs, acts: _where(acts, apply_xtc(logprobs, 1.0, xtc, spared), logprobs))
    if top_k:
        filters.append(lambda logprobs, _: apply_top_k(logprobs, top_k))
    return filters


def _where(rows: mx.array | None, yes: mx.array, no: mx.array) -> mx.array:
    return no if rows is None else mx.where(rows, yes, no)


def _invert(logits: mx.array, at: mx.array) -> mx.array:
    """The first token whose cumulative probability passes `at` (n, 1): one that a filter removed is never drawn."""
    cumulative = mx.cumsum(mx.softmax(logits, axis=-1), axis=-1)
    return (cumulative <= at * cumulative[:, -1:]).sum(axis=-1).astype(mx.uint32)
