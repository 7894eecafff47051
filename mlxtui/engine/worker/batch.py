"""The decoding batch: one forward pass a step for all running slots, on mlx-lm's batch caches.

Slots join and leave between steps. Step n+1 is started before the tokens of step n are read, so that Python works
while the device does; slots that are held to a grammar wait for their tokens in between. A single slot keeps its plain
cache: no mask array, no copy. Knows nothing of jobs or text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import mlx.core as mx

from mlxtui.engine.worker.figures import Asked, Figure, Figures
from mlxtui.engine.worker.guides import Guides
from mlxtui.engine.worker.penalties import Penalties
from mlxtui.engine.worker.room import make_room
from mlxtui.engine.worker.rows import joined, merge
from mlxtui.engine.worker.sampling import Sampler
from mlxtui.engine.worker.slot import Slot
from mlxtui.engine.worker.speculative import Draft, check, told

_SETTLE_EVERY = 64


class Drawn(NamedTuple):
    """A token that a slot drew; with `figure` if it asks for logprobs."""

    slot: Slot
    token: int
    figure: Figure | None


class Batch:
    """The running slots. After an exception from any method call `dissolve`: the caches are in an unknown state."""

    def __init__(self, module: Any, vocab: int, draft: Draft | None = None) -> None:
        self._module, self._vocab, self._draft = module, vocab, draft
        self.slots: list[Slot] = []
        self._caches: list[Any] = []
        self._merged = False
        self._pending: Any = None  # (n,) the tokens to be fed next, possibly still being computed
        self._figures: Figures | None = None  # of those tokens
        self._opening: list[int] = []
        self._steps = 0
        self._compose()

    def join(self, slots: Sequence[Slot]) -> None:
        """Take in prefilled slots; their first tokens come out of the next step if they join nobody, else of the one
        after. A single one that joins nobody may have tokens ahead: they go with its last one through the first pass.
        """
        if not slots:
            return
        running = len(self.slots)
        self.slots.extend(slots)  # first of all: whoever breaks the merge is found among the batch's slots
        if running or len(slots) > 1:
            self._merge(running, slots)
        else:
            self._caches, self._merged = slots[0].plain(), False
            self._opening = slots[0].tokens[slots[0].done : -1]
        fed = mx.array([slot.tokens[-1] for slot in slots])
        self._pending = mx.concatenate([self._pending, fed]) if running else fed
        for slot in slots:
            slot.caches, slot.rows = [], None
            slot.joined, slot.unfed, slot.drawn = False, 1, slot.generated
        self._compose()

    def _compose(self) -> None:
        """Whatever is made for a fixed list of slots."""
        self._sampler = Sampler([slot.prompt.choice for slot in self.slots])
        self._penalties = Penalties(self.slots, self._vocab)
        self._guides = Guides(self.slots)
        self._asked = Asked(self.slots)

    def _merge(self, running: int, slots: Sequence[Slot]) -> None:
        if not running:
            self._caches = joined(slots)
        elif self._merged:
            for mine, theirs in zip(self._caches, joined(slots), strict=True):
                mine.extend(theirs)
        else:
            self._caches = merge([self._caches, *(slot.plain() for slot in slots)])
        self._merged = True

    def leave(self, gone: Collection[Slot]) -> None:
        """Drop slots; take their caches with `held` first."""
        keep = [i for i, slot in enumerate(self.slots) if slot not in gone]
        if len(keep) == len(self.slots):
            return
        if not keep:
            self.dissolve()
            return
        if len(keep) == 1:
            self._caches, self._merged = self._extract(self.slots[keep[0]]), False
        else:
            for cache in self._caches:
                cache.filter(keep)
        self._pending = self._pending[mx.array(keep)]
        self.slots = [self.slots[i] for i in keep]
        self._compose()

    def held(self, slot: Slot) -> tuple[list[Any], int]:
        """A plain cache, lazy (see `PrefixCache.store`), and how many of this slot's tokens are in it."""
        return self._extract(slot), len(slot.tokens) - slot.unfed

    def _extract(self, slot: Slot) -> list[Any]:
        if not self._merged:
            return self._caches
        row = self.slots.index(slot)
        return [cache.extract(row) for cache in self._caches]

    def settle(self) -> None:
        """Wait for the step in flight, so that what is timed next is timed alone."""
        if self._pending is not None:
            mx.eval(self._pending)

    def dissolve(self) -> list[Slot]:
        """Empty the batch whatever state it is in; returns the slots that were in it."""
        slots, self.slots = self.slots, []
        self._caches, self._merged, self._pending, self._figures = [], False, None, None
        self._opening = []
        return slots

    def step(self) -> Iterable[Drawn]:
        """The tokens that slots have drawn; whoever takes them says in time which slot is finished by one."""
        return self._step_ahead(self._draft) if self._draft and self._is_plain else self._step()

    @property
    def _is_plain(self) -> bool:
        """A draft's proposals can be checked: nothing depends on each single token that was drawn before."""
        return len(self.slots) == 1 and not (
            self._penalties or self._guides or self.slots[0].prompt.top_logprobs is not None
        )

    def _step_ahead(self, draft: Draft) -> Iterator[Drawn]:
        slot = self.slots[0]
        fed, following = check(self._module, self._caches, draft, slot, int(self._pending.item()))
        self._pending = mx.array([following])
        for token in told(slot, fed, self._caches):
            yield Drawn(slot, token, None)

    def _step(self) -> list[Drawn]:
        """Start computing the next tokens, then wait for and return those that the last step started.

        A batch that has just begun has none of those, and does not wait for the pass after the first to be under way:
        MLX queues only so many operations, on a CPU not even one pass, so that would be a whole pass later.
        """
        fed, figures = self._pending, self._figures
        if all(not slot.unfed and slot.generated + 1 >= slot.prompt.max_new for slot in self.slots):
            return self._told(fed, figures)  # the last tokens of all of them: nobody asks what would follow
        begins = not any(slot.joined for slot in self.slots)
        make_room(self._caches, len(self._caches))  # the last of the layers has its turn in time
        logits = raw = self._module(self._next(fed), cache=self._caches)[:, -1, :]
        if self._penalties:
            logits = self._penalties(logits, fed)
        waits = self._guides.waits
        if waits:
            mx.async_eval(logits)  # type: ignore[no-untyped-call]
            self._advance(fed)
            logits = self._guides.mask(logits)
        drawn = self._draw(logits)
        self._pending = self._guides.override(drawn) if waits else drawn
        self._figures = self._asked(raw, self._pending)
        mx.async_eval(self._pending, *(self._figures.arrays if self._figures else ()))  # type: ignore[no-untyped-call]
        self._steps += 1
        if self._steps % _SETTLE_EVERY == 0:
            # Recurrent caches count their padding down lazily: unevaluated, each step would keep a buffer alive.
            mx.eval([cache.state for cache in self._caches])
        if not waits:
            self._advance(fed)
        arrived = self._arrived(fed, figures)
        for slot in self.slots:
            slot.joined, slot.unfed = True, 0
        return self._told(self._pending, self._figures) if begins else arrived

    def _told(self, tokens: mx.array, figures: Figures | None) -> list[Drawn]:
        """Tokens that have been drawn, before the pass that puts them into the cache."""
        arrived = self._arrived(tokens, figures)
        for slot in self.slots:
            slot.unfed = 1
        return arrived

    def _next(self, fed: mx.array) -> mx.array:
        """(slots, tokens) to compute: one each, but for a slot that joined with some ahead."""
        if not self._opening:
            return fed[:, None]
        opening, self._opening = mx.array(self._opening), []
        while make_room(self._caches, opening.size + 1):
            pass
        return mx.concatenate([opening, fed])[None]

    def _advance(self, fed: mx.array) -> None:
        if self._guides:
            values = cast(list[int], fed.tolist())
            self._guides.advance([v if slot.joined else None for slot, v in zip(self.slots, values, strict=True)])

    def _arrived(self, tokens: mx.array, figures: Figures | None) -> list[Drawn]:
        """Wait for tokens (n,); those that their slots have already, of a prompt or told before, are no news."""
        values, read = cast(list[int], tokens.tolist()), figures.read() if figures else {}
        drawn = [Drawn(slot, token, read.get(slot)) for slot, token in zip(self.slots, values, strict=True)]
        news = [each for each in drawn if not each.slot.unfed]
        for slot, token, _ in news:
            slot.tokens.append(token)
        return news

    def _draw(self, logits: mx.array) -> mx.array:
        positions = [slot.drawn for slot in self.slots]
        for slot in self.slots:
            slot.drawn += 1
        try:
            return self._sampler(logits, positions)
        except Exception:  # whatever a filter raises belongs to the slot that brought it
            drawn = [self._draw_alone(slot, logits[i : i + 1]) for i, slot in enumerate(self.slots)]
            return mx.concatenate(drawn)

    def _draw_alone(self, slot: Slot, logits: mx.array) -> mx.array:
        try:
            return Sampler([slot.prompt.choice])(logits, [slot.drawn - 1])
        except Exception as error:
            slot.failure = error
            return mx.argmax(logits, axis=-1)
