"""Who has to go when there is no room: least recently used first, but nobody can push the others out.

Entries in, one of them out. What comes once and is short (an agent's side calls: titles, summaries, checks) shares one
small quota, so that however many there are, they push out each other and never the long conversation between whose
turns they come. A conversation that holds more than its quota loses its own old branches first. What a later turn holds
nearly all of (templates write history otherwise than it was generated) goes before everything else, pinned ones last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from math import ceil

from mlxtui.engine.worker.cache.entry import Entry
from mlxtui.engine.worker.cache.keys import WIDTH
from mlxtui.kept import EvictionReason

_SHORT = 1 / 32  # of the budget: from here on an entry is worth its place, whether it has come back or not
_PASSING = 1 / 8  # of the budget, for all that is short and came once
_OUTGROWN = 3 / 4  # of an entry's tokens
_CONVERSATION = 1 / 2  # of the budget, for the entries of one family


def next_to_go(entries: Sequence[Entry], budget: int, most: int) -> tuple[Entry, EvictionReason]:
    """One of `entries` (least recently used first, not empty), and why this one; `most` of them may be kept."""
    free = [entry for entry in entries if not entry.pinned] or entries
    if outgrown := next(filter(None, map(_outgrown, _groups(free, lambda entry: entry.origin.root))), None):
        return outgrown, "outgrown"
    passing = [entry for entry in free if not entry.returned and entry.nbytes < budget * _SHORT]
    if sum(entry.nbytes for entry in passing) > budget * _PASSING or len(passing) > most // 2:
        return passing[0], "passing"
    families = _groups(free, lambda entry: entry.origin.family)
    greedy = max(families, key=_bytes)
    if len(families) > 1 and len(greedy) > 1 and _bytes(greedy) > budget * _CONVERSATION:
        return greedy[0], "quota"
    return free[0], "budget"


def _groups(entries: Sequence[Entry], name: Callable[[Entry], str]) -> list[list[Entry]]:
    """Those of one name together: the root's for the turns of one conversation."""
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[name(entry)].append(entry)
    return list(groups.values())


def _bytes(family: Sequence[Entry]) -> int:
    return sum(entry.nbytes for entry in family)


def _outgrown(turns: Sequence[Entry]) -> Entry | None:
    """An entry that a later one of its conversation could nearly always serve for.

    Asks each pair whether one begins with most of the other, never how far: that is one comparison in C.
    """
    cuttable = [entry for entry in turns if entry.cuttable]
    for i, entry in enumerate(cuttable[:-1]):
        most = entry.key[: ceil(len(entry.key) // WIDTH * _OUTGROWN) * WIDTH]
        if any(later.key.startswith(most) for later in cuttable[i + 1 :]):
            return entry
    return None
