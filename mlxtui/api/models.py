"""`/v1/models`: what is loaded, and which names mean it. Pure: no I/O."""

from __future__ import annotations

import re
from typing import Any

from mlxtui.errors import NotFound
from mlxtui.types import ModelInfo

FOREIGN = re.compile(r"default|mlxtui|(gpt|chatgpt|codex|claude)-.*|o[0-9].*")
"""Names that agents have built in: whoever runs a local server means its model by them."""


def means(model: ModelInfo, name: str) -> bool:
    """Whether a request for `name` is a request for the loaded model: its id, its short name, a foreign name."""
    return name in (model.id, model.id.rsplit("/", 1)[-1]) or FOREIGN.fullmatch(name) is not None


def require(model: ModelInfo, name: str, *, param: str | None = "model") -> None:
    """Raises:
    NotFound: `name` is another model; the message says which one is there.
    """
    if not means(model, name):
        message = f"the model {name[:200]!r} is not loaded; this server has: {model.id}"
        raise NotFound(message, param=param, code="model_not_found")


def model_json(model: ModelInfo) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": "mlxtui",
        "context_length": model.context_length,
        "max_model_len": model.context_length,
    }


def models_json(model: ModelInfo | None) -> dict[str, Any]:
    return {"object": "list", "data": [model_json(model)] if model else []}
