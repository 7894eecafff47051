"""JSON schemas on their way into a grammar: made ready for llguidance, held to limits, and blamed when they fail.

Knows which values of a schema are schemas themselves; what their keywords mean is llguidance's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

ANY_OBJECT: Schema = {"type": "object"}
_LENGTH, _DEPTH = 200_000, 100  # characters of JSON, levels
_WIDTH = 1000  # entries of one object: what optional properties cost grows with the square of their number
# One space may follow a comma or colon, as json.dumps writes it. Other white space a weak model would write for ever.
_OPTIONS = {
    "whitespace_flexible": False,
    "item_separator": ", ?",
    "key_separator": ": ?",
    "coerce_one_of": False,
    "lenient": False,
}
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_NESTED = (
    *("items", "prefixItems", "additionalItems", "unevaluatedItems", "contains", "additionalProperties"),
    *("unevaluatedProperties", "propertyNames", "anyOf", "allOf", "oneOf", "not", "if", "then", "else"),
)
_OPEN = ("additionalProperties", "patternProperties", "unevaluatedProperties", "minProperties")
_COSTLY = re.compile(r"too (large|big|many|complex)|fuel|Unable to determine|regex for")
_BLAME_TRIES = 200


class Unsupported(Exception):
    """A constraint that can't be enforced, in a sentence for the client; `param` names the field at fault."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


def ready(schema: Schema, whose: str, param: str) -> str:
    """The schema as JSON text for a grammar; `whose` names it in errors.

    Objects that list their properties and leave open whether there may be others are closed: such output is valid too,
    and models that may invent keys do not stop (xgrammar's strict mode and llama.cpp do the same).

    Raises:
        Unsupported: it is no JSON, or larger than any schema in earnest.
    """
    problem = _oversized(schema)
    if problem:
        raise Unsupported(f"{whose} can't be enforced: {problem}", param)
    try:
        return _text(closed(schema))
    except (ValueError, TypeError, UnicodeEncodeError) as error:
        raise Unsupported(f"{whose} is not JSON: {error}", param) from None


def _text(schema: Schema) -> str:
    # "x-guidance" of the client's own would switch checks off
    text = json.dumps({**schema, "x-guidance": _OPTIONS}, ensure_ascii=False, allow_nan=False)
    text.encode()
    return text


def _oversized(schema: Schema) -> str | None:
    todo: list[tuple[Any, int]] = [(schema, 1)]
    length = 0
    while todo:
        value, depth = todo.pop()
        inner = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
        length += sum(map(len, value)) if isinstance(value, Mapping) else len(value) if isinstance(value, str) else 4
        if depth > _DEPTH:
            return f"it is nested deeper than {_DEPTH} levels"
        if isinstance(value, Mapping) and len(value) > _WIDTH:
            return f"one of its objects has more than {_WIDTH} entries"
        if length > _LENGTH:
            return f"it is longer than {_LENGTH:,} characters"
        todo += [(item, depth + 1) for item in inner]
    return None


def closed(schema: Schema) -> Schema:
    """The schema with its open objects closed, unless parts of it are read together: then closing could forbid all.

    Together are read the members of `allOf`, and properties beside `$ref`, `anyOf` or `oneOf`.
    """
    together = ("$ref", "anyOf", "oneOf")
    for part in subschemas(schema):
        if "allOf" in part or ("properties" in part and any(key in part for key in together)):
            return schema
    return _closed(schema)


def _closed(schema: Schema) -> Schema:
    inner = {key: _each(key, value) for key, value in schema.items()}
    properties, required = schema.get("properties"), schema.get("required", [])
    if not isinstance(properties, Mapping) or not properties or any(key in schema for key in _OPEN):
        return inner
    if not isinstance(required, list) or not all(key in properties for key in required):
        return inner
    return {**inner, "additionalProperties": False}


def _each(key: str, value: Any) -> Any:
    if key in _MAPS and isinstance(value, Mapping):
        return {name: _closed(part) if isinstance(part, Mapping) else part for name, part in value.items()}
    if key in _NESTED and isinstance(value, list):
        return [_closed(part) if isinstance(part, Mapping) else part for part in value]
    return _closed(value) if key in _NESTED and isinstance(value, Mapping) else value


def pointed(root: Schema, reference: Any) -> Any:
    """What a reference within `root` points to (RFC 6901); None: nothing."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for step in reference.removeprefix("#").removeprefix("/").split("/") if reference != "#" else ():
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def children(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The schemas right inside of this one, with their place as the end of a JSON pointer."""
    for key, value in schema.items():
        parts: list[tuple[str, Any]] = []
        if key in _MAPS and isinstance(value, Mapping):
            parts = [(f"{key}/{name}", part) for name, part in value.items()]
        elif key in _NESTED:
            parts = (
                [(f"{key}/{i}", part) for i, part in enumerate(value)] if isinstance(value, list) else [(key, value)]
            )
        yield from ((place, part) for place, part in parts if isinstance(part, Mapping))


def subschemas(schema: Schema) -> Iterator[Schema]:
    """This schema and all within it."""
    todo = [schema]
    while todo:
        part = todo.pop()
        yield part
        todo += [child for _, child in children(part)]


def patterns(schema: Schema) -> list[str]:
    """The distinct regular expressions in it, in order."""
    found = [part["pattern"] for part in subschemas(schema) if isinstance(part.get("pattern"), str)]
    return sorted(set(found))


def reason(schema: Schema, complaint: str, complain: Callable[[Schema], str | None]) -> str:
    """llguidance's `complaint` about a schema as a clause, with the place of the innermost part that is at fault.

    `complain` tells what llguidance says of a schema. Complaints that take long to come by get no place.
    """
    said = _clause(complaint)
    if _COSTLY.search(complaint):
        return said
    shared = {key: schema[key] for key in ("$schema", "$defs", "definitions") if key in schema}
    place, here, tries = "#", schema, 0
    while tries < _BLAME_TRIES:
        for step, child in children(here):
            tries += 1
            if tries < _BLAME_TRIES and complain({**shared, **child}) == complaint:
                place, here = f"{place}/{step}", child
                break
        else:
            break
    return f"{said} (at {place})"


def _clause(complaint: str) -> str:
    keys = re.match(r"Unimplemented keys: (\[.*\])", complaint)
    if keys:
        names = [repr(name) for name in json.loads(keys[1])]
        return f"keyword{'s' if len(names) > 1 else ''} {', '.join(names)} not supported"
    if complaint.startswith("NoExtension"):
        return "no value can satisfy it"
    return " ".join(complaint.split()).replace(" Enable 'coerce_one_of' option to approximate oneOf with anyOf", "")
