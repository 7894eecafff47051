"""The routes of the Responses API that ask the model: a new response, its prompt counted, a conversation compacted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from quart import Blueprint, Response, request

from mlxtui.api import responses as api
from mlxtui.api.body import parse_object
from mlxtui.api.models import require
from mlxtui.api.responses import Asked
from mlxtui.api.responses_answer import ResponseAnswer
from mlxtui.api.sealed import SealKey
from mlxtui.errors import ApiError, Cancelled, InvalidRequest
from mlxtui.pipeline import Pipeline
from mlxtui.server import responses_compact as compact
from mlxtui.server.answers import json_response
from mlxtui.server.exchange import Exchange
from mlxtui.server.guard import read_json
from mlxtui.server.ledger import Ledger
from mlxtui.server.openai import open_exchange, start
from mlxtui.server.responses_history import Prompt, fitted, history, referred
from mlxtui.server.responses_kept import written
from mlxtui.server.responses_turn import Turn, Turns
from mlxtui.server.sse import event_stream
from mlxtui.settings import Settings
from mlxtui.store.database import Store
from mlxtui.store.responses import Kept

PATIENCE = 6
"""Heartbeats without an event after which a real one is sent: 30 s by default, Codex gives up after 300."""


def routes(pipeline: Pipeline, ledger: Ledger, settings: Settings, store: Store, turns: Turns) -> Blueprint:
    blueprint = Blueprint("responses", __name__)
    key = SealKey(store.secret)

    @blueprint.post("/v1/responses")
    async def create() -> Response:
        exchange = await open_exchange(request, ledger, settings, "responses")
        with exchange.rejecting():
            asked, prompt = await _asked(pipeline, store, key, exchange.json())
            start(exchange, pipeline, prompt.request)
        with _in_our_words():
            await exchange.started()
        turn, queued = _begin(turns, exchange, _noted(exchange, asked, prompt), store, key, settings)
        await turn.begun()
        if asked.background and (why := turn.unkept):
            await turn.wait()
            raise why
        if asked.stream:
            return event_stream(written(turn.follow(silence=settings.heartbeat)))
        return json_response(queued if asked.background else await _whole(turn))

    @blueprint.post("/v1/responses/input_tokens")
    async def input_tokens() -> Response:
        _, prompt = await _asked(pipeline, store, key, _of_a_model(parse_object(await read_json(request, settings))))
        with _in_our_words():
            _, tokens = await pipeline.tokenize(prompt.request)
        return json_response({"object": "response.input_tokens", "input_tokens": len(tokens)})

    @blueprint.post("/v1/responses/compact")
    async def compacted() -> Response:
        exchange = await open_exchange(request, ledger, settings, "compact")
        with exchange.rejecting():
            asked = await referred(store, api.parse(_of_a_model(exchange.json())))
            items = (*await history(store, asked), *asked.items)
            prompt = await fitted(pipeline, compact.question(asked), items, key)
            start(exchange, pipeline, prompt.request)
        with _in_our_words():
            await exchange.started()
        _noted(exchange, asked, prompt)
        return json_response(await compact.answer(exchange, items, key))

    return blueprint


def _of_a_model(body: dict[str, Any]) -> dict[str, Any]:
    """Counting and compacting may leave the model open, OpenAI's clients send null then."""
    return body if body.get("model") is not None else body | {"model": "default"}


async def _asked(pipeline: Pipeline, store: Store, key: SealKey, body: dict[str, Any]) -> tuple[Asked, Prompt]:
    asked = api.parse(body)
    if model := pipeline.engine.model:
        require(model, asked.model)
    if asked.conversation and not asked.store:
        raise InvalidRequest("'conversation' keeps this turn: it needs 'store': true", param="store")
    asked = await referred(store, asked)
    return asked, await fitted(pipeline, asked, await history(store, asked), key)


@contextmanager
def _in_our_words() -> Iterator[None]:
    """The engine's errors name chat's fields."""
    try:
        yield
    except ApiError as error:
        raise api.renamed(error) from error


def _noted(exchange: Exchange, asked: Asked, prompt: Prompt) -> Asked:
    """What was left out is said: to the operator in a line of the log, to the client in the response's metadata."""
    if not prompt.turns:
        return asked
    what = f"left out the oldest {prompt.turns} turns ({prompt.dropped} items): the conversation outgrew the context"
    exchange.tell("warning", f"truncation: {what}")
    metadata = asked.wire.metadata | {"mlxtui_truncation": what}
    return replace(asked, wire=asked.wire.model_copy(update={"metadata": metadata}))


def _begin(
    turns: Turns, exchange: Exchange, asked: Asked, store: Store, key: SealKey, settings: Settings
) -> tuple[Turn, dict[str, Any]]:
    """The turn, on its way, and the response as it is now."""
    answer = ResponseAnswer(asked, f"resp_{exchange.id}", exchange.created, key)
    exchange.background = asked.background
    kept = Kept({}, exchange.body, asked.items, asked.conversation) if asked.store else None
    turn = Turn(exchange, answer, store, kept, settings.heartbeat * PATIENCE)
    opening = [*answer.created(), *(answer.queued() if asked.background else ())]
    turns.begin(turn, opening)
    return turn, turn.to_json()


async def _whole(turn: Turn) -> dict[str, Any]:
    """Raises:
    ApiError: what ended it; a response that somebody cancelled is one all the same.
    """
    await turn.wait()
    error = turn.exchange.error
    if error and not isinstance(error, Cancelled):
        raise api.renamed(error)
    return turn.to_json()
