"""A JSON schema and a value go in; what does not fit comes out. Knows the keywords the checks use, no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .check import Fail
from .shapes import JsonObject, show

KINDS: dict[str, Any] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def closed(**properties: JsonObject) -> JsonObject:
    """An object with exactly these properties, as strict mode wants it."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def one_of(*values: object) -> JsonObject:
    """A value out of a few: nothing to ramble in, so that a weak model comes to an end."""
    kinds = {str: "string", int: "integer"}
    return {"type": kinds[type(values[0])], "enum": list(values)}


def lengthy(items: int) -> JsonObject:
    """What keeps a model busy for at least that many tokens, where the server holds it to the schema."""
    return closed(sky={"type": "array", "items": one_of("sun", "moon"), "minItems": items, "maxItems": items})


def strict_format(schema: object) -> JsonObject:
    """The response_format that asks for it."""
    return {"type": "json_schema", "json_schema": {"name": "conformance", "strict": True, "schema": schema}}


def faults(value: Any, schema: JsonObject, at: str = "the value") -> Iterator[str]:
    """What is wrong with `value`, a sentence each."""
    kind = schema["type"]
    if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{at} is no {kind}: {show(value)}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{at} is none of {schema['enum']}: {show(value)}"
    elif kind == "array":
        for position, item in enumerate(value):
            yield from faults(item, schema["items"], f"{at}[{position}]")
    elif kind == "object":
        named = schema["properties"]
        yield from (f"{at} lacks {name}" for name in schema["required"] if name not in value)
        yield from (f"{at} has {name}, which the schema does not" for name in value if name not in named)
        for name, below in named.items():
            if name in value:
                yield from faults(value[name], below, name)


def fits(text: str, schema: JsonObject) -> Any:
    """The value written in `text`, once it is JSON that fits; else Fail."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Fail("JSON and nothing else", repr(text)) from error
    wrong = list(faults(value, schema))
    if wrong:
        raise Fail("a value that fits the schema", f"{'; '.join(wrong)} in {show(value)}")
    return value
