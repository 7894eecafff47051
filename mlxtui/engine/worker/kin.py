"""Live slots whose prompts begin alike: which of them to wait for, and which to copy from. Knows only tokens."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from mlxtui.engine.worker.cache.keys import common_prefix
from mlxtui.engine.worker.slot import Slot

_WORTH = 64  # tokens: fewer are computed sooner than they are waited for


class Kin(NamedTuple):
    """`slot` has, or will have, the first `shared` tokens of another one's prompt in its cache."""

    slot: Slot
    shared: int


def source(slot: Slot, live: Iterable[Slot], cuttable: bool) -> Kin | None:
    """Whose cache holds most of this slot's prompt."""
    holding = (Kin(other, min(_shared(slot, other, cuttable), _done(other))) for other in live)
    return max(holding, key=lambda kin: kin.shared, default=None)


def leader(slot: Slot, prefilling: Sequence[Slot], known: int, cuttable: bool) -> Kin | None:
    """Who is just computing much of what this slot needs beyond the `known` tokens; of several, who came first."""
    ahead = (Kin(other, _shared(slot, other, cuttable)) for other in prefilling)
    worth = [kin for kin in ahead if kin.slot.done < kin.shared >= known + _WORTH]
    return max(worth, key=lambda kin: kin.shared, default=None)


def waits(slot: Slot, prefilling: Collection[Slot]) -> bool:
    """Whether its leader still has to compute what they share."""
    return slot.leader is not None and slot.leader in prefilling and slot.leader.done < slot.shared


def _shared(slot: Slot, other: Slot, cuttable: bool) -> int:
    """Tokens to prefill that both begin with; of what can't be cut, as many as a copy is kept of."""
    if other is slot:
        return 0
    common = min(common_prefix(slot.key, other.key), len(slot.prompt.tokens) - 1, len(other.prompt.tokens) - 1)
    ends = (*other.prompt.marks, len(other.prompt.tokens) - 1)
    return common if cuttable else max((end for end in ends if end <= common), default=0)


def _done(slot: Slot) -> int:
    """Prompt tokens in its cache; in the batch that is all of them but the last."""
    return slot.done if slot.caches else len(slot.prompt.tokens) - 1
