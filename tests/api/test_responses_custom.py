"""The input of a custom tool out of JSON that is still being written."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlxtui.api.responses_custom import CustomInput


def read(arguments: str, cuts: list[int]) -> list[str]:
    """What each piece adds, then what the end adds."""
    reader, edges = CustomInput(), [0, *sorted(cut % (len(arguments) + 1) for cut in cuts), len(arguments)]
    pieces = [arguments[a:b] for a, b in pairwise(edges)]
    return [*(reader.feed(piece) for piece in pieces), reader.finish()]


CUTS = st.lists(st.integers(0, 1000), max_size=8)
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\\n😀')).map(str)


@given(TEXT, st.booleans(), st.sampled_from(["", " "]), CUTS)
def test_any_chunking_gives_the_string(text: str, ascii: bool, space: str, cuts: list[int]) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=ascii).replace("{", "{" + space, 1)
    told = read(arguments, cuts)
    assert "".join(told) == text
    assert told[-1] == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", ""),
        ("{}", "{}"),
        ("*** Begin Patch", "*** Begin Patch"),
        ('{"patch": "a\\nb"}', "a\nb"),
        ('{"why": "x", "input": "a"}', "a"),
        ('{"why": "x", "what": "a"}', '{"why": "x", "what": "a"}'),
        ('{"patch": "\\ud83d"}', "\ufffd"),
        ('"a"', "a"),
        ("[" * 100_000, "[" * 100_000),
        ('{"input": 3}', '{"input": 3}'),
        ('{"input": "a"} and more', "a"),
        ('{"input": "a\\', "a"),
        ('{"input": "a\\u00e', "a"),
        ('{"input": "\\ud83d\\ud83d\\ude00 \\ude00 \\ud83d"}', "\ufffd😀 \ufffd \ufffd"),
        ('{"input": "\\ud83d\\n\\ud83d\\u0041"}', "\ufffd\n\ufffdA"),
        ('{"input": "\\ud83d\\ude"}', "\ufffd\\ude"),
        ('{"input": "\\x \\uzz \\u12"}', "\\x \\uzz \\u12"),
    ],
)
def test_other_forms_are_taken_as_far_as_they_make_sense(arguments: str, text: str) -> None:
    assert "".join(read(arguments, [])) == text


@given(st.text(st.sampled_from('"\\ud83dec0A{}:input ')).map(lambda text: '{"input": "' + text), CUTS)
@example('{"input": "\\ud83d\\ude00', [15])
def test_broken_escapes_read_the_same_at_any_chunking(arguments: str, cuts: list[int]) -> None:
    text = "".join(read(arguments, cuts))
    assert text == "".join(read(arguments, []))
    text.encode("utf-8")
