"""What the model gets to read, for people who write clients and templates: tokens, texts, rendered prompts."""

from __future__ import annotations

from quart import Blueprint, Response, request

from mlxtui.api.body import parse_object
from mlxtui.api.models import require
from mlxtui.api.tokens import parse_prompt, parse_tokens
from mlxtui.engine.interface import Engine
from mlxtui.errors import Unavailable
from mlxtui.pipeline import Pipeline
from mlxtui.server.answers import json_response
from mlxtui.server.guard import read_json
from mlxtui.settings import Settings
from mlxtui.types import ModelInfo


def routes(pipeline: Pipeline, settings: Settings) -> Blueprint:
    blueprint, engine = Blueprint("tokens", __name__), pipeline.engine

    @blueprint.post("/tokenize")
    async def tokenize() -> Response:
        asked = parse_prompt(parse_object(await read_json(request, settings)))
        model = _model(engine, asked.model)
        _, tokens = await pipeline.tokenize(asked)
        return json_response({"count": len(tokens), "max_model_len": model.context_length, "tokens": tokens})

    @blueprint.post("/detokenize")
    async def detokenize() -> Response:
        name, tokens = parse_tokens(parse_object(await read_json(request, settings)))
        _model(engine, name)
        return json_response({"prompt": await engine.detokenize(tokens)})

    @blueprint.post("/apply-template")
    async def apply_template() -> Response:
        asked = parse_prompt(parse_object(await read_json(request, settings)))
        _model(engine, asked.model)
        text, _ = await pipeline.tokenize(asked)
        return json_response({"prompt": text})

    return blueprint


def _model(engine: Engine, name: str) -> ModelInfo:
    if engine.model is None:
        raise Unavailable(f"the model is not ready: {engine.status.detail}", retry_after=engine.status.retry_after)
    require(engine.model, name)
    return engine.model
