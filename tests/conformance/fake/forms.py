"""JSON schemas: whether the small server can enforce one, and a value that fits it. Knows nothing of requests."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

KINDS = ("object", "array", "string", "integer", "number", "boolean", "null")
KNOWN = frozenset(
    (
        *(
            "type",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "enum",
            "const",
            "title",
            "description",
            "default",
        ),
        *("minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"),
    )
)


class Unenforceable(Exception):
    """The schema is none, or asks for more than this server can hold the model to."""


def check(schema: Any) -> None:
    """Raises Unenforceable, here or below."""
    if not isinstance(schema, dict):
        raise Unenforceable("a schema must be an object")
    if unknown := sorted(set(schema) - KNOWN):
        raise Unenforceable(f"the keywords {unknown} are not supported")
    if schema.get("type", "object") not in KINDS:
        raise Unenforceable(f"no such type: {schema['type']}")
    for below in schema.get("properties", {}).values():
        check(below)
    if "items" in schema:
        check(schema["items"])


def instance(schema: Json) -> Any:
    """The simplest value that fits, always the same."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: instance(below) for name, below in schema.get("properties", {}).items()}
        case "array":
            return [instance(schema.get("items", {}))] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("minimum", 7)
        case "boolean":
            return True
    return ("Paris, France" + "." * schema.get("minLength", 0))[: schema.get("maxLength", 99)]
