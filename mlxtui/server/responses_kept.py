"""The routes of the Responses API that ask the store: a response fetched, streamed again, cancelled, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from quart import Blueprint, Response, request

from mlxtui.api.responses_events import DONE, Event, encode
from mlxtui.errors import Cancelled, InvalidRequest, NotFound
from mlxtui.server.answers import json_response
from mlxtui.server.paging import list_json, paged
from mlxtui.server.responses_turn import Turn, Turns
from mlxtui.server.sse import KEEPALIVE, event_stream
from mlxtui.settings import Settings
from mlxtui.store import responses
from mlxtui.store.database import Store
from mlxtui.store.items import INPUT


def routes(store: Store, turns: Turns, settings: Settings) -> Blueprint:
    """What is under way is asked of `turns`, before the store."""
    blueprint = Blueprint("kept_responses", __name__)

    @blueprint.get("/v1/responses/<id>")
    async def retrieve(id: str) -> Response:
        live = turns.get(id)
        if not _stream(request.args.get("stream", "false")):
            return json_response(live.to_json() if live and live.kept else await _stored(store, id))
        after = _starting_after(request.args.get("starting_after"))
        if live and live.kept:
            return event_stream(written(live.follow(after, settings.heartbeat)))
        return event_stream(written(_again(await _events(store, id, after))))

    @blueprint.delete("/v1/responses/<id>")
    async def delete(id: str) -> Response:
        if live := turns.get(id):
            await _cancel(live)
        if not await store.run(responses.delete, id):
            raise _unknown(id)
        return json_response({"id": id, "object": "response", "deleted": True})

    @blueprint.post("/v1/responses/<id>/cancel")
    async def cancel(id: str) -> Response:
        if live := turns.get(id):
            await _cancel(live)
            return json_response(live.to_json())
        return json_response(await _stored(store, id))

    @blueprint.get("/v1/responses/<id>/input_items")
    async def input_items(id: str) -> Response:
        page = await paged(store, INPUT, id, request.args)
        if not page.items:
            await _stored(store, id)
        return json_response(list_json(page))

    return blueprint


async def _cancel(turn: Turn) -> None:
    turn.exchange.cancel(Cancelled("the response was cancelled"))
    await turn.wait()


async def _stored(store: Store, id: str) -> dict[str, Any]:
    found = await store.run(responses.get, id)
    if found is None:
        raise _unknown(id)
    return found


async def _events(store: Store, id: str, after: int) -> list[Event]:
    """What is left of a stream that has ended; one that was cut off gets the end it never had."""
    thing = await _stored(store, id)
    events = await store.run(responses.events, id, -1) or []
    if not events or events[-1].get("response", {}).get("status") in responses.PENDING:
        number = max(after, len(events) - 1) + 1
        events.append({"type": f"response.{thing['status']}", "response": thing, "sequence_number": number})
    return [event for event in events if event["sequence_number"] > after]


async def _again(events: Sequence[Event]) -> AsyncGenerator[Sequence[Event], None]:
    yield events


async def written(batches: AsyncGenerator[Sequence[Event], None]) -> AsyncGenerator[bytes, None]:
    """One write an event, whoever reads frames them by writes too; each really suspends (see design/http.md, B2)."""
    async with aclosing(batches):
        async for batch in batches:
            for event in batch:
                yield encode(event)
                await asyncio.sleep(0)
            if not batch:
                yield KEEPALIVE
    yield DONE


def _stream(given: str) -> bool:
    if given not in ("true", "false"):
        raise InvalidRequest("'stream' must be true or false", param="stream")
    return given == "true"


def _starting_after(given: str | None) -> int:
    if given is None:
        return -1
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise InvalidRequest("'starting_after' must be a sequence number", param="starting_after")
    return int(given)


def _unknown(id: str) -> NotFound:
    message = f"no response {id[:80]!r} is kept here (any more)"
    return NotFound(message, param="response_id", code="response_not_found")
