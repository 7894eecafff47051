"""What is noted within a rendered prompt: where the part from the cache ends and why, where the answer begins. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlxtui.parting import MISSES
from mlxtui.tui.figures import count, percent
from mlxtui.tui.text import Line, Tone

SIDES: tuple[tuple[str, Tone], ...] = (("was", "bad"), ("now", "good"))


def notes(told: Mapping[str, Any], miss: Any, tokens: int) -> dict[int, list[Line]]:
    """Lines by the token they stand before. `told` is what the server says of the prompt, `miss` of its cache."""
    found: dict[int, list[Line]] = {}
    cached, rendered = told.get("cached"), told.get("rendered")
    if rendered is not None and rendered != tokens:
        found[0] = [((f"▲ rendered again: {count(tokens)} tokens now, {count(rendered)} when it ran", "warn"),)]
    at = miss.get("at") if isinstance(miss, Mapping) and miss.get("reason") != "new" else None
    if cached is not None:
        where = cached if at is None else min(cached, at)
        found.setdefault(where, []).extend(_end_of_cache(cached, tokens, miss))
    if isinstance(miss, Mapping) and at is not None:
        found.setdefault(at, []).extend(_parting(miss))
    return found


def parting(miss: Any, cached: int | None) -> int | None:
    """The token to go to: where it parted, else where what was cached ends."""
    if isinstance(miss, Mapping) and miss.get("reason") != "new":
        return int(miss.get("at") or 0)
    return cached or None


def _end_of_cache(cached: int, tokens: int, miss: Any) -> list[Line]:
    if not cached:
        why = MISSES.get(str(miss.get("reason")), "") if isinstance(miss, Mapping) else ""
        return [((f"━━ nothing from the cache{': ' if why else ''}{why} ━━", "warn"),)]
    share = f"{count(cached)} of {count(tokens)} tokens, {percent(cached / max(1, tokens))}"
    return [((f"━━ ▲ from the cache: {share} ━━", "good"),)]


def _parting(miss: Mapping[str, Any]) -> list[Line]:
    why = MISSES.get(str(miss.get("reason")), "not reused")
    lines: list[Line] = [((f"   ✂ {why}, in {miss.get('where') or 'the prompt'}", "warn"),)]
    return lines + [((f"   {side}  ", "dim"), (repr(miss.get(side)), tone)) for side, tone in SIDES]
