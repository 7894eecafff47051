"""What the prompt cache keeps, for dashboards and operators: told, pinned, dropped."""

from __future__ import annotations

from dataclasses import replace

from quart import Blueprint, Response

from mlxtui.engine.interface import Engine
from mlxtui.kept import Cache, Kept
from mlxtui.server.answers import json_response
from mlxtui.server.ledger import Ledger


def routes(engine: Engine, ledger: Ledger) -> Blueprint:
    blueprint = Blueprint("caching", __name__)

    def told(cache: Cache) -> Response:
        return json_response(
            replace(cache, entries=tuple(_with_client(kept, ledger) for kept in cache.entries)).to_json()
        )

    @blueprint.get("/mlxtui/cache")
    async def show() -> Response:
        return told(await engine.cache())

    @blueprint.post("/mlxtui/cache/<id>/pin")
    async def pin(id: str) -> Response:
        return told(await engine.cache("pin", id))

    @blueprint.post("/mlxtui/cache/<id>/unpin")
    async def unpin(id: str) -> Response:
        return told(await engine.cache("unpin", id))

    @blueprint.delete("/mlxtui/cache/<id>")
    async def drop(id: str) -> Response:
        return told(await engine.cache("drop", id))

    return blueprint


def _with_client(kept: Kept, ledger: Ledger) -> Kept:
    """A job is named after its request, with the number of the choice behind a dot."""
    request = kept.request.partition(".")[0]
    exchange = ledger.get(request)
    return replace(kept, request=request, client=exchange.client if exchange else "")
