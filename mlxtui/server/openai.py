"""OpenAI's routes: bytes in, the pipeline's deltas out, as one JSON object or as a stream."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

from quart import Blueprint, Request, Response, g, request

from mlxtui.api.chat import parse_chat, to_request
from mlxtui.api.chat_answer import ChatAnswer, ChatStream
from mlxtui.api.chat_wire import WireChat
from mlxtui.api.models import model_json, models_json, require
from mlxtui.errors import ApiError, NotFound
from mlxtui.pipeline import Pipeline
from mlxtui.server.answers import json_response
from mlxtui.server.exchange import Exchange, Ledger
from mlxtui.server.guard import read_json
from mlxtui.server.sse import KEEPALIVE, event_stream
from mlxtui.settings import Settings


def routes(pipeline: Pipeline, ledger: Ledger, settings: Settings) -> Blueprint:
    blueprint = Blueprint("openai", __name__)

    @blueprint.post("/v1/chat/completions")
    async def chat_completions() -> Response:
        exchange = await _open(request, ledger, settings, "chat")
        try:
            wire = parse_chat(exchange.json())
            if model := pipeline.engine.model:
                require(model, wire.model)
            exchange.start(pipeline.open(exchange.id, to_request(wire)))
        except Exception as error:
            exchange.reject(error)
            raise
        await exchange.started()
        return await _chat_answer(exchange, wire, settings.heartbeat)

    @blueprint.get("/v1/models")
    async def models() -> Response:
        return json_response(models_json(pipeline.engine.model))

    @blueprint.get("/v1/models/<path:name>")
    async def model(name: str) -> Response:
        loaded = pipeline.engine.model
        if loaded is None:
            raise NotFound(f"the model {name[:200]!r} is not loaded", param="model", code="model_not_found")
        require(loaded, name)
        return json_response(model_json(loaded))

    return blueprint


async def _open(request: Request, ledger: Ledger, settings: Settings, endpoint: str) -> Exchange:
    """The exchange ends with the connection: see `app.Attended`."""
    raw = await read_json(request, settings)
    client = client_name(request.headers.get("User-Agent", ""))
    exchange = ledger.open(endpoint, client, raw, str(request.scope.get("mlxtui.replayed_id", "")))
    request.scope["mlxtui.exchange"] = exchange  # type: ignore[typeddict-unknown-key]
    g.request_id = exchange.id
    return exchange


async def _chat_answer(exchange: Exchange, wire: WireChat, heartbeat: float) -> Response:
    id = f"chatcmpl-{exchange.id}"
    if wire.stream:
        stream = ChatStream(id, exchange.created, wire.model, include_usage=wire.include_usage, choices=wire.n)
        return event_stream(_chat_events(exchange, stream, heartbeat))
    answer = ChatAnswer()
    async for batch in exchange.follow():
        answer.feed(batch)
    return json_response(answer.to_json(id, exchange.created, wire.model))


async def _chat_events(exchange: Exchange, stream: ChatStream, heartbeat: float) -> AsyncGenerator[bytes, None]:
    try:
        async for batch in exchange.follow(heartbeat):
            yield stream.encode(batch) if batch else KEEPALIVE
    except ApiError as error:
        yield stream.error(error)


def client_name(user_agent: str) -> str:
    """A short name for the dashboard: "OpenAI/Python 3.52.0" is openai-python, "curl/8.5.0" is curl."""
    if official := re.match(r"(?:Async)?OpenAI/(\w+)", user_agent):
        return f"openai-{official[1].lower()}"
    return re.split(r"[/\s(]", user_agent.strip(), maxsplit=1)[0].lower() or "unknown"
