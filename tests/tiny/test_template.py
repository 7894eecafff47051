"""The shipped chat template renders what the trainer renders, and tolerates what clients send."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import AutoTokenizer

from tools.tiny import SHIPPED, mix, render
from tools.tiny.source import Source

WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(str(SHIPPED))


def rendered(tokenizer: Any, messages: list[dict[str, Any]], **options: Any) -> str:
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, **options)
    return text


def test_template_equals_training_text(tokenizer: Any) -> None:
    """For hundreds of conversations of every family, in all three thinking modes."""
    source = Source(4)
    for _ in range(600):
        talk = mix.conversation(source, long=0.02)
        wire = render.to_wire(talk)
        assert rendered(tokenizer, wire.pop("messages"), **wire) == render.text(talk)


def test_generation_prompt_is_the_start_of_the_training_text(tokenizer: Any) -> None:
    source = Source(5)
    for _ in range(200):
        talk = mix.conversation(source)
        wire = render.to_wire(talk)
        prompt = rendered(tokenizer, wire.pop("messages")[:-1], add_generation_prompt=True, **wire)
        assert render.text(talk).startswith(prompt)


def test_no_effort_means_no_thinking(tokenizer: Any) -> None:
    asked = [{"role": "user", "content": "Hi"}]
    off = rendered(tokenizer, asked, add_generation_prompt=True, enable_thinking=False)
    assert off.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert off == rendered(tokenizer, asked, add_generation_prompt=True, reasoning_effort="none")


def test_high_effort_asks_for_a_thought(tokenizer: Any) -> None:
    text = rendered(tokenizer, [{"role": "user", "content": "Hi"}], reasoning_effort="high")
    assert "Hi /think<|im_end|>" in text


def test_developer_is_a_system_message(tokenizer: Any) -> None:
    user = {"role": "user", "content": "Hi"}
    for tools in (None, [WEATHER]):
        texts = {
            rendered(tokenizer, [{"role": role, "content": "Be brief."}, user], tools=tools)
            for role in ("developer", "system")
        }
        assert len(texts) == 1


def test_content_parts_and_null(tokenizer: Any) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    call = {"type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
    text = rendered(
        tokenizer,
        [{"role": "user", "content": parts}, {"role": "assistant", "content": None, "tool_calls": [call]}],
    )
    assert "user\nHello<|im_end|>" in text
    assert 'assistant\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>' in text


def test_reasoning_of_earlier_turns_is_dropped(tokenizer: Any) -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "reasoning_content": "secret"},
        {"role": "user", "content": "Again"},
        {"role": "assistant", "content": "<think>\nnow\n</think>\n\nHello"},
    ]
    text = rendered(tokenizer, turns)
    assert "secret" not in text
    assert text.endswith("<think>\nnow\n</think>\n\nHello<|im_end|>\n")


def test_odd_schemas_render(tokenizer: Any) -> None:
    """No parameters, type arrays, enums, anyOf, empty properties: whatever a client declares."""
    odd: list[dict[str, Any]] = [
        {"name": "none"},
        {"name": "odd", "description": "First\nsecond", "parameters": {"type": "object", "properties": {
            "a": {"type": ["integer", "null"]}, "b": {"enum": ["x", "y"]},
            "c": {"anyOf": [{"type": "number"}]}, "d": {}}}},
    ]  # fmt: skip
    tools = [{"type": "function", "function": f} for f in odd]
    text = rendered(tokenizer, [{"role": "user", "content": "Hi"}], tools=tools)
    assert "none()\nodd(a?: integer, b?: x|y, c?: number, d?: string) First\n</tools>" in text
