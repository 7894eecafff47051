"""Arguments in the types of their schema: text that spells a value becomes it, text that must be text stays text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui.engine.worker.coerce import coerced

STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
NAMES = ("null", "boolean", "integer", "number", "string", "array", "object")


def one(value: Any, schema: Any) -> Any:
    return coerced({"x": value}, {"type": "object", "properties": {"x": schema}})["x"]


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ("3", INTEGER, 3),
        (" 3\n", INTEGER, 3),
        ("3.0", INTEGER, 3),
        ("3.5", INTEGER, "3.5"),
        ("three", INTEGER, "three"),
        ("007", INTEGER, "007"),
        ("9" * 5000, INTEGER, "9" * 5000),
        ("٣", INTEGER, "٣"),
        ("3", NUMBER, 3),
        ("3.10", NUMBER, 3.1),
        ("NaN", NUMBER, "NaN"),
        ("1e999", NUMBER, "1e999"),
        ("3.10", STRING, "3.10"),
        ("true", STRING, "true"),
        ("null", STRING, "null"),
        ('{"a": 1}', STRING, '{"a": 1}'),
        ('"quoted"', STRING, '"quoted"'),
        ("true", {"type": "boolean"}, True),
        ("False", {"type": "boolean"}, False),
        ("yes", {"type": "boolean"}, "yes"),
        ("1", {"type": "boolean"}, "1"),
        ("true", INTEGER, "true"),
        ("null", {"type": ["integer", "null"]}, None),
        ("None", {"anyOf": [INTEGER, {"type": "null"}]}, None),
        ("5", {"anyOf": [INTEGER, {"type": "null"}]}, 5),
        ("null", {"type": "string", "nullable": True}, None),
        ("null", {"type": ["string", "null"]}, None),
        ("x", {"type": ["string", "null"]}, "x"),
        ("123", {"type": ["string", "null"]}, "123"),
        ("3", {"anyOf": [STRING, INTEGER]}, 3),
        ("3a", {"anyOf": [STRING, INTEGER]}, "3a"),
        ('["a", "b"]', {"type": "array", "items": STRING}, ["a", "b"]),
        ("['a', True]", {"type": "array"}, ["a", True]),
        ("a, b", {"type": "array"}, "a, b"),
        ('{"a": [1]}', {"type": "object"}, {"a": [1]}),
        ("{1, 2}", {"type": "object"}, "{1, 2}"),
        ("[1e999]", {"type": "array"}, "[1e999]"),
        ("[" * 9999, {"type": "array"}, "[" * 9999),
        ("2", {"enum": [1, 2]}, 2),
        ("2", {"enum": ["1", "2"]}, "2"),
        ("2", {"enum": [2, "2"]}, "2"),
        ("2", {"const": 2}, 2),
        ("3", {"$ref": "#/properties/y"}, 3),
        ("3", {"$ref": "#/nowhere"}, 3),
        ("3", {"$ref": "#/properties/x"}, 3),
        ("3", {"allOf": [{"minimum": 1}, INTEGER]}, 3),
        ("3", {}, 3),
        ("03", {}, "03"),
        ("hi", True, "hi"),
        (3, STRING, "3"),
        (True, STRING, "true"),
        (None, STRING, "null"),
        ({"a": "é"}, STRING, '{"a": "é"}'),
        (3, {"type": ["string", "integer"]}, 3),
        (3, {"type": "array"}, 3),
        (3.5, INTEGER, 3.5),
    ],
)
def test_text_becomes_what_the_schema_says(value: Any, schema: Any, expected: Any) -> None:
    tool = {"type": "object", "properties": {"x": schema, "y": INTEGER}}
    found = coerced({"x": value}, tool)["x"]
    assert found == expected
    assert type(found) is type(expected)


def test_properties_are_found_wherever_the_schema_has_them() -> None:
    shared = {"$defs": {"At": {"properties": {"x": INTEGER}}}}
    for schema in ({"$ref": "#/$defs/At"}, {"allOf": [{"$ref": "#/$defs/At"}]}, {"additionalProperties": INTEGER}):
        assert coerced({"x": "3"}, {**shared, **schema}) == {"x": 3}
    strings = {"additionalProperties": STRING}
    assert coerced({"x": "3"}, {"properties": {"x": INTEGER}, **strings}) == {"x": 3}
    assert coerced({"x": "3"}, strings) == {"x": "3"}
    assert coerced({"x": "3"}, {"properties": None, "anyOf": 7, "additionalProperties": False}) == {"x": 3}


def test_references_in_circles_cost_nothing() -> None:
    assert coerced({"x": "3"}, {"properties": {"x": INTEGER}, "anyOf": [{"$ref": "#"}] * 50}) == {"x": 3}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
SCHEMAS = st.recursive(
    st.builds(lambda kind: {"type": kind}, st.sampled_from(NAMES) | st.lists(st.sampled_from(NAMES))) | st.just({}),
    lambda inner: st.builds(lambda key, parts: {key: parts}, st.sampled_from(("anyOf", "allOf")), st.lists(inner)),
    max_leaves=4,
)


def kind(value: Any) -> str:
    kinds = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return kinds.get(type(value), "object")


@given(VALUES)
def test_a_value_comes_back_from_its_text(value: Any) -> None:
    said = value if isinstance(value, str) else json.dumps(value)
    assert one(said, {"type": kind(value)}) == value


@given(st.text(), st.sampled_from([STRING, {"enum": ["a"], "type": "string"}, {"anyOf": [STRING, STRING]}]))
def test_a_string_stays_a_string(text: str, schema: Any) -> None:
    assert one(text, schema) == text


@given(VALUES, SCHEMAS)
def test_coercion_is_stable_and_stays_json(value: Any, schema: Any) -> None:
    found = one(value, schema)
    assert one(found, schema) == found
    json.dumps(found, allow_nan=False)


@given(VALUES, VALUES)
def test_no_schema_breaks_it(value: Any, schema: Any) -> None:
    one(value, schema)
    coerced({"x": value}, {"type": "object", "properties": schema, "$ref": schema, "anyOf": [schema]})
