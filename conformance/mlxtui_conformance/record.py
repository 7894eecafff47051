"""Results become JSON lines with every byte that was exchanged, so that a failure can be looked at afterwards.

Knows nothing of verdicts. Keys, passwords and the values of the user's headers are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from .curl import secret
from .results import Result
from .target import Target
from .wire import Exchange


def recorded(result: Result, target: Target) -> Iterator[str]:
    """A line for each exchange of a check."""
    for exchange in result.exchanges:
        line = {"check": result.check.id, "verdict": result.verdict.value, **_exchange(exchange, target)}
        yield json.dumps(line, ensure_ascii=False) + "\n"


def _exchange(exchange: Exchange, target: Target) -> dict[str, object]:
    return {
        "method": exchange.method,
        "url": exchange.url,
        "request_headers": _without_secrets(exchange, target),
        "request": exchange.sent,
        "status": exchange.status,
        "response_headers": exchange.answered_as,
        "response": bytes(exchange.received).decode("utf-8", "backslashreplace"),
    }


def _without_secrets(exchange: Exchange, target: Target) -> list[tuple[str, str]]:
    return [(name, "…" if secret(name, value, target) else value) for name, value in exchange.asked_as]
