"""What fits into the device's memory, by the numbers; knows neither the device nor the jobs.

A batch holds as many tokens for each of its rows as the longest of them has. Answers count as they grow, not in
advance: guards that reserve `max_tokens` for everybody refuse most of what would have fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_CACHE = 1 / 4  # of what the weights leave: the rest is for the requests that run
_LEAST = 64 << 20
_HEADROOM = 256  # tokens: KV caches grow in steps of as many


def cache_budget(left: int) -> int:
    """Bytes for the prompt cache where nobody says, of those that the weights leave."""
    return max(_LEAST, int(left * _CACHE))


@dataclass(frozen=True, slots=True)
class Memory:
    """All in bytes: `limit` of the device (None: unknown, everything fits), `weights`, `per_slot`, `per_token`."""

    limit: int | None
    weights: int
    per_slot: int
    per_token: int

    def spare(self, lengths: Sequence[int]) -> int | None:
        """Bytes left beside the weights and a batch of sequences this long; negative: it does not fit."""
        if self.limit is None:
            return None
        return self.limit - self.weights - len(lengths) * self._row(max(lengths, default=0))

    def fits(self, lengths: Sequence[int]) -> bool:
        spare = self.spare(lengths)
        return spare is None or spare >= 0

    def refusal(self, length: int) -> str:
        """Why a prompt this long does not even fit alone, with the numbers."""
        return (
            f"the prompt's {length} tokens need {_gb(self._row(length))} of KV cache, the weights {_gb(self.weights)}, "
            f"and this machine has {_gb(self.limit or 0)} for both"
        )

    def _row(self, length: int) -> int:
        return (length + _HEADROOM) * self.per_token + self.per_slot


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
