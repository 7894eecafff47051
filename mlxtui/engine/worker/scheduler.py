"""Continuous batching: Prompts in, one StepReport per step out. The owner thread calls everything here.

A step: waiting prompts take free slots in turn, prefilling slots get on (see `intake`), those that are done join the
batch, the batch decodes one token each. What breaks is the fault of one slot: that one fails, the others go on with
equal tokens.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import mlx.core as mx

from mlxtui.engine.interface import Stats
from mlxtui.engine.wire import StepReport
from mlxtui.engine.worker import device
from mlxtui.engine.worker.batch import Batch, Drawn
from mlxtui.engine.worker.cache.prefix import PrefixCache
from mlxtui.engine.worker.intake import Intake
from mlxtui.engine.worker.lanes import Lanes, most_padding
from mlxtui.engine.worker.memory import Memory
from mlxtui.engine.worker.model import Model
from mlxtui.engine.worker.slot import Prompt, Slot
from mlxtui.engine.worker.speculative import Draft
from mlxtui.engine.worker.telling import Telling
from mlxtui.engine.worker.turns import Waiting
from mlxtui.types import Priority

_CLEAN_EVERY = 512
_log = logging.getLogger("mlxtui.engine")


class Scheduler:
    """`max_running` slots, prefilling ones included, over one model; a model whose caches can't merge runs one."""

    def __init__(
        self,
        model: Model,
        *,
        max_running: int,
        cache_bytes: int,
        memory_limit: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._capacity = max_running if model.batchable and model.draft is None else 1
        self._eos = frozenset(model.tokenizer.eos_token_ids)
        draft = model.draft and Draft(model.draft)
        self.cache = PrefixCache(model.module, cache_bytes)
        self._telling = Telling(model.detokenizers)
        self._waiting = Waiting()
        self._running = Lanes(lambda: Batch(model.module, model.vocab, draft), most_padding(model.info))
        self._intake = Intake(model, self._running, self.cache, self._telling, clock)
        self._clock, self._pace = clock, 0.0  # seconds that the last decode step took
        self._memory = Memory(memory_limit, model.info.weights_bytes, model.slot_bytes, model.info.kv_bytes_per_token)
        self._steps = 0

    @property
    def idle(self) -> bool:
        return not (self._waiting or self._active)

    def admit(self, prompt: Prompt) -> None:
        self._waiting.add(prompt)

    def prioritise(self, job: str, priority: Priority) -> None:
        """For a job that is not decoding yet; who it waits for hurries with it."""
        self._waiting.prioritise(job, priority)
        self._intake.prioritise(job, priority)

    def cancel(self, job: str) -> None:
        """Forget a job wherever it is; what it has computed goes to the prefix cache."""
        self._waiting.remove(job)
        for slot in self._intake.remove(job):
            self.cache.store(slot.tokens[: slot.done], slot.plain(), slot.prompt.origin)
        running = [slot for slot in self._running.slots if slot.id == job]
        for slot in running:
            slot.finished = True
        self.retire()

    def step(self) -> StepReport:
        """Move everything on by one step; `retire` has to follow, when the report is on its way."""
        self._steps += 1
        if self._steps % _CLEAN_EVERY == 0:
            self.cache.shrink(self._memory.spare(*self._needs()))
            mx.clear_cache()
        self._fill_slots()
        self._intake.part()
        waited = self._timed(self._running.settle) if self._intake.prefilling else 0.0
        self._intake.step(self._pace)
        if not self._intake.gathers:
            self._attempt(self._join)
        self._pace = waited + self._timed(self._decode)
        return self.report()

    def retire(self) -> None:
        """Free the slots of finished jobs and keep their caches, which takes a while that no answer has to wait for."""
        self._attempt(self._leave)

    def report(self) -> StepReport:
        """What there is to tell since the last one, and the figures as they are now."""
        return self._telling.report(self._stats())

    def _timed(self, action: Callable[[], None]) -> float:
        began = self._clock()
        self._attempt(action)
        return self._clock() - began

    @property
    def _active(self) -> list[Slot]:
        return [*self._intake.slots, *self._running.slots]

    def _fill_slots(self) -> None:
        """Waiting prompts take free slots in turn, as far as their KV caches fit beside the others'."""
        while self._waiting and len(self._active) < self._capacity:
            needs = self._needs(len(self._waiting.first().tokens))
            if self._memory.fits(*needs):
                self.cache.shrink(self._memory.spare(*needs))
                self._intake.start(self._waiting.take())
            elif self._active:
                return
            else:
                prompt = self._waiting.take()
                self._telling.refused(prompt, self._memory.refusal(len(prompt.tokens)))

    def _needs(self, *more: int) -> tuple[int, int]:
        """Rows, and at most so many tokens in them, with as many more prompts of these lengths."""
        joining = [*more, *(len(slot.tokens) for slot in self._intake.slots)]
        return len(self._running.slots) + len(joining), self._running.tokens(joining)

    def _join(self) -> None:
        ready = self._intake.ready
        suspects = [slot for slot in self._active if slot.suspect]
        if not suspects:
            joining = list(ready)
        elif any(slot.suspect for slot in self._running.slots):
            return
        else:
            joining = [slot for slot in ready if slot.suspect][:1]
        for slot in joining:
            ready.remove(slot)
            if slot.ahead:
                self._telling.prefilled(slot, done=True)
        self._running.join(joining)

    def _decode(self) -> None:
        if not self._running.slots:
            return
        for drawn in self._running.step():
            drawn.slot.suspect = False
            try:
                self._emit(drawn)
            except Exception as error:
                drawn.slot.failure = error
        broken = [slot for slot in self._running.slots if slot.failure and not slot.finished]
        for slot in broken:
            slot.finished = True
            self._telling.failed(slot, slot.failure)

    def _emit(self, drawn: Drawn) -> None:
        slot, token, figure = drawn
        ended = token in self._eos
        slot.finished = ended or slot.generated >= slot.prompt.max_new
        self._telling.said(slot, token, figure, ended=ended)

    def _leave(self) -> None:
        """What fails one by itself is drawing or text, so its cache is good."""
        finished = [slot for slot in self._running.slots if slot.finished]
        for slot in finished:
            if slot.joined:
                caches, length = self._running.held(slot)
                self.cache.store(slot.tokens[:length], caches, slot.prompt.origin)
        self._running.leave(finished)

    def _attempt(self, action: Callable[[], None]) -> None:
        """Run a change of the batch. If it breaks, the batch is lost: find who is to blame and restart the others."""
        try:
            action()
        except Exception as error:
            slots = [slot for slot in self._running.dissolve() if not slot.finished]
            suspects = [slot for slot in slots if slot.suspect] or slots
            if len(suspects) == 1:
                self._telling.failed(suspects[0], error)
                slots.remove(suspects[0])
            else:
                _log.warning("a step of %d jobs failed (%s); they are tried one by one", len(slots), error)
                for slot in slots:
                    slot.suspect = True
            for slot in slots:
                self._intake.again(slot)
            device.release()

    def _stats(self) -> Stats:
        return Stats(
            running=sum(not slot.finished for slot in self._running.slots),
            prefilling=len(self._intake.slots),
            queued=len(self._waiting),
            active_bytes=mx.get_active_memory(),
            peak_bytes=mx.get_peak_memory(),
            cache_bytes=self.cache.nbytes,
            cache_entries=len(self.cache),
        )
