"""Continuous batching: Prompts in, one StepReport per step out. The owner thread calls everything here.

A step: waiting prompts take free slots in turn, prefilling slots get a share of the step's time each in turn (so that
short prompts overtake long ones; see `turns`), those that are done join the batch, the batch decodes one token each.
What breaks is the fault of one slot: that one fails, the others go on with equal tokens.
"""

from __future__ import annotations

import copy
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

import mlx.core as mx
from mlx_lm.models.cache import can_trim_prompt_cache

from mlxtui.engine.interface import Failure, Piece, Prefill, Stats
from mlxtui.engine.wire import StepReport
from mlxtui.engine.worker import device, kin
from mlxtui.engine.worker.batch import Batch, Drawn
from mlxtui.engine.worker.cache.keys import key_of
from mlxtui.engine.worker.cache.prefix import Found, PrefixCache, forked
from mlxtui.engine.worker.figures import logprob
from mlxtui.engine.worker.lanes import Lanes, most_padding
from mlxtui.engine.worker.memory import Memory
from mlxtui.engine.worker.model import Model
from mlxtui.engine.worker.prefill import Prefiller
from mlxtui.engine.worker.slot import Prompt, Slot
from mlxtui.engine.worker.speculative import Draft
from mlxtui.engine.worker.turns import Waiting, hurry, in_turn, peers
from mlxtui.types import Priority

_ALONE = 0.2  # seconds of prefill in a step while nobody decodes
_BUSY, _LEAST, _MOST = 2.5, 0.03, 0.1  # while somebody does: as a multiple of a decode step, and seconds
_MANY = 4  # short prompts are a rush, soon over: a batch that fills slowly is dear, so they get most of the time
_RUSH, _LONGEST = 4, 0.4  # as a multiple of a decode step, and at most
_SHARED = 0.75  # of it for short prompts in one pass; what is left is for long ones, or those would starve
_GATHER = 8  # steps at most
_OPENING = 64  # tokens: a pass from which a token is drawn computes the logits of all of them
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
        self._detokenizers = model.detokenizers
        self._capacity = max_running if model.batchable and model.draft is None else 1
        self._sharing = model.batchable and model.paddable
        self._eos = frozenset(model.tokenizer.eos_token_ids)
        self._waiting = Waiting()
        self._prefilling: deque[Slot] = deque()
        self._ready: deque[Slot] = deque()
        self._held: deque[Slot] = deque()  # what their prompts begin with is just being prefilled for another slot
        self._cuttable = model.cuttable
        self._opening = model.cuttable and model.draft is None  # copies of what can't be cut end before the last token
        draft = model.draft and Draft(model.draft)
        self._running = Lanes(lambda: Batch(model.module, model.vocab, draft), most_padding(model.info))
        self._prefiller = Prefiller(model.module, clock)
        self._clock, self._pace = clock, 0.0  # seconds that the last decode step took
        self._memory = Memory(memory_limit, model.info.weights_bytes, model.slot_bytes, model.info.kv_bytes_per_token)
        self.cache = PrefixCache(model.module, cache_bytes)
        self._prefills: list[Prefill] = []
        self._pieces: list[Piece] = []
        self._failures: list[Failure] = []
        self._steps = self._gathered = 0

    @property
    def idle(self) -> bool:
        return not (self._waiting or self._active)

    def admit(self, prompt: Prompt) -> None:
        self._waiting.add(prompt)

    def prioritise(self, job: str, priority: Priority) -> None:
        """For a job that is not decoding yet; who it waits for hurries with it."""
        self._waiting.prioritise(job, priority)
        for slot in [slot for slot in self._active if slot.id == job]:
            slot.priority = priority
            if slot in self._held and slot.leader:
                hurry(slot.leader, priority)

    def cancel(self, job: str) -> None:
        """Forget a job wherever it is; what it has computed goes to the prefix cache."""
        self._waiting.remove(job)
        for line in (self._prefilling, self._ready, self._held):
            for slot in [slot for slot in line if slot.id == job]:
                line.remove(slot)
                self.cache.store(slot.tokens[: slot.done], slot.caches, slot.prompt.origin)
        running = [slot for slot in self._running.slots if slot.id == job]
        for slot in running:
            slot.finished = True
        self._attempt(lambda: self._retire(running))

    def step(self) -> StepReport:
        """Move everything on by one step."""
        self._steps += 1
        if self._steps % _CLEAN_EVERY == 0:
            self.cache.shrink(self._memory.spare(*self._needs()))
            mx.clear_cache()
        self._fill_slots()
        self._part()
        waited, prefilling = 0.0, bool(self._prefilling)
        if prefilling:
            waited = self._timed(self._running.settle)
            self._prefill()
        self._release()
        if not self._gathers(prefilling):
            self._attempt(self._join)
        self._pace = waited + self._timed(self._decode)
        return self._report()

    def _timed(self, action: Callable[[], None]) -> float:
        began = self._clock()
        self._attempt(action)
        return self._clock() - began

    @property
    def _active(self) -> list[Slot]:
        return [*self._held, *self._prefilling, *self._ready, *self._running.slots]

    def _fill_slots(self) -> None:
        """Waiting prompts take free slots in turn, as far as their KV caches fit beside the others'."""
        while self._waiting and len(self._active) < self._capacity:
            needs = self._needs(len(self._waiting.first().tokens))
            if self._memory.fits(*needs):
                self.cache.shrink(self._memory.spare(*needs))
                self._start(self._waiting.take())
            elif self._active:
                return
            else:
                prompt = self._waiting.take()
                message = self._memory.refusal(len(prompt.tokens))
                self._failures.append(Failure(prompt.id, "insufficient_memory", message))

    def _needs(self, *more: int) -> tuple[int, int]:
        """Rows, and at most so many tokens in them, with as many more prompts of these lengths."""
        joining = [*more, *(len(slot.tokens) for slot in (*self._held, *self._prefilling, *self._ready))]
        return len(self._running.slots) + len(joining), self._running.tokens(joining)

    def _start(self, prompt: Prompt) -> None:
        tokens = list(prompt.tokens)
        slot = Slot(prompt, self._detokenizers.new(), [], 0, tokens, key=key_of(tokens), priority=prompt.priority)
        slot.guide()
        self._place(slot)

    def _place(self, slot: Slot) -> None:
        """Among the prefilling, or behind one of them that is computing what both begin with."""
        known = self.cache.known(slot.tokens[:-1]) if self._prefilling else 0
        ahead = kin.leader(slot, self._prefilling, known, self._cuttable)
        if ahead:
            slot.leader, slot.shared = ahead
            hurry(slot.leader, slot.priority)
            self._held.append(slot)
        else:
            self._begin(slot)

    def _begin(self, slot: Slot) -> None:
        """With the longest beginning of its prompt that a live slot or the prefix cache holds."""
        found = self._copied(slot) or self.cache.fetch(slot.tokens[:-1], slot.prompt.origin)
        slot.caches, slot.done = found.caches, found.length
        slot.cached = slot.done
        miss = found.parting.told(slot.tokens, self._detokenizers.bytes_of) if found.parting else None
        total = len(slot.tokens)
        self._prefills.append(Prefill(slot.id, slot.done if slot.ahead else total, total, slot.cached, miss))
        (self._prefilling if slot.ahead else self._ready).append(slot)

    def _copied(self, slot: Slot) -> Found | None:
        """A copy of what a live slot has of this prompt, if that is more than the prefix cache has."""
        near = kin.source(slot, [*self._prefilling, *self._ready, *self._running.slots], self._cuttable)
        if near is None or not near.shared or near.shared <= self.cache.known(slot.tokens[:-1]):
            return None
        running = near.slot in self._running.slots
        whole, length = self._running.held(near.slot) if running else (near.slot.caches, near.slot.done)
        caches = forked(whole, length - near.shared)
        return Found(caches, near.shared, None) if caches else None

    def _release(self) -> None:
        """Let those go on whose leader has computed what they share, or has failed or was cancelled."""
        for slot in [slot for slot in self._held if not kin.waits(slot, self._prefilling)]:
            self._held.remove(slot)
            self._place(slot)

    def _prefill(self) -> None:
        budget, turns = self._budget(), in_turn(self._prefilling, self._steps)
        left = budget - self._prefill_together(peers(turns), budget * _SHARED)
        shared = left < budget
        for slot in turns:
            if slot in self._prefilling and left > budget / 4 and not (shared and self._prefiller.is_short(slot)):
                self._prefilling.remove(slot)
                left -= self._prefill_alone(slot, left)

    def _budget(self) -> float:
        if not self._running.slots:
            return _ALONE
        if sum(map(self._prefiller.is_short, self._prefilling)) < _MANY:
            return min(max(_LEAST, _BUSY * self._pace), _MOST)
        return min(max(_MOST, _RUSH * self._pace), _LONGEST)

    def _gathers(self, prefilled: bool) -> bool:
        """Whether what is ready waits for a step: a rush on an idle engine is decoded as one batch, as a batch that
        fills slowly is dear. Who comes during the last prefill still belongs to it."""
        rush = prefilled and not self._running.slots and all(map(self._prefiller.is_short, self._prefilling))
        self._gathered = self._gathered + 1 if rush else 0
        return 0 < self._gathered < _GATHER

    def _prefill_alone(self, slot: Slot, seconds: float) -> float:
        if not slot.ahead or self._opens(slot):
            self._ready.append(slot)
            return seconds
        took = 0.0
        try:
            took = self._prefiller.feed(slot, seconds, whole=not self._running.slots)
            self._progress(slot)
        except Exception as error:
            self._fail(slot, error)
        else:
            # A long one's first pass in the batch takes as long as a chunk: running streams wait for one of both.
            done = not slot.ahead and (self._prefiller.is_short(slot) or not self._running.slots)
            (self._ready if done else self._prefilling).append(slot)
        return took

    def _opens(self, slot: Slot) -> bool:
        """Whether nobody else is there, and the rest of its prompt may go with the last token through the same pass."""
        return self._opening and not self._active and slot.ahead <= _OPENING

    def _part(self) -> None:
        """Who is not alone any more prefills as all do."""
        for slot in [slot for slot in self._ready if slot.ahead and len(self._active) > 1]:
            self._ready.remove(slot)
            self._prefilling.append(slot)

    def _prefill_together(self, slots: list[Slot], seconds: float) -> float:
        if not self._sharing:
            return 0.0
        together = self._prefiller.companions(slots, seconds, whole=not self._running.slots)
        if not together:
            return 0.0
        try:
            took = self._prefiller.feed_together(together)
        except Exception as error:
            self._sharing = False
            _log.warning("this model can't prefill several prompts in one pass (%s): they go one by one", error)
            return 0.0
        for slot in together:
            self._prefilling.remove(slot)
            self._progress(slot)
            self._ready.append(slot)
        return took

    def _progress(self, slot: Slot) -> None:
        self._tell(slot)
        if (not slot.ahead or slot.done in slot.prompt.marks) and not can_trim_prompt_cache(slot.caches):
            # What can't be trimmed serves the next turn only if it ends where that one's history still is the same.
            self.cache.store(slot.tokens[: slot.done], copy.deepcopy(slot.caches), slot.prompt.origin)

    def _tell(self, slot: Slot, *, done: bool = False) -> None:
        total = len(slot.prompt.tokens)
        if not slot.generated:
            self._prefills.append(Prefill(slot.id, slot.done if slot.ahead and not done else total, total, slot.cached))

    def _join(self) -> None:
        suspects = [slot for slot in self._active if slot.suspect]
        if not suspects:
            joining = list(self._ready)
        elif any(slot.suspect for slot in self._running.slots):
            return
        else:
            joining = [slot for slot in self._ready if slot.suspect][:1]
        for slot in joining:
            self._ready.remove(slot)
            if slot.ahead:
                self._tell(slot, done=True)
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
            self._fail(slot, slot.failure)
        self._retire([slot for slot in self._running.slots if slot.finished])

    def _emit(self, drawn: Drawn) -> None:
        slot, token, figure = drawn
        ended = token in self._eos
        slot.finished = ended or slot.generated >= slot.prompt.max_new
        text = slot.detokenizer.feed(() if ended else (token,), last=slot.finished)
        reason: Literal["stop", "length"] = "stop" if ended else "length"
        logprobs = (logprob(token, figure, self._detokenizers.bytes_of),) if figure and not ended else ()
        self._pieces.append(Piece(slot.id, text, (token,), reason if slot.finished else None, logprobs))

    def _retire(self, slots: list[Slot]) -> None:
        """Free the slots of finished jobs and keep their caches: what fails one by itself is drawing or text."""
        for slot in slots:
            if slot.joined:
                caches, length = self._running.held(slot)
                self.cache.store(slot.tokens[:length], caches, slot.prompt.origin)
        self._running.leave(slots)

    def _attempt(self, action: Callable[[], None]) -> None:
        """Run a change of the batch. If it breaks, the batch is lost: find who is to blame and restart the others."""
        try:
            action()
        except Exception as error:
            slots = [slot for slot in self._running.dissolve() if not slot.finished]
            suspects = [slot for slot in slots if slot.suspect] or slots
            if len(suspects) == 1:
                self._fail(suspects[0], error)
                slots.remove(suspects[0])
            else:
                _log.warning("a step of %d jobs failed (%s); they are tried one by one", len(slots), error)
                for slot in slots:
                    slot.suspect = True
            self._restart(slots)
            device.release()

    def _restart(self, slots: list[Slot]) -> None:
        """Prefill again what was prompt and what was generated; the draws go on where they were."""
        for slot in slots:
            slot.caches, slot.done, _ = self.cache.fetch(slot.tokens[:-1], slot.prompt.origin)
            slot.guide()
            self._prefilling.append(slot)

    def _fail(self, slot: Slot, error: Exception | None) -> None:
        _log.error("job %s failed", slot.id, exc_info=error)
        message = f"generation failed: {type(error).__name__}: {error}"
        self._failures.append(Failure(slot.id, "engine_error", message))

    def _report(self) -> StepReport:
        stats = Stats(
            running=len(self._running.slots),
            prefilling=len(self._prefilling) + len(self._ready) + len(self._held),
            queued=len(self._waiting),
            active_bytes=mx.get_active_memory(),
            peak_bytes=mx.get_peak_memory(),
            cache_bytes=self.cache.nbytes,
            cache_entries=len(self.cache),
        )
        report = StepReport(tuple(self._prefills), tuple(self._pieces), tuple(self._failures), stats)
        self._prefills, self._pieces, self._failures = [], [], []
        return report
