r"""Grammar of Gemma 4's tool calls: what stands between `<|tool_call>` and `<tool_call|>`.

`call:f{city:<|"|>Oslo<|"|>,days:3,at:{lat:59.9},tags:[<|"|>a<|"|>]}`: JSON, but for its keys without quotes and strings
that stand between markers of their own, bare. Source: mlx_lm/tool_parsers/gemma4.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlxtui.engine.worker.call_syntax import Offer, listed
from mlxtui.engine.worker.elements import resolved, unmet
from mlxtui.engine.worker.lark import Lark, literal
from mlxtui.engine.worker.schema import ANY_OBJECT, Schema, ready

_QUOTE = '<|"|>'
_SCALARS = ["string", "number", "boolean", "null"]
_UNMET = ("pattern", "format", "minLength", "maxLength", "not", "allOf", "oneOf", "minItems", "uniqueItems", "contains")
_LEVELS = 16


def gemma4(lark: Lark, tools: Sequence[Offer], close: str) -> str:
    return lark.choice(
        [f"{literal(f'call:{t.name}')} {_value(lark, t, {**ANY_OBJECT, **(t.schema or {})}, 0)}" for t in tools]
    )


def _value(lark: Lark, tool: Offer, schema: Any, level: int) -> str:
    schema = resolved(tool, schema)
    beyond = [key for key in _UNMET if key in schema]
    if beyond or level > _LEVELS:
        raise unmet(tool, ", ".join(map(repr, beyond)) or f"more than {_LEVELS} levels")
    kinds = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else _SCALARS)
    if "enum" in schema or "const" in schema:
        return lark.choice([_said(lark, tool, value) for value in schema.get("enum", [schema.get("const")])])
    if "anyOf" in schema:
        return lark.choice([_value(lark, tool, part, level) for part in schema["anyOf"]])
    if isinstance(kinds, list):
        return lark.choice([_value(lark, tool, {**schema, "type": kind}, level) for kind in kinds])
    if kinds == "object":
        return lark.rule(f'"{{" {_members(lark, tool, schema, level)} "}}"')
    if kinds == "array":
        item = _value(lark, tool, schema.get("items", {}), level + 1)
        more = f'("," {item})' + ("*" if "maxItems" not in schema else f"{{0,{max(1, schema['maxItems'] - 1)}}}")
        some = {0: "", 1: f"{item}?"}.get(schema.get("maxItems", 2), f"({item} {more})?")
        return lark.rule(f'"[" {some} "]"')
    if kinds == "string":
        return f"{lark.marker(_QUOTE)} {lark.until(_QUOTE)}"
    return lark.json(ready(schema, tool.name, "tools"))


def _members(lark: Lark, tool: Offer, schema: Schema, level: int) -> str:
    """The properties in their order, with commas between those that come."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if "properties" not in schema and schema.get("additionalProperties") is not False and not required:
        member = rf'/\w+/ ":" {_value(lark, tool, {}, level)}'
        return lark.rule(f'({member} ("," {member})*)?')
    plain = isinstance(properties, Mapping) and all(re.fullmatch(r"\w+", name) for name in properties)
    if not plain or any(name not in properties for name in required):
        raise unmet(tool, "list all properties, with plain names")
    members = [
        (f"{literal(f'{name}:')} {_value(lark, tool, part, level + 1)}", name in required)
        for name, part in properties.items()
    ]
    return listed(lark, members, ",")


def _said(lark: Lark, tool: Offer, value: Any) -> str:
    if isinstance(value, dict | list):
        raise unmet(tool, "an enum of objects or arrays")
    quote = lark.marker(_QUOTE) if isinstance(value, str) else ""
    return f"{quote} {literal(value if isinstance(value, str) else json.dumps(value))} {quote}"
