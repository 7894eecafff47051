"""Strangers' text can't steer the terminal or forge a log line."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui.text import safe_line, safe_text


@given(st.text(st.characters()))
def test_no_control_reaches_the_terminal(text: str) -> None:
    left = set(safe_text(text)) - {"\n", "\t"}
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in left)
    assert not left & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029\u061c\ufeff")
    assert "\n" not in safe_line(text)


@pytest.mark.parametrize("text", ["héllo", "日本語", "👩‍👩‍👧‍👦", "a\tb\nc", "[/foo] [bold]"])
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert safe_text(text) == text


def test_a_long_line_is_cut() -> None:
    assert safe_line("x" * 50, limit=10) == "x" * 9 + "…"
