"""What the user typed about a server becomes a Target that requests are aimed by. Knows nothing of checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Limits:
    """Patience, in seconds: per check, for a freed slot, for the refusal of a huge body."""

    check: float = 60.0
    freed: float = 2.0
    refusal: float = 3.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server under test: `base` ends in the API root (mostly /v1), without a slash."""

    base: str
    model: str
    key: str | None = None
    context: int | None = None  # tokens, when the model list says so
    limits: Limits = field(default_factory=Limits)

    @property
    def root(self) -> str:
        """What the API root is below: where /health lives."""
        return self.base.removesuffix("/v1")


def base_url(url: str) -> str:
    """`host:port`, `http://host:port` and `http://host:port/v1/` all mean the same API root."""
    full = url if "://" in url else f"http://{url}"
    full = full.rstrip("/")
    return full if urlsplit(full).path else f"{full}/v1"
