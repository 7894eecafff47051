"""Request bodies drawn from our own OpenAPI document: such as fit it, and such as nearly do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from hypothesis import strategies as st

from mlxtui.api.openapi import ENDPOINTS, document

Strategy = st.SearchStrategy[Any]
FUZZED = tuple(endpoint for endpoint in ENDPOINTS if endpoint.body)
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
MOST_TOKENS = 6

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["<|im_end|>", "</tool_call>", "<think>", "{{ x }}", "\x00", "é👩‍👧\u2028"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NUMBERS = [0, -1, 1 << 31, 1 << 63, -(1 << 64), 10**40, 1e308, -0.0, 1.5]
STRINGS = ["", " ", "0", "null", "x" * 300, "\ud800"]
CONTAINERS: list[Any] = [[], {}, [[]], [None], {"": None}, {"\udfff": 1}, list(range(300)), {"type": []}]
JUNK = JSON | st.sampled_from([*NUMBERS, *STRINGS, *CONTAINERS])


def _schemas(inner: Strategy) -> Strategy:
    """One level of a JSON schema, its keywords as often out of place as not."""
    named = st.dictionaries(st.sampled_from(["a", "b", "größe", ""]), inner, max_size=3)
    keywords: dict[Any, Strategy] = {
        "type": st.sampled_from(
            ["object", "array", "string", "integer", "number", "boolean", "null", "wizard", ["null"]]
        ),
        "properties": named,
        "$defs": named,
        "required": st.lists(st.sampled_from(["a", "b", "c"]), max_size=2),
        "items": inner,
        "anyOf": st.lists(inner, max_size=2),
        "allOf": st.lists(inner, max_size=2),
        "oneOf": st.lists(inner, max_size=2),
        "not": inner,
        "enum": st.lists(JSON, max_size=3),
        "const": JSON,
        "pattern": st.sampled_from(["^a+$", "(", "^(a|b){3}$", "(?=x)", "[^\\x00-\\uffff]", "(a*)*b", ".{0,9999}"]),
        "format": st.sampled_from(["date-time", "uuid", "wizard"]),
        "minLength": st.integers(-1, 3),
        "maxLength": st.integers(-1, 3),
        "minItems": st.integers(-1, 3),
        "maxItems": st.sampled_from([0, 2, 1 << 40]),
        "minimum": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "maximum": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "multipleOf": st.sampled_from([0, 3, 0.1, -1, 1e-300]),
        "additionalProperties": st.booleans() | inner,
        "$ref": st.sampled_from(["#", "#/$defs/a", "#/nowhere", "http://127.0.0.1:1/x", ""]),
        "x-guidance": JSON,
    }
    names = st.lists(st.sampled_from(sorted(keywords)), max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: keywords[name] for name in chosen}))


SCHEMAS = st.recursive(st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "null"])}), _schemas)
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TURNS = st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "developer", "assistant"]), "content": TEXTS})
MESSAGES = st.lists(
    TURNS
    | st.just({"role": "assistant", "tool_calls": [CALL]})
    | st.just({"role": "tool", "tool_call_id": "call_1", "content": "4"}),
    min_size=1,
    max_size=3,
)
HINTS: Mapping[str, Strategy] = {
    "model": st.just("default"),
    "messages": MESSAGES,
    "input": TEXTS | st.lists(TURNS, min_size=1, max_size=3),
    "items": st.lists(TURNS, max_size=3),
    "prompt": TEXTS.filter(bool) | st.lists(st.integers(0, 500), min_size=1, max_size=3),
    "schema": SCHEMAS,
    "parameters": SCHEMAS,
    "arguments": JSON.map(json.dumps),
    **dict.fromkeys(LIMITS, st.integers(1, MOST_TOKENS)),
}
"""Fields of which a schema tells too little to get far: three times of four they are drawn from here."""
NEEDED = {"input"}
"""Fields that a schema leaves optional, but hardly a request can do without."""
LIVELY = ("items", "metadata", "tools", "tool_choice", "response_format", "text", "stream", "logprobs", "n")
"""Fields that set much in motion, and are therefore there more often."""


@cache
def _named(name: str) -> Strategy:
    return st.deferred(lambda: fitting(document()["components"]["schemas"][name]))


def fitting(schema: Mapping[str, Any]) -> Strategy:
    """Values that fit a schema of the document; only the keywords that occur in it are known."""
    if "$ref" in schema:
        return _named(schema["$ref"].rsplit("/", 1)[-1])
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of([fitting(option) for option in options])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    match schema.get("type"):
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"], fullmatch=True)
        case "string":
            return TEXTS.filter(lambda text: schema.get("minLength", 0) <= len(text))
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum", schema.get("exclusiveMaximum", 1) - 1))
        case "number":
            return st.floats(_lowest(schema), schema.get("maximum"), allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(fitting(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
        case "object":
            return _object(schema)
        case kind:
            return st.none() if kind == "null" else JSON


def _lowest(schema: Mapping[str, Any]) -> float | None:
    return 0.01 if "exclusiveMinimum" in schema else schema.get("minimum")


def _object(schema: Mapping[str, Any]) -> Strategy:
    """The required fields and a few of the others: with all of them some pair always contradicts itself."""
    fields = {
        name: HINTS[name] if name in HINTS else fitting(field) for name, field in schema.get("properties", {}).items()
    }
    if not fields:
        inner = schema.get("additionalProperties")
        values = fitting(inner) if isinstance(inner, Mapping) else JSON
        for pattern, field in schema.get("patternProperties", {}).items():
            return st.dictionaries(st.from_regex(pattern, fullmatch=True), fitting(field), max_size=3)
        return st.dictionaries(TEXTS, values, max_size=3)
    needed = {*schema.get("required", ()), *(NEEDED & fields.keys())}
    required = {name: fields.pop(name) for name in sorted(needed)}
    names = [*sorted(fields), *(name for name in LIVELY if name in fields for _ in range(4))]
    chosen = st.lists(st.sampled_from(names), max_size=4, unique=True) if names else st.just([])
    return chosen.flatmap(lambda names: st.fixed_dictionaries(required | {name: fields[name] for name in names}))


def _field(name: str, fits: Strategy) -> Strategy:
    return st.integers(0, 3).flatmap(lambda often: HINTS[name] if often else fits) if name in HINTS else fits


def bodies(model: str) -> Strategy:
    """Bodies of the wire model of this name: half of them fit its schema, the others were damaged in one or two places.

    Answers are kept short: what a body asks for is `MOST_TOKENS` tokens at most, or more than anybody may have.
    """
    return _damaged(fitting(document()["components"]["schemas"][model])).map(_short)


@st.composite
def _damaged(draw: st.DrawFn, whole: Strategy) -> Any:
    body = deepcopy(draw(whole))  # sampled values are one object for all draws
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        _damage(draw, body)
    return body


def _damage(draw: st.DrawFn, body: Any) -> None:
    """Somewhere in it, a value is replaced, is gone, or gets a neighbour."""
    keys = sorted(body) if isinstance(body, dict) else list(range(len(body)))
    key = draw(st.sampled_from(keys)) if keys else None
    if key is not None and isinstance(body[key], dict | list) and body[key] and draw(st.integers(0, 3)):
        return _damage(draw, body[key])
    act = draw(st.sampled_from(["replace", "replace", "remove", "add"] if keys else ["add"]))
    if act == "add" and isinstance(body, list):
        body.append(deepcopy(draw(JUNK)))
    elif act == "remove":
        del body[key]
    else:
        body[draw(TEXTS) if act == "add" else key] = deepcopy(draw(JUNK))
    return None


def _short(body: dict[str, Any]) -> dict[str, Any]:
    said = {name: body[name] for name in LIMITS if isinstance(body.get(name), int)}
    clipped = {name: MOST_TOKENS for name, value in said.items() if MOST_TOKENS < value < 1 << 31}
    return body | (clipped if any(said.values()) else dict.fromkeys(LIMITS, MOST_TOKENS))
