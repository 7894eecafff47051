"""`GET /openapi.json`: our own OpenAPI 3.1 document. One row a route; the rest is read off the code that serves it.

Request schemas come from the wire models, what happens to each field from the parameter tables. Pure. A test holds that
ENDPOINTS are the app's routes, no more and no less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from mlxtui import __version__
from mlxtui.api import parameters
from mlxtui.api.chat_wire import WireChat
from mlxtui.api.completions import WireCompletion
from mlxtui.api.conversations import WireMetadata, WireNewConversation, WireNewItems
from mlxtui.api.on_disk import WireHubId, WireModelName
from mlxtui.api.parameters import Parameter
from mlxtui.api.responses_wire import WireResponses
from mlxtui.api.tokens import WirePrompt, WireTokens

JSON, SSE, TEXT = "application/json", "text/event-stream", "text/plain"
PAGED, RESUMED = ("after", "limit", "order"), ("stream", "starting_after")
Schema = dict[str, Any]

ABOUT = (
    "Every field of a request is honoured, harmless (accepted, changes nothing) or refused (400 that names it); fields "
    "that are not listed are harmless, and null means the default. Errors have the same four keys everywhere; 429 and "
    "503 say in Retry-After when to come back. A trailing slash is tolerated."
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route of the app. `body` is the wire model of its request, `answers` are the media types of a success."""

    method: Literal["get", "post", "delete"]
    path: str
    summary: str
    body: type[BaseModel] | None = None
    answers: tuple[str, ...] = (JSON,)
    query: tuple[str, ...] = ()
    status: int = 200


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("post", "/v1/chat/completions", "Answer a conversation.", WireChat, (JSON, SSE)),
    Endpoint("post", "/v1/completions", "Go on with a text.", WireCompletion, (JSON, SSE)),
    Endpoint("post", "/v1/responses", "Answer items, and keep both.", WireResponses, (JSON, SSE)),
    Endpoint("post", "/v1/responses/input_tokens", "The length of the prompt that a request makes.", WireResponses),
    Endpoint("post", "/v1/responses/compact", "One sealed item in the place of a conversation.", WireResponses),
    Endpoint("get", "/v1/responses/{id}", "A response, or its events.", None, (JSON, SSE), RESUMED),
    Endpoint("delete", "/v1/responses/{id}", "Forget a response."),
    Endpoint("post", "/v1/responses/{id}/cancel", "Stop a response; what it said so far is kept."),
    Endpoint("get", "/v1/responses/{id}/input_items", "What a response was asked.", query=PAGED),
    Endpoint("post", "/v1/conversations", "Begin a conversation.", WireNewConversation),
    Endpoint("get", "/v1/conversations/{id}", "A conversation without its items."),
    Endpoint("post", "/v1/conversations/{id}", "Change its metadata.", WireMetadata),
    Endpoint("delete", "/v1/conversations/{id}", "Forget a conversation; its responses stay."),
    Endpoint("post", "/v1/conversations/{id}/items", "Add items.", WireNewItems),
    Endpoint("get", "/v1/conversations/{id}/items", "Its items.", query=PAGED),
    Endpoint("get", "/v1/conversations/{id}/items/{item}", "One item."),
    Endpoint("delete", "/v1/conversations/{id}/items/{item}", "Forget one item."),
    Endpoint("get", "/v1/models", "The loaded model, as a list."),
    Endpoint("get", "/v1/models/{name}", "The loaded model; its name may hold slashes."),
    Endpoint("post", "/tokenize", "The tokens of a text or a conversation.", WirePrompt),
    Endpoint("post", "/detokenize", "The text of tokens.", WireTokens),
    Endpoint("post", "/apply-template", "The text that the model reads for a conversation.", WirePrompt),
    Endpoint("get", "/openapi.json", "This document."),
    Endpoint("get", "/health", "Alive, with counts of requests; needs no API key."),
    Endpoint("get", "/ready", "200 when the engine can answer, else 503 and why."),
    Endpoint("get", "/metrics", "Counters, gauges and histograms for Prometheus.", answers=(TEXT,)),
    Endpoint("get", "/mlxtui/events", "What happens: a snapshot, then events.", answers=(SSE,)),
    Endpoint("get", "/mlxtui/requests/{id}", "One request: what was asked, answered and measured."),
    Endpoint("get", "/mlxtui/requests/{id}/prompt", "The prompt as the model got it, token by token."),
    Endpoint("get", "/mlxtui/requests/{id}/raw", "What the model emitted, token by token, markup and all."),
    Endpoint("get", "/mlxtui/requests/{id}/wire", "What went over the connection, without secrets."),
    Endpoint("get", "/mlxtui/requests/{id}/output", "The output of one request as it grows.", answers=(SSE,)),
    Endpoint("post", "/mlxtui/requests/{id}/cancel", "Stop one request."),
    Endpoint("post", "/mlxtui/requests/{id}/priority", "Let one go before or after others: high, normal or low."),
    Endpoint("get", "/mlxtui/cache", "What the prompt cache keeps, and what had to go."),
    Endpoint("post", "/mlxtui/cache/{id}/pin", "Let an entry of the prompt cache go last."),
    Endpoint("post", "/mlxtui/cache/{id}/unpin", "Let it go in its turn again."),
    Endpoint("delete", "/mlxtui/cache/{id}", "Drop an entry of the prompt cache."),
    Endpoint("get", "/mlxtui/models", "The models on this machine, which one is loaded, and downloads under way."),
    Endpoint("post", "/mlxtui/models/load", "Exchange the model; answers once it is loaded.", WireModelName),
    Endpoint("post", "/mlxtui/models/unload", "End the engine, so that its memory returns."),
    Endpoint("post", "/mlxtui/models/pull", "Download a model from the Hub.", WireHubId, status=202),
    Endpoint("post", "/mlxtui/models/pull/cancel", "Stop a download; what is here is kept.", WireModelName),
    Endpoint("post", "/mlxtui/models/remove", "Delete a model from the Hugging Face cache.", WireModelName),
    Endpoint("get", "/mlxtui/models/search", "Look for models on the Hub.", query=("q",)),
    Endpoint("get", "/mlxtui/parameters", "What happens to each field of a request."),
    Endpoint("post", "/mlxtui/shutdown", "Drain and stop the server.", status=202),
)


@cache
def document() -> Schema:
    """The whole document; one object for all callers, not to be changed."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "mlxtui", "version": __version__, "description": ABOUT},
        "paths": _paths(),
        "components": {
            "schemas": {"Error": ERROR, **_bodies()},
            "responses": {"Error": {"description": "What went wrong.", "content": _content((JSON,), _ref("Error"))}},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "where --api-key is set"}},
        },
        "security": [{"key": []}, {}],
    }


ERROR: Schema = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string", "description": "a sentence that names the fault and what mends it"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "the field at fault, as in messages[0].role"},
                "code": {"type": ["string", "null"]},
            },
            "required": ["message", "type", "param", "code"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
    "additionalProperties": False,
}


def _paths() -> dict[str, dict[str, Schema]]:
    paths: dict[str, dict[str, Schema]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method] = _operation(endpoint)
    return paths


def _operation(endpoint: Endpoint) -> Schema:
    error = {"$ref": "#/components/responses/Error"}
    success = {"description": "Done.", "content": _content(endpoint.answers, {})}
    operation: Schema = {
        "summary": endpoint.summary,
        "responses": {str(endpoint.status): success, "4XX": error, "5XX": error},
    }
    in_path = ({"name": name, "in": "path", "required": True} for name in re.findall(r"{(\w+)}", endpoint.path))
    in_query = ({"name": name, "in": "query"} for name in endpoint.query)
    if given := [parameter | {"schema": {"type": "string"}} for parameter in (*in_path, *in_query)]:
        operation["parameters"] = given
    if endpoint.body:
        operation["requestBody"] = {"required": True, "content": _content((JSON,), _ref(endpoint.body.__name__))}
    return operation


def _content(kinds: Iterable[str], schema: Schema) -> dict[str, Schema]:
    return {kind: {"schema": schema} if kind == JSON else {} for kind in kinds}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


class _Untitled(GenerateJsonSchema):
    """pydantic would title `top_p` "Top P"."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _bodies() -> dict[str, Schema]:
    """The wire models and all they are made of, by name; the table is that of the first path that takes the model."""
    bodies = {endpoint.body: endpoint.path for endpoint in reversed(ENDPOINTS) if endpoint.body}
    template = "#/components/schemas/{model}"
    _, found = models_json_schema(
        [(body, "validation") for body in bodies], ref_template=template, schema_generator=_Untitled
    )
    schemas: dict[str, Schema] = found["$defs"]
    for body, path in bodies.items():
        name = body.__name__
        schemas[name] = _annotated(schemas[name], parameters.ENDPOINTS.get(path, ()))
    return schemas


def _annotated(schema: Schema, table: Iterable[Parameter]) -> Schema:
    """A request's schema with the fate of every field in it, and null wherever a field may be left out."""
    required = schema.get("required", ())
    fields = {
        name: field if name in required else _nullable(field) for name, field in schema.get("properties", {}).items()
    }
    for row in table:
        field = {"enum": [None, *row.neutral]} if row.fate == "refused" else fields.get(row.name, {})
        fields[row.name] = field | {"description": f"{row.fate}: {row.note}"}
    return schema | {"properties": fields}


def _nullable(field: Schema) -> Schema:
    if {"type": "null"} in field.get("anyOf", ()):
        return field
    default = {"default": field["default"]} if "default" in field else {}
    typed = {key: value for key, value in field.items() if key != "default"}
    return {"anyOf": [typed, {"type": "null"}]} | default
