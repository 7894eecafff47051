"""Feeds prompts to the model in chunks that take about as long as asked; knows neither the batch nor the queue.

Long prompts go alone, on their own caches and without padding. Short ones of similar length share a forward pass:
below some hundred tokens a pass costs what it costs to read the weights, however many prompts are in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Any

import mlx.core as mx

from mlxtui.engine.worker.room import make_room
from mlxtui.engine.worker.rows import Rows, merge
from mlxtui.engine.worker.slot import Slot

_SMALLEST, _LARGEST = 8, 2048  # tokens: with fewer a long prompt would never be done
_TELLING = 32  # tokens: the rest of a prompt, if shorter, is all overhead and says nothing about speed
_WHOLE = 256  # tokens: a pass of fewer takes more time for each
_GROWTH = 4.0
_SHORT, _LIGHT = 256, 1024  # tokens to compute, and in all: taking part in a shared pass copies a slot's whole cache


class Prefiller:
    """Remembers how fast the last chunk went."""

    def __init__(self, module: Callable[..., mx.array], clock: Callable[[], float]) -> None:
        self._module, self._clock = module, clock
        self._rate = 1000.0  # tokens per second; a first guess, right after a chunk or two

    def feed(self, slot: Slot, seconds: float, *, whole: bool) -> float:
        """Compute the next chunk of this slot's prompt; returns the seconds it took.

        With `whole` the chunk is as long as it takes to be fast per token, whatever it takes.
        """
        room = self._room(slot, inf if whole else seconds / 2)
        if room > seconds / 2 and not whole:
            return room
        chunk = self._chunk(seconds - room, whole)
        if not whole and not slot.done and chunk < slot.ahead:
            chunk = max(_SMALLEST, chunk / 2)  # it allocates the cache, and the speed is another prompt's
        count = min(slot.ahead, slot.until_mark, int(chunk))
        began = self._clock()
        self._module(mx.array(slot.tokens[slot.done : slot.done + count])[None], cache=slot.caches)
        mx.eval([cache.state for cache in slot.caches])
        slot.done += count
        if count >= _LARGEST // 4:
            mx.clear_cache()
        return room + self._took(began, chunk if count == int(chunk) else count, telling=count == int(chunk))

    def _room(self, slot: Slot, seconds: float) -> float:
        """Make some for the rest of the prompt where it lacks, for about this long; returns the seconds it took."""
        took = 0.0
        while took < seconds:
            began = self._clock()
            if not make_room(slot.caches, slot.ahead):
                break
            mx.eval([cache.state for cache in slot.caches])
            took += self._clock() - began
        return took

    def is_short(self, slot: Slot) -> bool:
        """Whether it is better off in a shared pass."""
        return slot.ahead <= _SHORT and len(slot.tokens) <= _LIGHT and slot.until_mark >= slot.ahead

    def companions(self, slots: Iterable[Slot], seconds: float, *, whole: bool) -> list[Slot]:
        """The first short prompt and those like it that fit one pass of this length; empty if there are not two.
        `whole` as for `feed`."""
        short = [slot for slot in slots if slot.ahead and self.is_short(slot)]
        if not short:
            return []
        low, high = 0.8 * short[0].ahead - 8, 1.25 * short[0].ahead + 8
        alike = [slot for slot in short if low <= slot.ahead <= high]
        room = int(self._chunk(seconds, whole) / max(slot.ahead for slot in alike))
        return alike[:room] if room > 1 and len(alike) > 1 else []

    def feed_together(self, slots: list[Slot]) -> float:
        """Compute what is left of these slots' prompts in one padded pass; returns the seconds it took.

        Their caches stay in it: see `Rows`. After an exception the slots are as they were.
        """
        began = self._clock()
        lengths = [slot.ahead for slot in slots]
        rows = Rows(slots, self._pass(slots, lengths))
        for slot, length in zip(slots, lengths, strict=True):
            slot.caches, slot.rows, slot.done = [], rows, slot.done + length
        return self._took(began, sum(lengths), telling=False)

    def _pass(self, slots: list[Slot], lengths: list[int]) -> list[Any]:
        padding = [max(lengths) - length for length in lengths]
        caches = merge([slot.caches for slot in slots])
        # Only before all that is cached there can be padding for good; behind it every row has to be moved afterwards.
        before = all(cache.empty() for cache in caches)
        if any(padding):
            for cache in caches:
                cache.prepare(left_padding=padding) if before else cache.prepare(lengths=lengths, right_padding=padding)
        rows = [_padded(slot.tokens[slot.done : -1], pad, before) for slot, pad in zip(slots, padding, strict=True)]
        self._module(mx.array(rows), cache=caches)
        for cache in caches:
            cache.finalize()
        mx.eval([cache.state for cache in caches])
        return caches

    def _took(self, began: float, count: float, *, telling: bool) -> float:
        took = self._clock() - began
        if telling or count >= _TELLING:
            self._rate = min(count / max(took, 1e-6), self._rate * _GROWTH)
        return took

    def _chunk(self, seconds: float, whole: bool) -> float:
        """Tokens. A chunk costs a fixed time and one for each token, more the more of the prompt there is: as each sets
        the rate for the next, their length finds its way to what takes `seconds`. Not rounded: where the fixed time is
        most of it, chunks are so short that a part of a token too little each time would keep them there."""
        return max(_WHOLE if whole else _SMALLEST, min(_LARGEST, self._rate * seconds))


def _padded(tokens: list[int], padding: int, before: bool) -> list[int]:
    return [0] * padding + tokens if before else tokens + [0] * padding
