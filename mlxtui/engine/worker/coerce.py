"""Arguments that came as text, or with types guessed from it, in the types of their tool's JSON schema.

For tool syntaxes that write no types. Pure. What can't be made to fit stays as it is: the client, who knows the schema
best, is the one to tell the model.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mlxtui.engine.worker.schema import Schema, pointed

_TOGETHER = ("anyOf", "oneOf", "allOf")


def coerced(arguments: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Text as the JSON value that it spells, if its property may be that; all else as text, if it must be text.

    "3" is 3 for `integer`, `string | integer` and where no type is said, and stays "3" for `string`. Only the arguments
    themselves are coerced: what they contain was written as JSON.
    """
    levels = list(_alternatives(schema, schema))
    return {name: _coerced(value, list(_properties(name, levels, schema))) for name, value in arguments.items()}


def types_of(schema: Any, root: Schema) -> set[str]:
    """All that a value may be, in JSON schema's words; `root` is what references in `schema` lead into."""
    return {name for option in _alternatives(schema, root) for name in _types(option)} or set(_IS)


def _properties(name: str, levels: list[Schema], root: Schema) -> Iterator[Schema]:
    for level in levels:
        properties = level.get("properties")
        others = level.get("additionalProperties")
        yield from _alternatives(properties.get(name, others) if isinstance(properties, Mapping) else others, root)


def _alternatives(schema: Any, root: Schema) -> Iterator[Schema]:
    """The schema and all that it is put together from, each once: references may lead in circles."""
    todo, seen = [schema], set[int]()
    while todo:
        part = todo.pop()
        if not isinstance(part, Mapping) or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        todo += [inner for key in _TOGETHER if isinstance(part.get(key), list) for inner in part[key]]
        todo.append(pointed(root, part.get("$ref")))


def _coerced(value: Any, options: list[Schema]) -> Any:
    types = {name for option in options for name in _types(option)} or set(_IS)
    if not isinstance(value, str):
        return value if "string" not in types or _fits(value, types) else json.dumps(value, ensure_ascii=False)
    if types == {"string"} or any(value in _listed(option) for option in options):
        return value
    found = next((found for found in _readings(value) if _fits(found, types - {"string"})), value)
    return int(found) if isinstance(found, float) and "number" not in types else found


def _types(schema: Schema) -> Iterator[str]:
    said = schema.get("type")
    if schema.get("nullable") is True:
        yield "null"
    if isinstance(said, str | list):
        yield from (name for name in ([said] if isinstance(said, str) else said) if name in _IS)
    else:
        yield from (name for value in _listed(schema) for name, is_one in _IS.items() if is_one(value))


def _listed(schema: Schema) -> list[Any]:
    listed = schema.get("enum")
    return [*(listed if isinstance(listed, list) else ()), *([schema["const"]] if "const" in schema else ())]


def _readings(text: str) -> Iterator[Any]:
    """The value that the text spells in JSON, or else in Python, which models fall into."""
    readers: tuple[Callable[[str], Any], ...] = (json.loads, ast.literal_eval)
    for read in readers:
        try:
            yield json.loads(json.dumps(read(text.strip()), allow_nan=False))
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue


def _fits(value: Any, types: set[str]) -> bool:
    return any(_IS[name](value) for name in types)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_IS: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and value == int(value),
    "number": _is_number,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
}
