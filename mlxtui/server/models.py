"""The models of this machine, over HTTP: what there is, load, unload, download, search, remove.

A name in a request is looked up among the models found on disk and never made into a path. Nothing under /v1 leads
here: what a client asks the model is never a reason to load another one.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from quart import Blueprint, Response, request

from mlxtui.api.body import parse_object, validate
from mlxtui.api.models import model_json
from mlxtui.api.on_disk import WireHubId, WireModelName
from mlxtui.engine.interface import Engine
from mlxtui.errors import Conflict, InvalidRequest, NotFound, RateLimited, UserError
from mlxtui.events import to_json
from mlxtui.models import disk
from mlxtui.models.entry import Entry
from mlxtui.server.answers import json_response
from mlxtui.server.downloads import AT_ONCE, Downloads, ask_hub
from mlxtui.server.guard import read_json
from mlxtui.settings import Settings
from mlxtui.types import ModelInfo


def routes(engine: Engine, downloads: Downloads, settings: Settings) -> Blueprint:
    blueprint = Blueprint("models", __name__, url_prefix="/mlxtui/models")

    @blueprint.get("")
    async def models() -> Response:
        status, entries = engine.status, await _entries(settings)
        wanted = _entry_of(engine.wanted, entries)
        loaded = wanted if engine.model else None
        return json_response(
            {
                "models": [replace(entry, loaded=entry is loaded).to_json() for entry in entries],
                "engine": {"state": status.state, "detail": status.detail, "wanted": engine.wanted},
                "downloads": [to_json(download) for download in downloads.under_way()],
            }
        )

    @blueprint.post("/load")
    async def load() -> Response:
        entry = await _named(await _asked(settings), settings)
        if entry.trouble:
            raise InvalidRequest(f"{entry.name} is {entry.trouble}", param="model", code="model_unusable")
        return json_response({"loaded": model_json(await _loaded(engine, entry.id))})

    @blueprint.post("/unload")
    async def unload() -> Response:
        await engine.unload()
        return json_response({"unloaded": True})

    @blueprint.post("/remove")
    async def remove() -> Response:
        entry = await _named(await _asked(settings), settings)
        if entry is _entry_of(engine.wanted, [entry]):
            raise Conflict(f"{entry.name} is loaded: unload it first")
        if entry is _entry_of(settings.draft_model, [entry]):
            raise Conflict(f"{entry.name} is the draft model of this server: start it without --draft-model first")
        if entry.id in downloads:
            raise Conflict(f"{entry.name} is being downloaded: cancel that first")
        try:
            freed = await asyncio.to_thread(disk.remove, entry)
        except UserError as error:
            raise InvalidRequest(str(error), param="model") from error
        return json_response({"model": entry.id, "freed_bytes": freed})

    return blueprint


def hub_routes(downloads: Downloads, settings: Settings) -> Blueprint:
    """What is asked of the Hub."""
    blueprint = Blueprint("hub", __name__, url_prefix="/mlxtui/models")
    searches = asyncio.Semaphore(AT_ONCE)

    @blueprint.post("/pull")
    async def pull() -> Response:
        id = validate(WireHubId, parse_object(await read_json(request, settings))).model
        downloads.begin(id)
        return json_response({"model": id, "status": "running"}, 202)

    @blueprint.post("/pull/cancel")
    async def cancel() -> Response:
        id = await _asked(settings)
        return json_response({"model": id, "cancelled": await downloads.cancel(id)})

    @blueprint.get("/search")
    async def search() -> Response:
        text = request.args.get("q", "").strip()
        if not 1 <= len(text) <= 200:
            raise InvalidRequest("q must be what to look for, in at most 200 characters", param="q")
        if not text.isprintable():
            raise InvalidRequest("q must be text without control characters", param="q")
        if searches.locked():
            raise RateLimited(f"{AT_ONCE} searches are under way, which is the limit", retry_after=5)
        async with searches:
            return json_response({"models": await ask_hub(text)})

    return blueprint


async def _asked(settings: Settings) -> str:
    return validate(WireModelName, parse_object(await read_json(request, settings))).model


async def _entries(settings: Settings) -> list[Entry]:
    """Those on disk, with the one that the server was started on if that is a directory elsewhere."""
    return await asyncio.to_thread(disk.on_disk, [*settings.model_folders, settings.model])


async def _named(name: str, settings: Settings) -> Entry:
    entry = disk.find(name, await _entries(settings))
    if entry is None:
        raise NotFound(
            f"there is no model {name[:200]!r} on this machine; GET /mlxtui/models lists those there are",
            param="model",
            code="model_not_found",
        )
    return entry


def _entry_of(wanted: str | None, entries: list[Entry]) -> Entry | None:
    if wanted is None:
        return None
    path = str(Path(wanted).expanduser().absolute())
    return next((entry for entry in entries if wanted == entry.id or path == entry.path), None)


async def _loaded(engine: Engine, id: str) -> ModelInfo:
    """A client that leaves while the model is loading does not stop it."""
    loading = asyncio.create_task(engine.load(id))
    loading.add_done_callback(_heard)
    return await asyncio.shield(loading)


def _heard(loading: asyncio.Task[Any]) -> None:
    """The engine has told of a failure as an event, whether or not somebody still waits for it here."""
    if not loading.cancelled():
        loading.exception()
