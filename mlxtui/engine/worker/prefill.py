"""Feeds prompts to the model in chunks that take about as long as asked; knows neither the batch nor the queue."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx

from mlxtui.engine.worker.slot import Slot

_SMALLEST, _LARGEST = 16, 2048
_TELLING = 32  # tokens: shorter chunks are all overhead and say nothing about speed
_GROWTH = 4.0


class Prefiller:
    """Remembers how fast the last chunk went."""

    def __init__(self, module: Callable[..., mx.array], clock: Callable[[], float]) -> None:
        self._module, self._clock = module, clock
        self._rate = 1000.0  # tokens per second; a first guess, right after a chunk or two

    def feed(self, slot: Slot, seconds: float) -> float:
        """Compute the next chunk of this slot's prompt; returns the seconds it took."""
        count = min(slot.ahead, self._chunk(seconds))
        began = self._clock()
        self._module(mx.array(slot.tokens[slot.done : slot.done + count])[None], cache=slot.caches)
        mx.eval([cache.state for cache in slot.caches])
        took = self._clock() - began
        slot.done += count
        if count >= _TELLING:
            self._rate = min(count / max(took, 1e-6), self._rate * _GROWTH)
        if count >= _LARGEST // 4:
            mx.clear_cache()
        return took

    def _chunk(self, seconds: float) -> int:
        wanted = int(self._rate * seconds)
        return max(_SMALLEST, min(_LARGEST, wanted - wanted % _SMALLEST))
