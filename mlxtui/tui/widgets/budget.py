"""How full the prompt cache is, how much of recent prompts came from it, and what had to go. Pure."""

from __future__ import annotations

from mlxtui.kept import Cache, Evicted
from mlxtui.tui.figures import age, bar, count, percent, size
from mlxtui.tui.text import Line, Piece, Tone, fit, joined

REASONS = {
    "outgrown": "a later turn holds nearly all of it",
    "passing": "short, came once, and too many of its kind",
    "quota": "its conversation holds more than half",
    "budget": "least recently used",
    "memory": "running requests needed the memory",
    "dropped": "dropped by hand",
}
_REASON = max(map(len, REASONS.values()))


def budget(cache: Cache, hits: float | None, width: int) -> list[Line]:
    """A bar of the budget, then the figures."""
    share = cache.nbytes / cache.budget if cache.budget else 0.0
    pinned = sum(kept.pinned for kept in cache.entries)
    tone: Tone = "warn" if share > 0.9 else "accent"
    figures: list[Line] = [
        ((size(cache.nbytes), "bold"), (f" of {size(cache.budget)}", "dim")),
        ((count(len(cache.entries)), "bold"), (" kept", "dim"), (f", {pinned} pinned" if pinned else "", "accent")),
        (("hit rate ", "dim"), (percent(hits), "good" if hits else "")),
        (("had to go ", "dim"), (count(sum(cache.evicted.values())), "")),
    ]
    if cache.disk_budget:
        figures.insert(1, ((size(cache.disk_bytes), "bold"), (f" of {size(cache.disk_budget)} on disk", "dim")))
    return [((bar(min(1.0, share), width), tone),), joined(figures, "   ", width)]


def gone(cache: Cache, now: float, width: int, height: int) -> list[Line]:
    """How often what had to go and why, then the last ones."""
    if not cache.evicted:
        return [(("nothing had to go yet", "dim"),)]
    counts: list[Line] = [((f"{count(n)} ", "bold"), (reason, "dim")) for reason, n in sorted(cache.evicted.items())]
    return [joined(counts, "   ", width), *(_gone(each, now) for each in cache.recent[: height - 1])]


def _gone(each: Evicted, now: float) -> Line:
    head: Piece = (f"{age(now - each.t):>5}  {count(each.tokens):>7} tokens  ", "dim")
    return head, (fit(REASONS.get(each.reason, each.reason), _REASON), ""), (f"  {each.opening}", "dim")
