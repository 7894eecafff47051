"""What was counted since the server started: requests, tokens, and how long they took. Part of the State.

Histograms are cumulative by bucket only when they are read: here a value is counted once, in the first bucket it fits.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mlxtui.events import RequestFinished

# Seconds. The buckets that OpenTelemetry's GenAI metrics advise for whole requests, for the first token and for the
# ones after it: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKEN = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
NEXT_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)


@dataclass(slots=True)
class Histogram:
    """`counts` has one entry for each of the `bounds` (inclusive, ascending) and one for what exceeds them all."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass(slots=True)
class Totals:
    """Tokens as the clients' usage has them. `outcomes` counts requests by "endpoint outcome", e.g. "chat stop"."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    duration: Histogram = field(default_factory=lambda: Histogram(DURATION))
    first_token: Histogram = field(default_factory=lambda: Histogram(FIRST_TOKEN))
    next_token: Histogram = field(default_factory=lambda: Histogram(NEXT_TOKEN))

    @property
    def requests(self) -> int:
        return sum(self.outcomes.values())

    @property
    def failed(self) -> int:
        return sum(count for ended, count in self.outcomes.items() if ended.endswith(" error"))

    def count(self, endpoint: str, event: RequestFinished) -> None:
        self.prompt_tokens += event.prompt_tokens
        self.cached_tokens += event.cached_tokens
        self.completion_tokens += event.completion_tokens
        ended = f"{endpoint} {event.outcome}"
        self.outcomes[ended] = self.outcomes.get(ended, 0) + 1
        self.duration.add(event.total)
        if event.ttft is not None:
            self.first_token.add(event.ttft)
        if event.per_token is not None:
            self.next_token.add(event.per_token)

    def to_json(self) -> dict[str, Any]:
        """Histograms without their bounds: both sides know them."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: {"counts": v.counts, "sum": v.sum} if isinstance(v, Histogram) else v for k, v in values.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Totals:
        """The totals that `to_json` wrote.

        Raises:
            TypeError, KeyError: another version wrote them.
        """
        totals = cls(**data)
        for name, fresh in (("duration", DURATION), ("first_token", FIRST_TOKEN), ("next_token", NEXT_TOKEN)):
            setattr(totals, name, Histogram(fresh, list(data[name]["counts"]), data[name]["sum"]))
        return totals
