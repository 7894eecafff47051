"""What fits into the device's memory, by the numbers; knows neither the device nor the jobs.

Sequences count with what pads them in their batches, and as they grow, not in advance: guards that reserve
`max_tokens` for everybody refuse most of what would have fitted.
"""

from __future__ import annotations

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

    def spare(self, rows: int, tokens: int) -> int | None:
        """Bytes left beside the weights and so many sequences of so many tokens in all; negative: they do not fit."""
        if self.limit is None:
            return None
        return self.limit - self.weights - self._size(rows, tokens)

    def fits(self, rows: int, tokens: int) -> bool:
        spare = self.spare(rows, tokens)
        return spare is None or spare >= 0

    def refusal(self, length: int) -> str:
        """Why a prompt this long does not even fit alone, with the numbers."""
        return (
            f"the prompt's {length} tokens need {_gb(self._size(1, length))} of KV cache, "
            f"the weights {_gb(self.weights)}, and this machine has {_gb(self.limit or 0)} for both"
        )

    def _size(self, rows: int, tokens: int) -> int:
        return (tokens + rows * _HEADROOM) * self.per_token + rows * self.per_slot


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
