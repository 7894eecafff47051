"""One request from the side: what was asked and answered, why it was not all cached, its output live, its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Any

from quart import Blueprint, Response, request

from mlxtui.api.body import parse_object
from mlxtui.engine.interface import Engine, Job
from mlxtui.errors import ApiError, Cancelled, InvalidRequest, NotFound
from mlxtui.server.answers import json_response
from mlxtui.server.exchange import Exchange
from mlxtui.server.guard import read_json
from mlxtui.server.ledger import Ledger
from mlxtui.server.spelling import prompt_json, raw_json
from mlxtui.server.sse import KEEPALIVE, event, event_stream
from mlxtui.settings import Settings
from mlxtui.store import responses
from mlxtui.store.database import Store
from mlxtui.types import PRIORITIES, CallArguments, CallStart, Delta, Reasoning, Text


def routes(engine: Engine, ledger: Ledger, store: Store, settings: Settings) -> Blueprint:
    blueprint = Blueprint("inspection", __name__)

    @blueprint.get("/mlxtui/requests/<id>")
    async def inspect(id: str) -> Response:
        exchange = _exchange(ledger, id)
        further = {
            "miss": await exchange.miss(),
            "chain": await _chain(exchange, store),
            "in_force": _in_force(exchange.run.job) if exchange.run and exchange.run.job else None,
        }
        return json_response(exchange.to_json() | further)

    @blueprint.get("/mlxtui/requests/<id>/prompt")
    async def prompt(id: str) -> Response:
        return json_response(await prompt_json(engine, _exchange(ledger, id)))

    @blueprint.get("/mlxtui/requests/<id>/raw")
    async def raw(id: str) -> Response:
        return json_response(await raw_json(engine, _exchange(ledger, id)))

    @blueprint.get("/mlxtui/requests/<id>/wire")
    async def wire(id: str) -> Response:
        after = request.args.get("after", 0, type=int)
        return json_response(_exchange(ledger, id).wire.to_json(after))

    @blueprint.get("/mlxtui/requests/<id>/output")
    async def output(id: str) -> Response:
        return event_stream(_output(_exchange(ledger, id), settings.heartbeat))

    @blueprint.post("/mlxtui/requests/<id>/cancel")
    async def cancel(id: str) -> Response:
        cancelled = _exchange(ledger, id).cancel(Cancelled("the request was cancelled from the dashboard"))
        return json_response({"id": id, "cancelled": cancelled})

    @blueprint.post("/mlxtui/requests/<id>/priority")
    async def prioritise(id: str) -> Response:
        exchange, body = _exchange(ledger, id), parse_object(await read_json(request, settings))
        wanted = next((priority for priority in PRIORITIES if priority == body.get("priority")), None)
        if wanted is None:
            raise InvalidRequest(f"'priority' must be one of {', '.join(PRIORITIES)}", param="priority")
        return json_response({"id": id, "priority": wanted, "changed": exchange.prioritise(wanted)})

    return blueprint


def _exchange(ledger: Ledger, id: str) -> Exchange:
    exchange = ledger.get(id.removeprefix("req_"))  # as the x-request-id header has it
    if exchange is None:
        raise NotFound(f"no request {id[:64]!r} is kept here (any more)", param="id", code="request_not_found")
    return exchange


async def _chain(exchange: Exchange, store: Store) -> list[str]:
    """The responses that this one goes on from, the latest first, as far as they are still kept."""
    previous = exchange.body.get("previous_response_id")
    return await store.run(responses.chain, previous) if isinstance(previous, str) else []


def _in_force(job: Job) -> dict[str, Any]:
    """The sampling and the limits of its first choice, whoever set them; what is not set is left out."""
    limits = {name: getattr(job, name) for name in ("max_tokens", "top_logprobs", "reasoning_budget", "constraint")}
    said = asdict(job.sampling) | {
        name: asdict(value) if name == "constraint" and value else value for name, value in limits.items()
    }
    return {name: value for name, value in said.items() if value is not None}


async def _output(exchange: Exchange, heartbeat: float) -> AsyncGenerator[bytes, None]:
    """One request's output from its beginning, live; the only place where a request's text leaves by a side door."""
    yield event("snapshot", {"reasoning": "", "content": "", "tool_calls": []})
    at = 0
    try:
        async for batch in exchange.follow(heartbeat):
            pieces = exchange.run.raw.since(at) if exchange.run else []
            at += len(pieces)
            raw = event("raw", {"pieces": pieces}) if pieces else b""
            yield b"".join(_piece(delta) for delta in batch) + raw or KEEPALIVE
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
