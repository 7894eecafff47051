"""What operators and dashboards ask of the whole server: is it alive, is it ready, what happens, how much so far."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from typing import Any

from quart import Blueprint, Response, request

from mlxtui import __version__
from mlxtui.api.parameters import parameters_json
from mlxtui.bus import Bus, Numbered
from mlxtui.engine.interface import Engine
from mlxtui.errors import Unavailable
from mlxtui.events import to_json
from mlxtui.server.answers import json_response
from mlxtui.server.ledger import Ledger
from mlxtui.server.metrics import CONTENT_TYPE, Metrics
from mlxtui.server.sse import KEEPALIVE, event, event_stream
from mlxtui.settings import Settings

PACE = 0.05
"""Seconds between two writes to a subscriber: a dashboard draws four times a second."""


def routes(engine: Engine, bus: Bus, ledger: Ledger, settings: Settings, stop: Callable[[], None]) -> Blueprint:
    """`stop` begins the server's shutdown and returns at once."""
    blueprint, scraped = Blueprint("monitor", __name__), Metrics(lambda: bus.state)

    @blueprint.get("/health")
    async def health() -> Response:
        running = bus.state.count("prefill", "decode")
        model = engine.model.id if engine.model else None
        counts = {"running": running, "queued": bus.state.count("queued")}
        return json_response({"status": "ok", "version": __version__, "model": model} | counts)

    @blueprint.get("/ready")
    async def ready() -> Response:
        status = engine.status
        if status.state != "ready" or ledger.closing:
            why = "shutting down" if ledger.closing else status.detail
            raise Unavailable(f"not ready: {why}", retry_after=status.retry_after or 1.0)
        return json_response({"status": "ready", "model": engine.model.id if engine.model else None})

    @blueprint.get("/metrics")
    async def metrics() -> Response:
        return Response(scraped.text(), content_type=CONTENT_TYPE)

    @blueprint.get("/mlxtui/events")
    async def events() -> Response:
        last = request.headers.get("Last-Event-ID", "")
        known = int(last) if re.fullmatch("[0-9]{1,18}", last) else None
        return event_stream(_feed(bus, known, settings.heartbeat))

    @blueprint.get("/mlxtui/parameters")
    async def parameters() -> Response:
        return json_response(parameters_json())

    @blueprint.post("/mlxtui/shutdown")
    async def shutdown() -> Response:
        stop()
        return json_response({"status": "shutting down"}, 202)

    return blueprint


async def _feed(bus: Bus, last_id: int | None, heartbeat: float) -> AsyncGenerator[bytes, None]:
    with bus.subscribe(last_id, pace=PACE, silence=heartbeat) as subscription:
        yield KEEPALIVE
        async for batch in subscription:
            yield (
                b"".join(
                    event(_named(data := to_json(item.event)), data, item.id)
                    if isinstance(item, Numbered)
                    else event("snapshot", item.state, item.id)
                    for item in batch
                )
                or KEEPALIVE
            )


def _named(data: dict[str, Any]) -> str:
    kind: str = data["type"]
    return kind
