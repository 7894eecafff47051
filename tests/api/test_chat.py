"""The chat API's wire: which bodies are taken, which are refused, and by which field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui.api.chat import parse_chat, to_request
from mlxtui.errors import InvalidRequest
from mlxtui.types import Constraint, Message, Request, Sampling, Tool, ToolCall

HELLO = {"role": "user", "content": "hello"}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


TIME = {"type": "function", "function": {"name": "get_time", "strict": True}}


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def allowed(mode: str, *names: str) -> dict[str, Any]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [named(name) for name in names]}}


def parsed(**fields: Any) -> Request:
    return to_request(parse_chat({"model": "m", "messages": [HELLO]} | fields))


def test_a_minimal_body() -> None:
    request = parsed()
    assert request == Request(model="m", messages=(Message("user", "hello"),))


def test_every_kind_of_message() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [
        {"role": "developer", "content": "d"},
        {"role": "user", "content": parts, "name": "ada"},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "hm"},
        {"role": "tool", "content": parts, "tool_call_id": "c1"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ]
    assert parsed(messages=messages).messages == (
        Message("system", "d"),
        Message("user", "ab", name="ada"),
        Message("assistant", "", tool_calls=(ToolCall("c1", "f", "{}"),), reasoning="hm"),
        Message("tool", "ab", tool_call_id="c1"),
        Message("assistant", "no"),
    )


def test_a_call_from_before_there_were_tools() -> None:
    messages = [
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "done"},
    ]
    assert parsed(messages=messages).messages == (
        Message("assistant", "", tool_calls=(ToolCall("f", "f", "{}"),)),
        Message("tool", "done", tool_call_id="f", name="f"),
    )


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"tool_choice": {}}, "tool_choice", "an object of type 'function' or 'allowed_tools'"),
        ({"tool_choice": {"type": "function"}}, "tool_choice", "needs 'function'"),
        ({"tool_choice": {"type": "function", "function": {"name": 1}}}, "tool_choice.function.name", "string"),
        ({"chat_template_kwargs": {"x": [1]}}, "chat_template_kwargs.x", "a string, a number, a boolean or null"),
    ],
)
def test_an_error_speaks_of_the_form_that_was_meant(fields: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(**fields)
    assert caught.value.param == param
    assert words in caught.value.message


def test_tools_and_their_choice() -> None:
    assert parsed(tools=[WEATHER]).tools == (Tool("get_weather", "", {"type": "object"}),)
    assert parsed(tools=[WEATHER], tool_choice="none").tools == ()
    assert parsed(tools=[WEATHER], parallel_tool_calls=False).parallel_tool_calls is False


GET_WEATHER = Tool("get_weather", "", {"type": "object"})
GET_TIME = Tool("get_time", strict=True)
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"tools": [WEATHER]}, None),
        ({"tools": [WEATHER], "tool_choice": allowed("auto", "get_weather")}, None),
        ({"tools": [WEATHER], "tool_choice": "required"}, Constraint(calls="required", tools=(GET_WEATHER,))),
        (
            {"tools": [WEATHER, TIME], "tool_choice": named("get_time"), "parallel_tool_calls": False},
            Constraint(calls="required", tools=(GET_TIME,), parallel=False),
        ),
        (
            {"tools": [WEATHER, TIME], "tool_choice": allowed("required", "get_weather")},
            Constraint(calls="required", tools=(GET_WEATHER,)),
        ),
        ({"tools": [WEATHER, TIME], "tool_choice": allowed("auto", "get_weather")}, Constraint(tools=(GET_WEATHER,))),
        ({"tools": [TIME]}, Constraint(tools=(GET_TIME,))),
        ({"response_format": {"type": "json_object"}}, Constraint(schema={"type": "object"})),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
            Constraint(schema=SCHEMA),
        ),
        (
            {"tools": [WEATHER], "response_format": {"type": "json_object"}},
            Constraint(schema={"type": "object"}, tools=(GET_WEATHER,)),
        ),
    ],
)
def test_what_must_be_enforced_becomes_a_constraint(fields: dict[str, Any], constraint: Constraint | None) -> None:
    assert parsed(**fields).constraint == constraint


def test_sampling_is_taken_over_field_by_field() -> None:
    fields = {"presence_penalty": -1, "frequency_penalty": 0.5, "repetition_penalty": 1.1, "xtc_probability": 0.1}
    assert parsed(**fields).sampling == Sampling(**fields)
    assert parsed(logit_bias={"5": -100, "7": 1.5}).sampling.logit_bias == ((5, -100), (7, 1.5))
    request = parsed(n=3, logprobs=True, top_logprobs=2, reasoning_budget=10)
    assert (request.n, request.top_logprobs, request.reasoning_budget) == (3, 2, 10)
    assert parsed(logprobs=True).top_logprobs == 0


def test_reasoning_effort_reaches_the_template() -> None:
    assert parsed(reasoning_effort="low").template == {"reasoning_effort": "low"}
    assert parsed(reasoning_effort="none").template == {"reasoning_effort": "none", "enable_thinking": False}


OPTIONAL = [
    *("temperature", "top_p", "top_k", "min_p", "seed", "max_tokens", "max_completion_tokens", "stop", "stream"),
    *("stream_options", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "chat_template_kwargs"),
    *("n", "logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "response_format"),
    *("user", "metadata", "store", "service_tier", "prompt_cache_key", "anything_else"),
]


def test_a_cache_key_names_the_conversation() -> None:
    assert parsed(prompt_cache_key="session 1").cache_key == "session 1"


def test_null_is_the_default_for_every_optional_field() -> None:
    assert parsed(**dict.fromkeys(OPTIONAL)) == parsed()


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1},
        {"logprobs": False},
        {"response_format": {"type": "text"}},
        {"user": "ada", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "x_unknown": [1]},
        {"logit_bias": {}},
    ],
)
def test_what_changes_nothing_is_accepted(fields: dict[str, Any]) -> None:
    assert parsed(**fields) == parsed()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [123]}, "messages[0]"),
        ({"messages": [{}]}, "messages[0].role"),
        ({"messages": [HELLO, {"role": "wizard", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": 123, "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": {}}]}, "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]},
            "messages[0].tool_calls[0].id",
        ),
        *(({"temperature": v}, "temperature") for v in (-1, 2.1, "0.5", True)),
        *(({"top_p": v}, "top_p") for v in (0, 1.1)),
        *(({"top_k": v}, "top_k") for v in (-2, 1 << 63, 0.5)),
        *(({"min_p": v}, "min_p") for v in (-0.1, 1.1)),
        *(({"seed": v}, "seed") for v in (0.5, 1 << 64)),
        *(({"max_tokens": v}, "max_tokens") for v in (0, -1, 1.5, 1 << 31, "10")),
        *(({"max_completion_tokens": v}, "max_completion_tokens") for v in (0, -1)),
        *(({"stop": v}, "stop") for v in ("", [""], ["a"] * 5, ["x" * 1000])),
        ({"stop": [1]}, "stop[0]"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "x" * 65}}]}, "tools[0].function.name"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].function.name"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": named("get_time")}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "wizard"}}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": allowed("auto", "get_time")}, "tool_choice"),
        ({"chat_template_kwargs": {"tokenize": True}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"x": [1]}}, "chat_template_kwargs.x"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        *(({"n": v}, "n") for v in (0, 17, True, 1.5)),
        ({"logprobs": 1}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        *(({"logit_bias": v}, "logit_bias") for v in ({"x": 5}, {"1": 101}, {str(i): 1 for i in range(2000)})),
        *(({"presence_penalty": v}, "presence_penalty") for v in (-2.1, 2.1, "1")),
        ({"frequency_penalty": 3}, "frequency_penalty"),
        *(({"repetition_penalty": v}, "repetition_penalty") for v in (0, -1, 11)),
        ({"xtc_probability": 2}, "xtc_probability"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
            "response_format.json_schema.name",
        ),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"chat_template": "{{ x }}"}, "chat_template"),
    ],
)
def test_what_can_not_be_honoured_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(**fields)
    assert caught.value.param is not None
    assert caught.value.param.startswith(param)
    assert param.split("[")[0].split(".")[0] in caught.value.message


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS, lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=8), s, max_size=3)
)


@given(st.dictionaries(st.sampled_from(["model", "messages", *OPTIONAL]), ANYTHING))
def test_any_body_gives_a_request_or_an_error_with_a_field(body: dict[str, Any]) -> None:
    try:
        to_request(parse_chat(body))
    except InvalidRequest as error:
        assert error.param
