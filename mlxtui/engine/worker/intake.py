"""Slots from their start to the batch: which of them prefill in a step, with whom, and for how long.

Prefilling slots get a share of the step's time each in turn (so that short prompts overtake long ones; see `turns`).
One whose prompt begins as that of another does waits until the other has computed what both share. Knows the running
slots only as somebody to copy from, and who must not wait for long.
"""

from __future__ import annotations

import copy
import logging
from collections import deque
from collections.abc import Callable

from mlx_lm.models.cache import can_trim_prompt_cache

from mlxtui.engine.worker import kin
from mlxtui.engine.worker.cache.keys import key_of
from mlxtui.engine.worker.cache.prefix import Found, PrefixCache, forked
from mlxtui.engine.worker.lanes import Lanes
from mlxtui.engine.worker.model import Model
from mlxtui.engine.worker.prefill import Prefiller
from mlxtui.engine.worker.slot import Prompt, Slot
from mlxtui.engine.worker.telling import Telling
from mlxtui.engine.worker.turns import hurry, in_turn, peers
from mlxtui.types import Priority

_ALONE = 0.2  # seconds of prefill in a step while nobody decodes
_BUSY, _LEAST, _MOST = 2.5, 0.03, 0.065  # while somebody does: as a multiple of a decode step, and seconds
_PAUSE = 0.107  # seconds for both, where that leaves more: the longest of hundreds of passes then is 0.15
_MANY = 4  # short prompts are a rush, soon over: a batch that fills slowly is dear, so they get most of the time
_RUSH, _BRIEFEST, _LONGEST = 4, 0.1, 0.4  # as a multiple of a decode step, and seconds
_SHARED = 0.75  # of it for short prompts in one pass; what is left is for long ones, or those would starve
_GATHER = 8  # steps at most
_OPENING = 64  # tokens: a pass from which a token is drawn computes the logits of all of them
_log = logging.getLogger("mlxtui.engine")


class Intake:
    """Reads the prefix cache and adds to it; what is prefilled waits in `ready` until it is taken out."""

    def __init__(
        self, model: Model, running: Lanes, cache: PrefixCache, telling: Telling, clock: Callable[[], float]
    ) -> None:
        self._detokenizers = model.detokenizers
        self._running, self._cache, self._telling = running, cache, telling
        self._prefilling: deque[Slot] = deque()
        self.ready: deque[Slot] = deque()
        self._held: deque[Slot] = deque()  # what their prompts begin with is just being prefilled for another slot
        self._sharing = model.batchable and model.paddable
        self._cuttable = model.cuttable
        self._opening = model.cuttable and model.draft is None  # copies of what can't be cut end before the last token
        self._prefiller = Prefiller(model.module, clock)
        self._steps = self._gathered = 0

    @property
    def slots(self) -> list[Slot]:
        return [*self._held, *self._prefilling, *self.ready]

    @property
    def prefilling(self) -> bool:
        """Whether the next step computes something."""
        return bool(self._prefilling)

    def start(self, prompt: Prompt) -> None:
        tokens = list(prompt.tokens)
        slot = Slot(prompt, self._detokenizers.new(), [], 0, tokens, key=key_of(tokens), priority=prompt.priority)
        slot.guide()
        self._place(slot)

    def again(self, slot: Slot) -> None:
        """Prefill what was prompt and what was generated; the draws go on where they were."""
        slot.rows = None
        slot.caches, slot.done, _ = self._cache.fetch(slot.tokens[:-1], slot.prompt.origin)
        slot.guide()
        self._prefilling.append(slot)

    def remove(self, job: str) -> list[Slot]:
        """Take a job out wherever it is; its slot, if it has one here."""
        gone = [slot for slot in self.slots if slot.id == job]
        for line in (self._held, self._prefilling, self.ready):
            for slot in [slot for slot in line if slot in gone]:
                line.remove(slot)
        return gone

    def prioritise(self, job: str, priority: Priority) -> None:
        """Who it waits for hurries with it."""
        for slot in [slot for slot in self.slots if slot.id == job]:
            slot.priority = priority
            if slot in self._held and slot.leader:
                hurry(slot.leader, priority)

    def part(self) -> None:
        """Who is not alone any more prefills as all do."""
        for slot in [slot for slot in self.ready if slot.ahead and len(self._active) > 1]:
            self.ready.remove(slot)
            self._prefilling.append(slot)

    def step(self, pace: float) -> None:
        """Prefill for as long as is good, a decode step taking `pace` seconds."""
        self._steps += 1
        prefilled = self.prefilling
        if prefilled:
            self._prefill(self._budget(pace))
        self._release()
        rush = prefilled and not self._running.slots and all(map(self._prefiller.is_short, self._prefilling))
        self._gathered = self._gathered + 1 if rush else 0

    @property
    def gathers(self) -> bool:
        """Whether what is ready waits for a step: a rush on an idle engine is decoded as one batch, as a batch that
        fills slowly is dear. Who comes during the last prefill still belongs to it."""
        return 0 < self._gathered < _GATHER

    @property
    def _active(self) -> list[Slot]:
        return [*self.slots, *self._running.slots]

    def _place(self, slot: Slot) -> None:
        """Among the prefilling, or behind one of them that is computing what both begin with."""
        known = self._cache.known(slot.tokens[:-1]) if self._prefilling else 0
        ahead = kin.leader(slot, self._prefilling, known, self._cuttable)
        if ahead:
            slot.leader, slot.shared = ahead
            hurry(slot.leader, slot.priority)
            self._held.append(slot)
        else:
            self._begin(slot)

    def _begin(self, slot: Slot) -> None:
        """With the longest beginning of its prompt that a live slot or the prefix cache holds."""
        found = self._copied(slot) or self._cache.fetch(slot.tokens[:-1], slot.prompt.origin)
        slot.caches, slot.done = found.caches, found.length
        slot.cached = slot.done
        self._telling.started(slot, found.parting)
        (self._prefilling if slot.ahead else self.ready).append(slot)

    def _copied(self, slot: Slot) -> Found | None:
        """A copy of what a live slot has of this prompt, if that is more than the prefix cache has."""
        near = kin.source(slot, [*self._prefilling, *self.ready, *self._running.slots], self._cuttable)
        if near is None or not near.shared or near.shared <= self._cache.known(slot.tokens[:-1]):
            return None
        running = near.slot in self._running.slots
        whole, length = self._running.held(near.slot) if running else (near.slot.plain(), near.slot.done)
        caches = forked(whole, length - near.shared)
        return Found(caches, near.shared, None) if caches else None

    def _release(self) -> None:
        """Let those go on whose leader has computed what they share, or has failed or was cancelled."""
        for slot in [slot for slot in self._held if not kin.waits(slot, self._prefilling)]:
            self._held.remove(slot)
            self._place(slot)

    def _budget(self, pace: float) -> float:
        """Seconds."""
        if not self._running.slots:
            return _ALONE
        if sum(map(self._prefiller.is_short, self._prefilling)) < _MANY:
            return min(max(_LEAST, _BUSY * pace), max(_MOST, _PAUSE - pace))
        return min(max(_BRIEFEST, _RUSH * pace), _LONGEST)

    def _prefill(self, budget: float) -> None:
        turns = in_turn(self._prefilling, self._steps)
        left = budget - self._prefill_together(peers(turns), budget * _SHARED)
        shared = left < budget
        for slot in turns:
            if slot in self._prefilling and left > budget / 4 and not (shared and self._prefiller.is_short(slot)):
                self._prefilling.remove(slot)
                left -= self._prefill_alone(slot, left)

    def _prefill_alone(self, slot: Slot, seconds: float) -> float:
        if not slot.ahead or self._opens(slot):
            self.ready.append(slot)
            return seconds
        took = 0.0
        try:
            took = self._prefiller.feed(slot, seconds, whole=not self._running.slots)
            self._progress(slot)
        except Exception as error:
            self._telling.failed(slot, error)
        else:
            # A long one's first pass in the batch takes as long as a chunk: running streams wait for one of both.
            done = not slot.ahead and (self._prefiller.is_short(slot) or not self._running.slots)
            (self.ready if done else self._prefilling).append(slot)
        return took

    def _opens(self, slot: Slot) -> bool:
        """Whether nobody else is there, and the rest of its prompt may go with the last token through the same pass."""
        return self._opening and not self._active and slot.ahead <= _OPENING

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
            self.ready.append(slot)
        return took

    def _progress(self, slot: Slot) -> None:
        self._telling.prefilled(slot)
        marked = not slot.ahead or slot.done in slot.prompt.marks
        if marked and not self._cuttable and not can_trim_prompt_cache(slot.plain()):
            # What can't be trimmed serves the next turn only if it ends where that one's history still is the same.
            self._cache.store(slot.tokens[: slot.done], copy.deepcopy(slot.caches), slot.prompt.origin)
