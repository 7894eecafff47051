"""Rendering and parsing in the worker: what fits, what is refused and with which words, what text comes out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxtui.engine.interface import ChatPrompt, Failure, Job, ParsedCall, Rendered
from mlxtui.engine.wire import Declined, ParseCalls, Spell, Spelled
from mlxtui.engine.worker.model import Model
from mlxtui.engine.worker.prompt import answer, parse_calls, prepare
from mlxtui.engine.worker.slot import Prompt
from mlxtui.types import NEUTRAL_SAMPLING, Message, TextPrompt, Tool, ToolCall
from tests.engine.conftest import Models

WEATHER = Tool("get_weather", "Weather in a city.", {"type": "object", "properties": {"city": {"type": "string"}}})


def _job(*messages: Message, max_tokens: int | None = None, **template: Any) -> Job:
    return Job("j", ChatPrompt(messages, (), template), NEUTRAL_SAMPLING, max_tokens)


def _prepared(model: Model, job: Job) -> tuple[Rendered, Prompt]:
    prepared = prepare(model, job)
    assert isinstance(prepared, tuple)
    return prepared


def _refused(model: Model, job: Job) -> Failure:
    prepared = prepare(model, job)
    assert isinstance(prepared, Failure)
    return prepared


def test_the_models_own_template_is_used(models: Models) -> None:
    model = models("plain")
    rendered, prompt = _prepared(model, _job(Message("user", "héllo"), enable_thinking=False))
    assert model.tokenizer.decode(prompt.tokens) == "<|im_start|>user\nhéllo<|im_end|>\n<|im_start|>assistant\n"
    assert rendered == Rendered("j", len(prompt.tokens), "content")


def test_a_prompt_that_opens_a_think_block_says_so(models: Models) -> None:
    assert _prepared(models("plain"), _job(Message("user", "hi")))[0].opens_in == "reasoning"
    quoted = _job(Message("user", "what is <think>"), enable_thinking=False)
    assert _prepared(models("plain"), quoted)[0].opens_in == "content"


def test_what_the_template_raises_is_the_clients_to_read(models: Models) -> None:
    failure = _refused(models("plain"), _job(Message("assistant", "me first")))
    assert failure.code == "invalid_prompt"
    assert "the user must speak first" in failure.message


def test_a_prompt_beyond_the_context_is_refused_with_both_numbers(models: Models) -> None:
    failure = _refused(models("plain"), _job(Message("user", "x" * 5000)))
    assert failure.code == "context_length_exceeded"
    assert "4096" in failure.message
    assert str(5000 + 21) in failure.message


def test_a_prompt_of_megabytes_is_refused_before_it_is_tokenised(models: Models) -> None:
    model = models("plain")
    fits_no_more = "x" * (4096 * model.longest_token)
    failure = _refused(model, _job(Message("user", fits_no_more)))
    assert failure.code == "context_length_exceeded"
    assert "at least 4" in failure.message


def test_arguments_nested_without_end_are_text(models: Models) -> None:
    call = ToolCall("c", "f", "[" * 3000)
    messages = (Message("user", "hi"), Message("assistant", "", tool_calls=(call,)), Message("user", "go on"))
    assert _prepared(models("plain"), _job(*messages))[1].tokens


def test_an_answer_never_leaves_the_context(models: Models) -> None:
    model = models("plain")
    for asked, given_room in ((None, 4096 - 521), (10**9, 4096 - 521), (7, 7)):
        _, prompt = _prepared(model, _job(Message("user", "x" * 500), max_tokens=asked))
        assert prompt.max_new == given_room


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_characters_are_refused(models: Models, text: str) -> None:
    assert _refused(models("plain"), _job(Message("user", text))).code == "invalid_prompt"


@pytest.mark.parametrize("text", ["", "\0", "\u202e", "\uffff", "\ue000", "👩‍👩‍👧‍👦", "\ufffd"])
def test_odd_text_goes_through_unchanged(models: Models, text: str) -> None:
    model = models("plain")
    _, prompt = _prepared(model, _job(Message("user", text)))
    assert f"user\n{text}<|im_end|>" in model.tokenizer.decode(prompt.tokens)


def test_context_errors_name_the_field(models: Models) -> None:
    long = "x" * 5000
    text = Job("j", TextPrompt(long), NEUTRAL_SAMPLING)
    assert [_refused(models("plain"), job).param for job in (_job(Message("user", long)), text)] == [
        "messages",
        "prompt",
    ]


@pytest.mark.parametrize(
    ("markers", "expected"),
    [
        (("<fim_prefix>", "<fim_suffix>", "<fim_middle>"), "<fim_prefix>def<fim_suffix>end<fim_middle>"),
        (("[SUFFIX]", "[PREFIX]"), "[SUFFIX]end[PREFIX]def"),
    ],
)
def test_a_gap_is_filled_with_the_models_own_markers(models: Models, markers: tuple[str, ...], expected: str) -> None:
    seen: list[str] = []

    class Filling:
        def get_vocab(self) -> dict[str, int]:
            return {marker: i for i, marker in enumerate(markers)}

        def encode(self, text: str, **options: Any) -> list[int]:
            seen.append(text)
            return [1]

    job = Job("j", TextPrompt("def", "end"), NEUTRAL_SAMPLING)
    _prepared(replace(models("plain"), tokenizer=Filling()), job)
    assert seen == [expected]


def test_a_template_that_renders_nothing_is_refused(models: Models) -> None:
    class Silent:
        has_chat_template = True

        def apply_chat_template(self, *args: Any, **options: Any) -> str:
            return ""

        def encode(self, text: str, **options: Any) -> list[int]:
            return []

    failure = _refused(replace(models("plain"), tokenizer=Silent()), _job(Message("user", "hi")))
    assert (failure.code, "empty" in failure.message) == ("invalid_prompt", True)


def test_a_defect_fails_the_job_and_not_the_thread(models: Models) -> None:
    job = Job("j", ChatPrompt((None,)), NEUTRAL_SAMPLING)  # type: ignore[arg-type]
    assert _refused(models("plain"), job).code == "engine_error"


def test_the_template_sees_tools_calls_and_results(models: Models) -> None:
    seen: dict[str, Any] = {}

    class Spy:
        has_chat_template = True

        def apply_chat_template(self, messages: list[Any], **options: Any) -> str:
            seen.update(options, messages=messages)
            return "x"

        def encode(self, text: str, **options: Any) -> list[int]:
            return [1]

    calls = (ToolCall("c1", "get_weather", '{"city": "Oslo"}'), ToolCall("c2", "get_weather", "not json"))
    messages = (
        Message("assistant", "", calls, reasoning="hm"),
        Message("tool", "rain", tool_call_id="c1", name="get_weather"),
    )
    job = Job("j", ChatPrompt(messages, (WEATHER,), {"reasoning_effort": "low"}), NEUTRAL_SAMPLING)
    _prepared(replace(models("plain"), tokenizer=Spy()), job)
    assistant, tool = seen["messages"]
    assert [c["function"]["arguments"] for c in assistant["tool_calls"]] == [{"city": "Oslo"}, "not json"]
    assert assistant["reasoning_content"] == "hm"
    assert tool == {"role": "tool", "content": "rain", "name": "get_weather", "tool_call_id": "c1"}
    assert seen["tools"][0]["function"]["name"] == "get_weather"
    assert seen["reasoning_effort"] == "low"


def test_a_model_without_a_template_still_answers(models: Models) -> None:
    tokenizer = models("plain").tokenizer

    class Bare:
        has_chat_template = False
        encode = staticmethod(tokenizer.encode)

    _, prompt = _prepared(replace(models("plain"), tokenizer=Bare()), _job(Message("user", "hi")))
    assert tokenizer.decode(prompt.tokens) == "user: hi\nassistant:"


def _parse(model: Model, text: str, *tools: Tool) -> tuple[ParsedCall, ...]:
    return parse_calls(model.tokenizer, ParseCalls(0, text, tools or (WEATHER,)))


def test_a_good_call_is_parsed(models: Models) -> None:
    text = json.dumps({"name": "get_weather", "arguments": {"city": "Oslo"}})
    assert _parse(models("plain"), f"\n{text}\n") == (ParsedCall("get_weather", {"city": "Oslo"}),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        '{"name": "get_weather"}',
        '{"name": "get_weather", "arguments": "x"}',
        '{"name": "rm_rf", "arguments": {}}',
        '{"name": ["get_weather"], "arguments": {}}',
        '{"name": "get_weather", "arguments": {}} {"name": "get_weather", "arguments": {}}',
    ],
)
def test_a_bad_call_is_no_call(models: Models, text: str) -> None:
    assert _parse(models("plain"), text) == ()


@settings(max_examples=50, deadline=None)
@given(text=st.text())
def test_no_text_breaks_the_parser(models: Models, text: str) -> None:
    assert _parse(models("plain"), text) == ()


def test_tokens_are_spelled_one_by_one(models: Models) -> None:
    model = models("plain")
    _, prompt = _prepared(model, _job(Message("user", "héllo 👋")))
    told = answer(model, Spell(3, tuple(prompt.tokens)))
    assert isinstance(told, Spelled)
    text = model.tokenizer.decode(prompt.tokens)
    assert b"".join(spelling.raw for spelling in told.spellings).decode() == text
    assert {s.raw for s in told.spellings if s.special} == {b"<|im_start|>", b"<|im_end|>", b"<think>"}
    assert isinstance(answer(model, Spell(4, (10**6,))), Declined)
