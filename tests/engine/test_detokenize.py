"""Text comes out in whole characters, at once, and complete."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from mlxtui.engine.worker.detokenize import Detokenizers
from tests.engine.conftest import Models

WHOLE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@settings(max_examples=100, deadline=None)
@given(text=WHOLE)
def test_pieces_make_up_the_whole(models: Models, text: str) -> None:
    model = models("plain")
    tokens = model.tokenizer.encode(text, add_special_tokens=False)
    detokenizer = model.detokenizers.new()
    pieces = [detokenizer.feed([token], last=i == len(tokens) - 1) for i, token in enumerate(tokens)]
    assert "".join(pieces) == text.removeprefix(" ")


def test_a_character_is_shown_with_its_last_byte_and_never_in_part(models: Models) -> None:
    model = models("plain")
    tokens = model.tokenizer.encode("a👋b", add_special_tokens=False)
    detokenizer = model.detokenizers.new()
    assert [detokenizer.feed([token], last=False) for token in tokens] == ["a", "", "", "", "👋", "b"]
    cut = model.detokenizers.new()
    assert cut.feed(tokens[:3], last=False) == "a"
    assert cut.feed([], last=True) == ""


def test_an_invalid_byte_holds_nothing_back(models: Models) -> None:
    model = models("plain")
    invalid = model.tokenizer.convert_tokens_to_ids("ÿ")  # byte 0xFF
    (letter,) = model.tokenizer.encode("x", add_special_tokens=False)
    detokenizer = model.detokenizers.new()
    assert detokenizer.feed([invalid], last=False) == "\ufffd"
    assert detokenizer.feed([letter], last=False) == "x"


def test_special_tokens_show_and_unknown_ids_do_not(models: Models) -> None:
    detokenizer = models("plain").detokenizers.new()
    assert detokenizer.feed([4, 319, 5], last=True) == "<tool_call></tool_call>"


@pytest.fixture(scope="module")
def sentence_piece() -> Detokenizers:
    from mlx_lm.tokenizer_utils import SPMStreamingDetokenizer, TokenizerWrapper

    words = ["<unk>", "▁Hello", "▁wor", "ld", "é", *(f"<0x{byte:02X}>" for byte in range(256))]
    inner = Tokenizer(models_bpe(words))
    inner.decoder = decoders.ByteFallback()
    return Detokenizers(TokenizerWrapper(PreTrainedTokenizerFast(tokenizer_object=inner), SPMStreamingDetokenizer))


def models_bpe(words: list[str]) -> models.BPE:
    return models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[], unk_token="<unk>", byte_fallback=True)


def test_sentence_piece_joins_words_and_bytes(sentence_piece: Detokenizers) -> None:
    detokenizer = sentence_piece.new()
    wave = [5 + byte for byte in "👋".encode()]
    pieces = [detokenizer.feed([token], last=False) for token in [1, 2, 3, *wave, 4]]
    assert pieces == ["Hello", " wor", "ld", "", "", "", "👋", "é"]


@settings(max_examples=30, deadline=None)
@given(text=WHOLE)
def test_the_librarys_own_detokenizer_serves_other_kinds(models: Models, text: str) -> None:
    from mlx_lm.tokenizer_utils import NaiveStreamingDetokenizer, TokenizerWrapper

    tokenizer = models("plain").tokenizer._tokenizer
    tokens = tokenizer.encode(text, add_special_tokens=False)
    detokenizer = Detokenizers(TokenizerWrapper(tokenizer, NaiveStreamingDetokenizer)).new()
    pieces = [detokenizer.feed([token], last=i == len(tokens) - 1) for i, token in enumerate(tokens)]
    assert "".join(pieces).rstrip("\ufffd") == text.rstrip("\ufffd")
