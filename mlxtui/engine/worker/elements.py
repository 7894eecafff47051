"""Grammars of tool calls in elements, as in XML: what stands between the opening and the closing marker.

Strings stand bare between the tags, without quotes and escapes; all other values are JSON. `coerce` reads both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlxtui.engine.worker.call_syntax import Offer, whose
from mlxtui.engine.worker.coerce import types_of
from mlxtui.engine.worker.lark import Lark, literal
from mlxtui.engine.worker.schema import ANY_OBJECT, Schema, Unsupported, pointed, ready

_LINE = "¶"  # stands for a line break that may be left out
_NAME = "{}"
_UNMET = ("pattern", "format", "minLength", "maxLength", "not")


@dataclass(frozen=True, slots=True)
class Elements:
    """What stands around calls and values: `{}` is the name of the tool or parameter, `¶` a line break or nothing.

    `value` ends before `end`; `pad` is what a value that is not bare has behind it. `without` are the texts that bare
    values can't contain, besides `end` and the closing marker.
    """

    call: str
    parameter: str
    end: str
    tail: str
    pad: str = ""
    gap: str = _LINE
    without: tuple[str, ...] = ()

    def __call__(self, lark: Lark, tools: Sequence[Offer], close: str) -> str:
        bodies = [f"{_markup(lark, self.call, literal(t.name))} {self._parameters(lark, t, close)}" for t in tools]
        return f"{lark.choice(bodies)} {_markup(lark, self.tail)}"

    def _parameters(self, lark: Lark, tool: Offer, close: str) -> str:
        bare = f"{lark.until(self.end, close, *self.without)} {_markup(lark, self.gap)}"
        if tool.schema is None or tool.schema in ({}, ANY_OBJECT):
            return lark.rule(f"({_markup(lark, self.parameter, NAME)} {bare})*")
        properties, required = tool.schema.get("properties", {}), tool.schema.get("required", [])
        loose = [key for key in ("$ref", "allOf", "anyOf", "oneOf", "patternProperties") if key in tool.schema]
        odd = isinstance(properties, Mapping) and any(set(name) & set("<>\"'= \n\t") or not name for name in properties)
        if loose or odd or not isinstance(properties, Mapping) or any(name not in properties for name in required):
            raise unmet(tool, "list its properties, with plain names")
        parts = []
        for name, schema in properties.items():
            values = lark.choice(self._values(lark, tool, schema, bare))
            parts.append(f"({_markup(lark, self.parameter, literal(name))} {values}){'' if name in required else '?'}")
        return " ".join(parts)

    def _values(self, lark: Lark, tool: Offer, schema: Any, bare: str) -> list[str]:
        """The alternatives for one parameter, each with what ends it."""
        schema = resolved(tool, schema)
        kinds, end = schema.get("type"), f"{_markup(lark, self.pad + self.end)} {_markup(lark, self.gap)}"
        if "enum" in schema or "const" in schema:
            allowed = schema["enum"] if "enum" in schema else [schema["const"]]
            said = [value if isinstance(value, str) else json.dumps(value) for value in allowed]
            if any(text != text.strip() for text in said):
                raise unmet(tool, "white space around one of the values of an enum is lost")
            return [f"{literal(text)} {end}" for text in said]
        if isinstance(kinds, list):
            return [alt for kind in kinds for alt in self._values(lark, tool, {**schema, "type": kind}, bare)]
        if "anyOf" in schema:
            return [alt for part in schema["anyOf"] for alt in self._values(lark, tool, part, bare)]
        if kinds in ("string", None) and "allOf" not in schema and "oneOf" not in schema:
            beyond = [key for key in _UNMET if key in schema]
            if beyond:
                raise unmet(tool, ", ".join(map(repr, beyond)))
            return [bare]
        if types_of(schema, tool.schema or {}) & {"string"}:
            raise unmet(tool, "a string put together from several schemas")
        shared = {key: tool.schema[key] for key in ("$defs", "definitions") if tool.schema and key in tool.schema}
        return [f"{lark.json(ready({**shared, **schema}, whose(tool), 'tools'))} {end}"]


NAME = r"/[^<>\s\"'=]+/"


def _markup(lark: Lark, text: str, name: str = "") -> str:
    """The markup as a grammar, `name` being one already."""
    before, named, after = text.partition(_NAME)
    pieces = [_lines(lark, before), name if named else "", _lines(lark, after)]
    return " ".join(piece for piece in pieces if piece)


def _lines(lark: Lark, text: str) -> str:
    return r' "\n"? '.join(lark.marker(piece) for piece in text.split(_LINE))


def unmet(tool: Offer, what: str) -> Unsupported:
    """The error that a tool's schema asks for what can't be had in the model's syntax."""
    return Unsupported(f"{whose(tool)} can't be enforced in this model's tool syntax: {what}", "tools")


def resolved(tool: Offer, schema: Any) -> Schema:
    """The schema itself or, for a reference into the tool's definitions, what it points to."""
    for _ in range(10):
        if not isinstance(schema, Mapping):
            return {} if schema is True else {"not": {}}
        if set(schema) - {"description", "title", "default"} != {"$ref"}:
            return schema
        target = pointed(tool.schema or {}, schema["$ref"])
        schema = target if target is not None else False
    raise Unsupported(f"{whose(tool)} can't be enforced: a '$ref' leads in a circle", "tools")


GLM = Elements("{}¶", "<arg_key>{}</arg_key>¶<arg_value>", "</arg_value>", "")
LONGCAT = Elements("{}¶", "<longcat_arg_key>{}</longcat_arg_key>¶<longcat_arg_value>", "</longcat_arg_value>", "")
MINICPM = Elements('"{}">¶', '<param name="{}">', "</param>", "", without=("<![CDATA[",))
MINIMAX = Elements(
    '\n<invoke name="{}">\n', '<parameter name="{}">', "</parameter>", "</invoke>\n", gap="\n", without=("</invoke>",)
)
QWEN_CODER = Elements(
    "\n<function={}>\n", "<parameter={}>\n", "</parameter>", "</function>\n", "\n", "\n", ("</function>",)
)
