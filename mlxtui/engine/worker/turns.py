"""Whose turn it is: prompts that wait for a slot, and slots that share the prefill of a step. Knows no model.

High before normal before low, equals by arrival. Whoever is first in line is overtaken three times at most, however
many of a higher priority keep coming; and every fourth step's prefill goes round without regard to priorities.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlxtui.engine.worker.slot import Prompt, Slot
from mlxtui.types import PRIORITIES, Priority

PATIENCE = 3
_rank = PRIORITIES.index


class Waiting:
    """The prompts without a slot."""

    def __init__(self) -> None:
        self._line: list[Prompt] = []
        self._overtaken = 0  # times in a row that the first in line was not the first

    def __len__(self) -> int:
        return len(self._line)

    def add(self, prompt: Prompt) -> None:
        self._line.append(prompt)

    def remove(self, job: str) -> None:
        self._line = [prompt for prompt in self._line if prompt.id != job]

    def prioritise(self, job: str, priority: Priority) -> None:
        self._line = [replace(p, priority=priority) if p.id == job else p for p in self._line]

    def first(self) -> Prompt:
        """Who gets the next slot."""
        impatient = self._overtaken >= PATIENCE
        return self._line[0] if impatient else min(self._line, key=lambda prompt: _rank(prompt.priority))

    def take(self) -> Prompt:
        """The first, who waits no longer."""
        prompt = self.first()
        self._overtaken = 0 if prompt is self._line[0] else self._overtaken + 1
        self._line.remove(prompt)
        return prompt


def in_turn(slots: Iterable[Slot], step: int) -> list[Slot]:
    """Slots that stand in the order of their turns, in the order of this step."""
    return list(slots) if step % (PATIENCE + 1) == 0 else sorted(slots, key=lambda slot: _rank(slot.priority))


def peers(slots: list[Slot]) -> list[Slot]:
    """The first and those of its priority."""
    return [slot for slot in slots if slot.priority == slots[0].priority]


def hurry(slot: Slot, priority: Priority) -> None:
    """Somebody of this priority waits for `slot`."""
    slot.priority = min(slot.priority, priority, key=_rank)
