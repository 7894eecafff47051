"""Our own description of the API: true to the app's routes, to the wire models and to what is sent."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from mlxtui.api.openapi import document
from tests.server.serving import CHAT, HELLO, Served, chat, function, run, serving


def schema(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}


def served_routes(served: Served) -> set[tuple[str, str]]:
    """Method and path of every route, written as OpenAPI writes them; HEAD and OPTIONS come with each."""
    return {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in served.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_it_is_openapi() -> None:
    validate(document())


def test_every_route_is_in_it_and_nothing_else_is() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            routes = served_routes(served)
            told = (await http.get("/openapi.json")).json()
        assert told == document()
        assert {(method, path) for path, methods in told["paths"].items() for method in methods} == routes

    run(main())


def test_the_fate_of_every_field_is_told_where_the_field_is() -> None:
    fields = document()["components"]["schemas"]["WireChat"]["properties"]
    assert fields["user"]["description"].startswith("harmless: ")
    assert fields["audio"] == {"enum": [None], "description": "refused: text only"}
    assert fields["temperature"]["description"] == "honoured: 0 to 2; 0 takes the likeliest token"


BODIES: dict[str, dict[str, Any]] = {
    "content as a string": {},
    "content in parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
    "one stop": {"stop": "x"},
    "stops": {"stop": ["x", "y"]},
    "a choice by name": {"tools": [function("f")], "tool_choice": "required"},
    "a choice by object": {"tools": [function("f")], "tool_choice": {"type": "function", "function": {"name": "f"}}},
    "nulls": dict.fromkeys(("n", "stream", "logprobs", "tools", "audio", "user", "stop")),
    "a schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}},
    "unknown fields": {"shoe_size": 43},
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_taken_fits_its_schema(name: str) -> None:
    body = chat(**BODIES[name])

    async def main() -> None:
        async with serving() as served, served.http() as http:
            assert (await http.post(CHAT, json=body)).status_code == 200

    run(main())
    jsonschema.validate(body, schema("WireChat"))


@pytest.mark.parametrize("prompt", ["a", [1, 2], ["a", "b"], [[1], [2]]])
def test_a_prompt_may_be_written_in_four_ways(prompt: Any) -> None:
    jsonschema.validate({"model": "m", "prompt": prompt}, schema("WireCompletion"))


@pytest.mark.parametrize("fields", [{"temperature": 3}, {"audio": {}}, {"stop": [""]}, {"messages": "hi"}])
def test_a_body_that_is_refused_does_not_fit(fields: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(HELLO | fields, schema("WireChat"))


def test_errors_have_the_shape_that_is_told() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            bodies = [
                (await http.post(CHAT, json={})).json(),
                (await http.get("/nothing")).json(),
                (await http.delete("/v1/models")).json(),
                (await http.post(CHAT, content=b"x")).json(),
            ]
        for body in bodies:
            jsonschema.validate(body, schema("Error"))

    run(main())
