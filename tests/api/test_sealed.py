"""Sealed text: what goes out comes back, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui.api.sealed import SealKey
from mlxtui.errors import InvalidRequest

KEY = SealKey(b"0123456789abcdef")


@given(st.text())
def test_what_was_sealed_opens_and_does_not_show(text: str) -> None:
    token = KEY.seal(text)
    assert KEY.open(token) == text
    assert len(text) < 8 or text not in token
    assert KEY.seal(text) != token  # equal thoughts don't show as equal


CUT_SHORT = KEY.seal("a")[:-5] + "AAAA="


@pytest.mark.parametrize("token", ["", "x", "gAAAAABnot-ours", "é", CUT_SHORT], ids=range(5))
def test_what_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        KEY.open(token)
    assert caught.value.code == "invalid_encrypted_content"


def test_another_secret_opens_nothing() -> None:
    with pytest.raises(InvalidRequest):
        SealKey(b"another secret of some length").open(KEY.seal("a"))


def test_a_secret_that_could_be_guessed_is_no_secret() -> None:
    with pytest.raises(ValueError, match="5 bytes"):
        SealKey(b"short")
