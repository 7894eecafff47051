"""The Responses API's wire: which bodies are taken, what they ask of the model, and which field is at fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import response_create_params

from mlxtui.api.chat import parse_chat, to_request
from mlxtui.api.parameters import RESPONSES
from mlxtui.api.responses import parse, renamed, request
from mlxtui.api.responses_wire import WireResponses
from mlxtui.api.sealed import SealKey
from mlxtui.errors import ContextLengthExceeded, EngineFailed, InvalidRequest
from mlxtui.types import Constraint, Message, Request, Sampling, Tool

KEY = SealKey(b"a secret of some length")
F = {"type": "function", "name": "f", "parameters": {"type": "object"}}
G = {"type": "function", "name": "g", "strict": True}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


def asked(**fields: Any) -> Request:
    return request(parse({"model": "m", "input": "hi"} | fields), (), KEY)


def test_a_minimal_body() -> None:
    assert asked() == Request(model="m", messages=(Message("user", "hi"),))


def test_null_is_the_default() -> None:
    body = dict.fromkeys(get_type_hints(response_create_params.ResponseCreateParamsBase))
    assert asked(**body | {"model": "m", "input": "hi"}) == asked()


def test_what_every_sampler_knows_is_asked_in_the_words_of_chat() -> None:
    fields: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": -1,
        "seed": 7,
        "stop": "x",
        "logit_bias": {"3": 1},
        "prompt_cache_key": "session 1",
    }
    chat = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert asked(**fields) == to_request(parse_chat(chat | fields))
    assert asked(top_k=3).sampling == Sampling(top_k=3)


def test_a_turn_comes_after_the_instructions_and_the_turns_before() -> None:
    first = parse({"model": "m", "input": "one", "instructions": "not for the next turn"})
    answer = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    answer |= {"content": [{"type": "output_text", "text": "1", "annotations": []}]}
    turn = parse({"model": "m", "input": "two", "instructions": "Count.", "previous_response_id": "resp_1"})
    assert request(turn, (*first.items, answer), KEY).messages == (
        Message("system", "Count."),
        Message("user", "one"),
        Message("assistant", "1"),
        Message("user", "two"),
    )


def test_what_is_asked_stands_where_the_server_looks() -> None:
    found = parse(
        {"model": "m", "input": "hi", "conversation": {"id": "conv_1"}, "truncation": "auto", "background": True}
    )
    assert (found.conversation, found.previous_response_id, found.truncation) == ("conv_1", None, "auto")
    assert (found.store, found.background, found.stream) == (True, True, False)
    assert parse({"model": "m", "input": [], "conversation": "conv_1", "store": False}).conversation == "conv_1"
    assert parse({"model": "m", "previous_response_id": "resp_1"}).items == ()


def test_reasoning_and_template() -> None:
    assert asked(reasoning={"effort": "none"}).template == {"reasoning_effort": "none", "enable_thinking": False}
    assert asked(reasoning_effort="low", chat_template_kwargs={"x": 1}).template == {"reasoning_effort": "low", "x": 1}
    assert asked(reasoning={"summary": "auto", "effort": None}).template == {}
    assert asked(reasoning_budget=9).reasoning_budget == 9


def test_limits_and_logprobs() -> None:
    assert asked(max_output_tokens=5).max_tokens == 5
    assert asked(include=["message.output_text.logprobs"]).top_logprobs == 0
    assert asked(top_logprobs=3).top_logprobs == 3
    assert asked(top_logprobs=0, include=["file_search_call.results"]).top_logprobs is None


TOOL_F, TOOL_G = Tool("f", "", {"type": "object"}), Tool("g", strict=True)


def allowed(mode: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "allowed_tools", "mode": mode, "tools": list(tools)}


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"tools": [F]}, None),
        ({"tools": [F], "tool_choice": "auto", "text": {"format": {"type": "text"}, "verbosity": "low"}}, None),
        ({"tools": [F], "tool_choice": "required"}, Constraint(calls="required", tools=(TOOL_F,))),
        (
            {"tools": [F, G], "tool_choice": {"type": "function", "name": "g"}, "parallel_tool_calls": False},
            Constraint(calls="required", tools=(TOOL_G,), parallel=False),
        ),
        (
            {
                "tools": [F, G],
                "tool_choice": allowed("auto", {"type": "function", "name": "f"}, {"type": "web_search"}),
            },
            Constraint(calls="auto", tools=(TOOL_F,)),
        ),
        ({"text": {"format": {"type": "json_object"}}}, Constraint({"type": "object"})),
        ({"text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}}}, Constraint(SCHEMA)),
    ],
)
def test_what_is_enforced(fields: dict[str, Any], constraint: Constraint | None) -> None:
    assert asked(**fields).constraint == constraint


IMAGE = {"type": "input_image", "image_url": "data:"}
HOSTED = {"type": "web_search"}


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"tool_choice": {"type": "function"}}, "tool_choice", "type 'function' needs 'name'"),
        ({"tool_choice": {"type": "allowed_tools", "tools": []}}, "tool_choice.tools", "at least 1 item"),
        ({"tool_choice": 3}, "tool_choice", "must be an object"),
        ({"conversation": 3}, "conversation", "must be an id, or an object that holds it"),
        ({"reasoning": "high"}, "reasoning", "must be an object"),
        ({"text": "plain"}, "text", "must be an object"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_wire(fields: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        parse({"model": "m", "input": "hi"} | fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": []}, "input", None),
        ({"input": 3}, "input", None),
        ({"input": [3]}, "input[0]", None),
        ({"input": [{"type": 3}]}, "input[0].type", None),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input", None),
        ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", None),
        ({"input": [{"role": "user", "content": [IMAGE]}]}, "input[0].content[0]", "unsupported_content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0]", None),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": [IMAGE]}]},
            "input[0].output[0]",
            "unsupported_content",
        ),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": 3}]}, "input[0].output", None),
        (
            {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]},
            "input[0].call_id",
            "missing_required_parameter",
        ),
        ({"input": [{"type": "compaction_trigger"}]}, "input[0]", "unsupported_content"),
        (
            {"input": ["hi", {"type": "reasoning", "encrypted_content": "gAAA"}][1:]},
            "input[0].encrypted_content",
            "invalid_encrypted_content",
        ),
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "unsupported_parameter"),
        ({"context_management": [{"type": "compaction"}]}, "context_management", "unsupported_parameter"),
        ({"temperature": 3}, "temperature", None),
        ({"top_logprobs": 21}, "top_logprobs", None),
        ({"max_output_tokens": 0}, "max_output_tokens", None),
        ({"metadata": {"a": 1}}, "metadata.a", None),
        ({"metadata": {str(i): "" for i in range(17)}}, "metadata", None),
        ({"stop": ["a"] * 5}, "stop", None),
        ({"conversation": 3}, "conversation", None),
        ({"conversation": "conv_1", "previous_response_id": "resp_1"}, "previous_response_id", None),
        ({"background": True, "store": False}, "background", None),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort", None),
        ({"chat_template_kwargs": {"tokenize": True}}, "chat_template_kwargs", None),
        ({"text": {"format": {"type": "json_schema", "name": "s"}}}, "text.format", None),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type", None),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name", None),
        ({"tools": [{"name": "f"}]}, "tools[0].type", "missing_required_parameter"),
        ({"tools": [F, F]}, "tools[1].name", None),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [F] * 200}] * 2}, "tools", None),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [F, F]}]}, "tools[0].tools[1].name", None),
        ({"tools": [{"type": "custom", "name": "c", "format": {"type": "grammar"}}]}, "tools[0].format", None),
        ({"tool_choice": "must"}, "tool_choice", None),
        ({"tool_choice": "required"}, "tool_choice", None),
        ({"tool_choice": "required", "tools": [HOSTED]}, "tool_choice", None),
        ({"tool_choice": {"type": "function"}, "tools": [F]}, "tool_choice", None),
        ({"tool_choice": {"type": "function", "name": "x"}, "tools": [F]}, "tool_choice", None),
        ({"tool_choice": {"type": "web_search_preview"}, "tools": [F, HOSTED]}, "tool_choice", "unsupported_parameter"),
        ({"tool_choice": allowed("required", HOSTED), "tools": [F, HOSTED]}, "tool_choice", None),
    ],
)
def test_the_field_at_fault_is_named(fields: dict[str, Any], param: str, code: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(**fields)
    assert caught.value.param == param
    assert caught.value.code == (code or "invalid_value")
    assert caught.value.message


def test_errors_of_the_engine_come_under_this_apis_names() -> None:
    error = ContextLengthExceeded("too long", param="messages")
    assert (renamed(error).param, renamed(error).message, error.param) == ("input", "too long", "messages")
    assert renamed(InvalidRequest("no", param="response_format")).param == "text.format"
    assert renamed(failed := EngineFailed("no")) is failed


def test_the_table_is_complete_and_in_step() -> None:
    known = {parameter.name for parameter in RESPONSES}
    assert len(known) == len(RESPONSES)
    assert set(get_type_hints(response_create_params.ResponseCreateParamsBase)) - known == set()
    assert set(WireResponses.model_fields) <= known
    assert {p.name for p in RESPONSES if p.fate == "honoured"} <= set(WireResponses.model_fields)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "id", "role", "content"]), inner)
    ),
    max_leaves=8,
)
KINDS = st.sampled_from(
    ["message", "function_call", "function_call_output", "reasoning", "item_reference", "web_search_call"]
)
ITEMS = st.lists(
    JSON | st.fixed_dictionaries({"type": KINDS, "call_id": JSON, "output": JSON, "content": JSON, "summary": JSON})
)


@given(st.dictionaries(st.sampled_from(sorted(WireResponses.model_fields)), JSON | ITEMS))
def test_any_body_is_taken_or_refused(body: dict[str, Any]) -> None:
    """Nothing but an error that names a field comes out of the wrong JSON."""
    try:
        turn = parse({"model": "m", "input": "hi"} | body)
        request(replace(turn, items=turn.items), (), KEY)
    except InvalidRequest as error:
        assert error.message
