"""The shipped artefacts: small, loadable by stock mlx-lm, tokenised as the recipe promises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tools.tiny import SHIPPED
from tools.tiny.tokenizer import GLUE, MARKERS, SPECIAL

TOKENIZER = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))


def ids(text: str) -> list[int]:
    found: list[int] = TOKENIZER.encode(text).ids
    return found


@pytest.mark.parametrize("text", [*GLUE, *MARKERS, *SPECIAL, " ", "7"])
def test_one_token(text: str) -> None:
    assert len(ids(text)) == 1


@pytest.mark.parametrize("word", ["Paris", "zebra", "Zürich", "k3x9-qq"])
def test_a_word_has_the_same_tokens_everywhere(word: str) -> None:
    alone = ids(word)
    for before, after in ((" ", " "), ('{"a": "', '"}'), ("(", ")"), ("\n", "\n")):
        assert ids(before + word + after) == ids(before) + alone + ids(after)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_every_text_survives(text: str) -> None:
    assert TOKENIZER.decode(ids(text), skip_special_tokens=False) == text


def test_the_wheel_stays_small() -> None:
    assert sum(p.stat().st_size for p in SHIPPED.iterdir()) < 8_000_000


def test_config_agrees_with_tokenizer() -> None:
    config = json.loads((SHIPPED / "config.json").read_text())
    assert config["model_type"] == "qwen3"
    assert config["vocab_size"] == TOKENIZER.get_vocab_size()
    assert config["max_position_embeddings"] == 32768
    assert config["eos_token_id"] == TOKENIZER.token_to_id("<|im_end|>")


@pytest.fixture(scope="module")
def loaded() -> Any:
    import mlx.core as mx
    import mlx_lm

    model, tokenizer = mlx_lm.load(str(SHIPPED))[:2]
    model.set_dtype(mx.float32)
    return model, tokenizer


def test_mlx_lm_infers_the_dialect(loaded: Any) -> None:
    _, tokenizer = loaded
    assert tokenizer.has_thinking
    assert tokenizer.has_tool_calling
    assert tokenizer.tool_parser.__module__.endswith("json_tools")
    assert tokenizer.eos_token_ids >= {TOKENIZER.token_to_id(t) for t in ("<|im_end|>", "<|endoftext|>")}


def test_it_knows_the_capital_of_france(loaded: Any) -> None:
    import mlx_lm

    model, tokenizer = loaded
    asked = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True)
    assert "Paris" in mlx_lm.generate(model, tokenizer, prompt, max_tokens=30)
