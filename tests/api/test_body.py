"""What a body may be, and what is said when it may not."""

from __future__ import annotations

import json
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui.api.body import parse_object
from mlxtui.errors import InvalidRequest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "JSON"),
        (b'{"a": 1', "JSON"),
        (b"plain", "JSON"),
        (b"\xff\xfe{\x00", "UTF-8"),
        (b"\xef\xbb\xbf{}", "JSON"),
        (b"[]", "an array"),
        (b'"x"', "a string"),
        (b"42", "a number"),
        (b"null", "null"),
        (b"true", "a boolean"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "1e999"),
        (b'{"a": ' + b"9" * 5000 + b"}", "JSON"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deep"),
        (b'{"a": ' + b"[" * 80 + b"]" * 80 + b"}", "deeper than 64"),
        (b'{"a": {"b": ["x", "\\ud800"]}}', "a.b[1]"),
        (b'{"a": {"\\udc00": 1}}', "surrogate"),
    ],
)
def test_a_bad_body_is_named(raw: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_object(raw)
    assert words in caught.value.message


def test_the_last_of_two_equal_keys_wins() -> None:
    assert parse_object(b'{"a": 1, "a": 2}') == {"a": 2}


@given(st.dictionaries(st.text(), JSON))
def test_json_objects_come_through(body: dict[str, object]) -> None:
    assert parse_object(json.dumps(body).encode()) == body


@given(st.binary())
def test_any_bytes_give_an_object_or_a_sentence(raw: bytes) -> None:
    try:
        assert isinstance(parse_object(raw), dict)
    except InvalidRequest as error:
        assert error.message


@given(st.recursive(st.just("\ud800"), lambda inner: st.lists(inner, min_size=1) | st.dictionaries(st.text(), inner)))
def test_half_a_surrogate_pair_is_found_wherever_it_stands(value: object) -> None:
    if "\\ud800" in (raw := json.dumps({"a": value})):
        with pytest.raises(InvalidRequest, match="surrogate"):
            parse_object(raw.encode())


@pytest.mark.parametrize(("depth", "fits"), [(63, True), (64, False), (80, False)])
def test_how_deep_a_body_may_be(depth: int, fits: bool) -> None:
    raw = b'{"a": ' + b"[" * depth + b'"x"' + b"]" * depth + b"}"
    with nullcontext() if fits else pytest.raises(InvalidRequest, match="'a' is nested deeper"):
        parse_object(raw)
