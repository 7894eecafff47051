"""OpenAI's routes: bytes in, the pipeline's deltas out, as one JSON object or as a stream."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Protocol

from quart import Blueprint, Request, Response, g, request

from mlxtui.api.chat import parse_chat
from mlxtui.api.chat import to_request as chat_request
from mlxtui.api.chat_answer import ChatAnswer, ChatStream
from mlxtui.api.completions import CompletionAnswer, CompletionStream, parse_completion
from mlxtui.api.completions import to_request as completion_request
from mlxtui.api.models import model_json, models_json, require
from mlxtui.api.openapi import document
from mlxtui.engine.interface import Engine
from mlxtui.errors import ApiError, NotFound
from mlxtui.pipeline import Pipeline
from mlxtui.server.answers import json_response
from mlxtui.server.exchange import Exchange
from mlxtui.server.guard import read_json
from mlxtui.server.ledger import Ledger
from mlxtui.server.sse import KEEPALIVE, event_stream
from mlxtui.settings import REASONING_KEYS, Settings
from mlxtui.types import Delta, TextPrompt
from mlxtui.types import Request as ModelRequest


class Answer(Protocol):
    """Collects deltas into the one JSON object of an API."""

    def feed(self, deltas: Iterable[Delta]) -> None: ...
    def to_json(self, id: str, created: int, model: str) -> dict[str, Any]: ...


class Encoder(Protocol):
    """Encodes deltas as the events of an API."""

    def encode(self, deltas: Iterable[Delta]) -> bytes: ...
    def error(self, error: ApiError) -> bytes: ...


def routes(pipeline: Pipeline, ledger: Ledger, settings: Settings) -> Blueprint:
    blueprint = Blueprint("openai", __name__)
    reasoning = REASONING_KEYS[settings.reasoning_keys]

    @blueprint.post("/v1/chat/completions")
    async def chat_completions() -> Response:
        exchange = await open_exchange(request, ledger, settings, "chat")
        with exchange.rejecting():
            wire = parse_chat(exchange.json())
            start(exchange, pipeline, chat_request(wire))
        await exchange.started()
        frame = (f"chatcmpl-{exchange.id}", exchange.created, wire.model)
        if wire.stream:
            stream = ChatStream(*frame, include_usage=wire.include_usage, choices=wire.n, reasoning_keys=reasoning)
            return event_stream(_events(exchange, stream, settings.heartbeat))
        return await _whole(exchange, ChatAnswer(reasoning), frame)

    @blueprint.post("/v1/completions")
    async def completions() -> Response:
        exchange = await open_exchange(request, ledger, settings, "completions")
        with exchange.rejecting():
            wire = parse_completion(exchange.json())
            start(exchange, pipeline, asked := completion_request(wire))
        await exchange.started()
        echoes = [await _text(pipeline.engine, prompt) for prompt in asked.texts] if wire.echo else []
        frame = (f"cmpl-{exchange.id}", exchange.created, wire.model)
        choices = len(asked.texts) * asked.n
        if wire.stream:
            stream = CompletionStream(*frame, include_usage=wire.include_usage, choices=choices, echoes=echoes)
            return event_stream(_events(exchange, stream, settings.heartbeat))
        return await _whole(exchange, CompletionAnswer(choices, echoes), frame)

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

    @blueprint.get("/openapi.json")
    async def openapi() -> Response:
        return json_response(document())

    return blueprint


async def open_exchange(request: Request, ledger: Ledger, settings: Settings, endpoint: str) -> Exchange:
    """The exchange ends with the connection: see `app.Attended`."""
    raw = await read_json(request, settings)
    client = client_name(request.headers.get("User-Agent", ""))
    exchange = ledger.open(endpoint, client, raw, str(request.scope.get("mlxtui.replayed_id", "")))
    exchange.wire.asked(request.path, request.headers)
    request.scope["mlxtui.exchange"] = exchange  # type: ignore[typeddict-unknown-key]
    g.request_id = exchange.id
    return exchange


def start(exchange: Exchange, pipeline: Pipeline, asked: ModelRequest) -> None:
    if model := pipeline.engine.model:
        require(model, asked.model)
    exchange.start(pipeline.open(exchange.id, asked))


async def _text(engine: Engine, prompt: TextPrompt) -> str:
    return prompt.text if isinstance(prompt.text, str) else await engine.detokenize(prompt.text)


async def _whole(exchange: Exchange, answer: Answer, frame: tuple[str, int, str]) -> Response:
    async for batch in exchange.follow():
        answer.feed(batch)
    return json_response(answer.to_json(*frame))


async def _events(exchange: Exchange, stream: Encoder, heartbeat: float) -> AsyncGenerator[bytes, None]:
    try:
        async for batch in exchange.follow(heartbeat):
            yield stream.encode(batch) or KEEPALIVE
    except ApiError as error:
        yield stream.error(error)


def client_name(user_agent: str) -> str:
    """A short name for the dashboard: "OpenAI/Python 3.52.0" is openai-python, "curl/8.5.0" is curl."""
    if official := re.match(r"(?:Async)?OpenAI/(\w+)", user_agent):
        return f"openai-{official[1].lower()}"
    return re.split(r"[/\s(]", user_agent.strip(), maxsplit=1)[0].lower() or "unknown"
