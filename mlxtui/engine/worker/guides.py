"""What the next tokens of a batch's rows are held to: grammars as masks, ends of reasoning as tokens put in.

Both depend on the value of the last token. Only steps with such rows wait for it, and only once the forward pass is
under way: see `masks`.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx

from mlxtui.engine.worker.masks import Masks
from mlxtui.engine.worker.slot import Slot


class Guides:
    """For a fixed list of slots. Each step calls `advance` once: before the draw if `waits`, else whenever it can."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._held = [slot for slot in slots if slot.matcher]
        width = max((slot.prompt.grammar.width for slot in slots if slot.prompt.grammar), default=0)
        self._masks = Masks([slot.matcher for slot in slots], width) if self._held else None
        self._thinking = [(row, slot.thinking) for row, slot in enumerate(slots) if slot.thinking]

    def __bool__(self) -> bool:
        """Whether any row is held to anything."""
        return bool(self._held or self._thinking)

    @property
    def waits(self) -> bool:
        """The next draw needs the values of the last tokens."""
        return self._masks is not None or any(thinking.urgent for _, thinking in self._thinking)

    def advance(self, tokens: Sequence[int | None]) -> None:
        """The tokens the rows drew last; None: this row was fed a token of its prompt."""
        if self._masks:
            self._masks.advance(tokens)
        for row, thinking in self._thinking:
            token = tokens[row]
            if token is not None:
                thinking.take(token)

    def mask(self, logits: mx.array) -> mx.array:
        """Logits (n, vocab) of what may come; a row whose grammar broke fails."""
        if self._masks is None:
            return logits
        logits = self._masks.apply(logits)
        for slot in self._held:
            error = slot.matcher.error if slot.matcher else None
            if error:
                slot.failure = RuntimeError(f"its constraint broke: {error}")
        return logits

    def override(self, drawn: mx.array) -> mx.array:
        """The drawn tokens (n,) with those that must come instead."""
        forced = {row: token for row, thinking in self._thinking if (token := thinking.force()) is not None}
        if not forced:
            return drawn
        tokens = mx.array([forced.get(row, 0) for row in range(drawn.shape[0])], dtype=drawn.dtype)
        return mx.where(mx.array([row in forced for row in range(drawn.shape[0])]), tokens, drawn)
