"""Speculative decoding: a small draft model proposes what one slot says next, the model checks it in one pass.

A proposal counts only where the model itself draws the same token, by the slot's own seed and filters: the text is the
one that it writes without a draft, whatever the draft says. For a single slot: with more, the passes are full anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache, trim_prompt_cache

from mlxtui.engine.worker.cache.keys import common_prefix, key_of
from mlxtui.engine.worker.sampling import Choice, Sampler
from mlxtui.engine.worker.slot import Slot

_AHEAD = 3  # tokens proposed at a time
_CHUNK = 512


class Draft:
    """A draft model and what it has read: its caches hold exactly `_tokens`."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._caches: list[Any] = make_prompt_cache(module)
        self._tokens: list[int] = []

    def propose(self, tokens: Sequence[int], choice: Choice, position: int, count: int) -> list[int]:
        """`count` tokens that may follow `tokens`, drawn by `choice`; `position` counts those it has drawn so far."""
        if count < 1:
            return []
        self._read(list(tokens[:-1]))
        sampler, fed, drawn = Sampler([choice]), mx.array([tokens[-1]]), []
        for ahead in range(count):
            fed = sampler(self._module(fed[:, None], cache=self._caches)[:, -1, :], [position + ahead])
            drawn.append(fed)
        proposed: list[int] = mx.concatenate(drawn).tolist()  # type: ignore[assignment]
        self._tokens += [tokens[-1], *proposed[:-1]]
        return proposed

    def _read(self, tokens: list[int]) -> None:
        """Have exactly these tokens in the caches, at the cost of those that are not there yet."""
        known = common_prefix(key_of(self._tokens), key_of(tokens))
        trim_prompt_cache(self._caches, len(self._tokens) - known)
        for at in range(known, len(tokens), _CHUNK):
            self._module(mx.array(tokens[at : at + _CHUNK])[None], cache=self._caches)
            mx.eval([cache.state for cache in self._caches])
        self._tokens = tokens


class Checked(NamedTuple):
    """`fed` are the tokens that are in the model's caches now; `following` is the one it has drawn after them."""

    fed: list[int]
    following: int


def check(module: Any, caches: list[Any], draft: Draft, slot: Slot, pending: int) -> Checked:
    """Feed `pending`, the token that this slot has drawn last, and as many proposals as the model agrees with."""
    choice, room = slot.prompt.choice, slot.prompt.max_new - slot.generated - 1
    said = [*slot.tokens, pending] if slot.joined else slot.tokens
    proposed = draft.propose(said, choice, slot.drawn, min(_AHEAD, room))
    logits = module(mx.array([[pending, *proposed]]), cache=caches)[0]
    rows = len(proposed) + 1
    drawn: list[int] = Sampler([choice] * rows)(logits, [slot.drawn + row for row in range(rows)]).tolist()  # type: ignore[assignment]
    agreed = next((at for at, (a, b) in enumerate(zip(drawn, proposed, strict=False)) if a != b), len(proposed))
    trim_prompt_cache(caches, len(proposed) - agreed)
    slot.drawn += agreed + 1
    return Checked([pending, *proposed[:agreed]], drawn[agreed])


def told(slot: Slot, fed: list[int], caches: list[Any]) -> Iterator[int]:
    """The new tokens among `fed`, one by one, until the slot is finished; what comes behind is cut off again."""
    for at, token in enumerate(fed):
        if slot.joined:
            slot.tokens.append(token)
            yield token
            if slot.finished:
                trim_prompt_cache(caches, len(fed) - at - 1)
                return
        slot.joined, slot.unfed = True, 0
