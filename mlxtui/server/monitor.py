"""What operators and dashboards ask: is it alive, is it ready, what happens, what did that request say, stop it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from typing import Any

from quart import Blueprint, Response, request

from mlxtui import __version__
from mlxtui.api.parameters import parameters_json
from mlxtui.bus import Bus, Numbered
from mlxtui.engine.interface import Engine
from mlxtui.errors import ApiError, Cancelled, NotFound, Unavailable
from mlxtui.events import to_json
from mlxtui.server.answers import json_response
from mlxtui.server.exchange import Exchange
from mlxtui.server.ledger import Ledger
from mlxtui.server.metrics import CONTENT_TYPE, Metrics
from mlxtui.server.sse import KEEPALIVE, event, event_stream
from mlxtui.settings import Settings
from mlxtui.types import CallArguments, CallStart, Delta, Reasoning, Text

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

    @blueprint.get("/mlxtui/requests/<id>")
    async def inspect(id: str) -> Response:
        exchange = _exchange(ledger, id)
        return json_response(exchange.to_json() | {"miss": await exchange.miss()})

    @blueprint.get("/mlxtui/requests/<id>/output")
    async def output(id: str) -> Response:
        return event_stream(_output(_exchange(ledger, id), settings.heartbeat))

    @blueprint.post("/mlxtui/requests/<id>/cancel")
    async def cancel(id: str) -> Response:
        cancelled = _exchange(ledger, id).cancel(Cancelled("the request was cancelled from the dashboard"))
        return json_response({"id": id, "cancelled": cancelled})

    @blueprint.get("/mlxtui/parameters")
    async def parameters() -> Response:
        return json_response(parameters_json())

    @blueprint.post("/mlxtui/shutdown")
    async def shutdown() -> Response:
        stop()
        return json_response({"status": "shutting down"}, 202)

    return blueprint


def _exchange(ledger: Ledger, id: str) -> Exchange:
    exchange = ledger.get(id.removeprefix("req_"))  # as the x-request-id header has it
    if exchange is None:
        raise NotFound(f"no request {id[:64]!r} is kept here (any more)", param="id", code="request_not_found")
    return exchange


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


async def _output(exchange: Exchange, heartbeat: float) -> AsyncGenerator[bytes, None]:
    """One request's output from its beginning, live; the only place where a request's text leaves by a side door."""
    yield event("snapshot", {"reasoning": "", "content": "", "tool_calls": []})
    try:
        async for batch in exchange.follow(heartbeat):
            yield b"".join(_piece(delta) for delta in batch) or KEEPALIVE
    except ApiError as error:
        yield event("error", error.body()["error"])
    yield event("end", {"outcome": exchange.outcome})


def _piece(delta: Delta) -> bytes:
    match delta:
        case Text(text=text, choice=0):
            return event("delta", {"channel": "content", "text": text})
        case Reasoning(text=text, choice=0):
            return event("delta", {"channel": "reasoning", "text": text})
        case CallStart(index=index, name=name, choice=0):
            return event("delta", {"channel": "tool", "index": index, "name": name, "text": ""})
        case CallArguments(index=index, text=text, choice=0):
            return event("delta", {"channel": "tool", "index": index, "text": text})
        case _:
            return b""
