"""The running slots in as few batches as is good: one whose context is much longer than the others' has its own.

All rows of a batch are as long as the longest, and whoever joins or leaves has all of them copied. A second batch reads
the weights a second time in every step. So slots are kept apart where the padding would be more to read than that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from math import inf
from typing import Any

from mlxtui.engine.worker.batch import Batch, Drawn
from mlxtui.engine.worker.slot import Slot
from mlxtui.types import ModelInfo

_LEAST = 2048  # tokens of padding: below, a pass of its own costs more by itself than by what it reads
_IN_ALL = 4  # times as much in a batch: many contexts of 50 to 500 tokens decode a quarter faster in one than in three


def most_padding(info: ModelInfo) -> int:
    """Tokens that are as much to read as half of the weights; half, as padding also is what joining copies."""
    return max(_LEAST, info.weights_bytes // 2 // max(1, info.kv_bytes_per_token))


class Lanes:
    """Batches of slots of similar lengths, in step; who would add more than `padding` tokens to one does not join it.

    After an exception from any method call `dissolve`: the caches are in an unknown state.
    """

    def __init__(self, new: Callable[[], Batch], padding: int) -> None:
        self._new, self._most = new, padding
        self._batches: list[Batch] = []
        self._joining: list[Slot] = []

    @property
    def slots(self) -> list[Slot]:
        return [slot for batch in self._batches for slot in batch.slots]

    def tokens(self, joining: Sequence[int]) -> int:
        """At most so many are in all rows, what pads them included, once sequences this long have joined as well."""
        rows = [max(map(_length, batch.slots)) for batch in self._batches for _ in batch.slots]
        apart = sum(rows) + sum(length + self._most for length in joining)
        return min(apart, len([*rows, *joining]) * max((*rows, *joining), default=0))

    def join(self, slots: Sequence[Slot]) -> None:
        """Take in prefilled slots; their first tokens come out of the step after next."""
        self._joining = list(slots)
        for batch, mine in self._shared_out(slots):
            batch.join(mine)
            self._joining = [slot for slot in self._joining if slot not in mine]

    def _shared_out(self, slots: Sequence[Slot]) -> list[tuple[Batch, list[Slot]]]:
        """Who joins which batch, those that are new for it among them."""
        members = [(batch, [*batch.slots]) for batch in self._batches]
        for slot in slots:
            best = min(members, key=lambda lane: self._price(lane[1], slot), default=None)
            if best is None or self._price(best[1], slot) == inf:
                best = self._new(), []
                members.append(best)
                self._batches.append(best[0])
            best[1].append(slot)
        shared = [(batch, inside[len(batch.slots) :]) for batch, inside in members]
        return [(batch, mine) for batch, mine in shared if mine]

    def _price(self, inside: Sequence[Slot], slot: Slot) -> float:
        """Tokens that are nobody's once `slot` is in there, beyond what is there already; inf: too many."""
        padding = _padding([*inside, slot])
        more = padding - _padding(inside)
        return more if more <= self._most and padding <= _IN_ALL * self._most else inf

    def leave(self, gone: Collection[Slot]) -> None:
        """Drop slots; take their caches with `held` first."""
        for batch in self._batches:
            batch.leave(gone)
        self._batches = [batch for batch in self._batches if batch.slots]

    def held(self, slot: Slot) -> tuple[list[Any], int]:
        """A plain cache, lazy (see `PrefixCache.store`), and how many of this slot's tokens are in it."""
        return next(batch.held(slot) for batch in self._batches if slot in batch.slots)

    def settle(self) -> None:
        """Wait for the steps in flight, so that what is timed next is timed alone."""
        for batch in self._batches:
            batch.settle()

    def dissolve(self) -> list[Slot]:
        """Empty them whatever state they are in; returns the slots that were in them or about to join."""
        slots = [slot for batch in self._batches for slot in batch.dissolve()]
        slots += [slot for slot in self._joining if slot not in slots]
        self._batches, self._joining = [], []
        return slots

    def step(self) -> Iterator[Drawn]:
        """The tokens that slots have drawn; whoever takes them says in time which slot is finished by one."""
        for batch in self._batches:
            yield from batch.step()


def _padding(slots: Sequence[Slot]) -> int:
    """Tokens in a batch of these that are nobody's."""
    lengths = [*map(_length, slots)]
    return len(lengths) * max(lengths, default=0) - sum(lengths)


def _length(slot: Slot) -> int:
    return len(slot.tokens)
