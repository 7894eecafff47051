"""Grammars of tool calls, one function per syntax: what follows the opening marker, up to and with the closing one.

The names are those of mlx-lm's parsers. Harmony, whose calls are messages and have no markers, is in `grammar`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlxtui.engine.worker.lark import Lark, literal
from mlxtui.engine.worker.schema import ANY_OBJECT, Schema, Unsupported, pointed, ready
from mlxtui.types import Tool


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool that may be called and the schema its arguments are held to; None: any object."""

    name: str
    schema: Schema | None


def offered(tools: Sequence[Tool], *, strict: bool) -> list[Offer]:
    """The tools; with `strict` all are held to their schemas, not only those that ask for it."""
    return [Offer(t.name, {**ANY_OBJECT, **t.parameters} if strict or t.strict else None) for t in tools]


def whose(tool: Offer) -> str:
    return f"the schema of tool {tool.name!r}"


def arguments(lark: Lark, tool: Offer) -> str:
    """The arguments as a JSON object."""
    if tool.schema and tool.schema.get("type") != "object":
        raise Unsupported(f"{whose(tool)} can't be enforced: arguments are always an object", "tools")
    return lark.json(ready(tool.schema or ANY_OBJECT, whose(tool), "tools"))


def json_tools(lark: Lark, tools: Sequence[Offer], close: str) -> str:
    r"""Qwen, Hermes: `\n{"name": "f", "arguments": {...}}\n</tool_call>`."""
    bodies = [f"{literal(_head(tool))} {arguments(lark, tool)}" for tool in tools]
    return f"{lark.choice(bodies)} {literal('}' + chr(10))} {lark.marker(close)}"


def _head(tool: Offer, before: str = "\n") -> str:
    return f'{before}{{"name": {json.dumps(tool.name, ensure_ascii=False)}, "arguments": '


def mistral(lark: Lark, tools: Sequence[Offer], close: str) -> str:
    """`f[ARGS]{...}` in vocabularies that have that token, else a list of one `[{"name": "f", "arguments": {...}}]`."""
    if "[ARGS]" in lark.special:
        return lark.choice([f"{literal(t.name)} {lark.marker('[ARGS]')} {arguments(lark, t)}" for t in tools])
    return f"{lark.choice([literal(_head(t, '[')) + ' ' + arguments(lark, t) for t in tools])} {literal('}]')}"


def qwen3_coder(lark: Lark, tools: Sequence[Offer], close: str) -> str:
    r"""`\n<function=f>\n<parameter=a>\nvalue\n</parameter>\n</function>\n</tool_call>`: strings bare, the rest JSON."""
    bodies = [
        f"{literal(f'{chr(10)}<function={tool.name}>{chr(10)}')} {_parameters(lark, tool, close)}" for tool in tools
    ]
    return f"{lark.choice(bodies)} {literal(f'</function>{chr(10)}')} {lark.marker(close)}"


_PARAMETER_END = "\n</parameter>\n"


def _parameters(lark: Lark, tool: Offer, close: str) -> str:
    bare = lark.until("</parameter>", close, "</function>") + r' "\n"'
    if tool.schema is None:
        return lark.rule(rf'("<parameter=" /[^<>\s]+/ ">\n" {bare})*')
    properties, required = tool.schema.get("properties", {}), tool.schema.get("required", [])
    loose = [key for key in ("$ref", "allOf", "anyOf", "oneOf", "patternProperties") if key in tool.schema]
    if loose or not isinstance(properties, Mapping) or any(name not in properties for name in required):
        raise Unsupported(f"{whose(tool)} can't be enforced in this model's tool syntax: list its properties", "tools")
    parts = []
    for name, schema in properties.items():
        values = lark.choice(_values(lark, tool, schema, bare))
        parts.append(f"({literal(f'<parameter={name}>{chr(10)}')} {values}){'' if name in required else '?'}")
    return " ".join(parts)


def _values(lark: Lark, tool: Offer, schema: Any, bare: str) -> list[str]:
    """The alternatives for one parameter, each with what ends it."""
    schema = _resolved(tool, schema)
    kinds = schema.get("type")
    if "enum" in schema or "const" in schema:
        allowed = schema["enum"] if "enum" in schema else [schema["const"]]
        said = [value if isinstance(value, str) else json.dumps(value) for value in allowed]
        return [literal(text + _PARAMETER_END) for text in said]
    if isinstance(kinds, list):
        return [alt for kind in kinds for alt in _values(lark, tool, {**schema, "type": kind}, bare)]
    if "anyOf" in schema:
        return [alt for part in schema["anyOf"] for alt in _values(lark, tool, part, bare)]
    if kinds in ("string", None) and "allOf" not in schema and "oneOf" not in schema:
        unmet = [key for key in ("pattern", "format", "minLength", "maxLength", "not") if key in schema]
        if unmet:
            names = ", ".join(map(repr, unmet))
            raise Unsupported(f"{whose(tool)} can't be enforced in this model's tool syntax: {names}", "tools")
        return [bare]
    shared = {key: tool.schema[key] for key in ("$defs", "definitions") if tool.schema and key in tool.schema}
    return [f"{lark.json(ready({**shared, **schema}, whose(tool), 'tools'))} {literal(_PARAMETER_END)}"]


def _resolved(tool: Offer, schema: Any) -> Schema:
    """The schema itself or, for a reference into the tool's definitions, what it points to."""
    for _ in range(10):
        if not isinstance(schema, Mapping):
            return {} if schema is True else {"not": {}}
        if set(schema) - {"description", "title", "default"} != {"$ref"}:
            return schema
        target = pointed(tool.schema or {}, schema["$ref"])
        schema = target if target is not None else False
    raise Unsupported(f"{whose(tool)} can't be enforced: a '$ref' leads in a circle", "tools")


SYNTAXES: dict[str, Callable[[Lark, Sequence[Offer], str], str]] = {
    "json_tools": json_tools,
    "mistral": mistral,
    "qwen3_coder": qwen3_coder,
}
