"""The Responses API's answers, held against the official client's own types and accumulator."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai._types import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from mlxtui import choice
from mlxtui.api.responses import parse
from mlxtui.api.responses_answer import ResponseAnswer
from mlxtui.api.responses_events import DONE, encode
from mlxtui.api.sealed import SealKey
from mlxtui.errors import ApiError, ContextLengthExceeded, EngineFailed, RateLimited
from mlxtui.types import (
    CallArguments,
    CallStart,
    Delta,
    Finish,
    FinishReason,
    Logprob,
    Reasoning,
    Started,
    Text,
    Timings,
    TokenLogprob,
    Usage,
)

KEY = SealKey(b"a secret of some length")
USAGE = Usage(prompt_tokens=7, cached_tokens=3, completion_tokens=5, reasoning_tokens=2)
PATCH = {"type": "custom", "name": "apply_patch"}
AGENTS = {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "spawn"}]}
TOOLS = [{"type": "function", "name": "f"}, PATCH, AGENTS]
EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
Event = dict[str, Any]


def started(**fields: Any) -> ResponseAnswer:
    asked = parse({"model": "m", "input": "hi", "tools": TOOLS} | fields)
    return ResponseAnswer(asked, "resp_1", 12, KEY, clock=lambda: 15.9)


def finish(reason: FinishReason = "stop") -> Finish:
    return Finish(reason, USAGE, Timings())


def stream(answer: ResponseAnswer, deltas: Iterable[Delta], reason: FinishReason = "stop") -> list[Event]:
    begun = [*answer.created(), *answer.in_progress()]
    return begun + answer.feed([Started(7), *deltas, finish(reason)])


def output(*deltas: Delta, reason: FinishReason = "stop", **fields: Any) -> list[Any]:
    answer = started(**fields)
    stream(answer, deltas, reason)
    return list(answer.output)


def kinds(events: list[Event]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_text_goes_through_its_events() -> None:
    answer = started()
    events = stream(answer, [Text("a"), Text("b")])
    assert kinds(events) == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done", "completed"),
    ]
    added, done = events[2], events[8]
    assert added["item"] == {"id": "msg_100", "type": "message", "status": "in_progress", "role": "assistant"} | {
        "content": []
    }
    part = {"type": "output_text", "text": "ab", "annotations": [], "logprobs": []}
    assert done["item"] == added["item"] | {"status": "completed", "content": [part]}
    assert events[4]["logprobs"] == []
    assert events[-1]["response"] == answer.to_json()
    assert answer.to_json()["completed_at"] == 15


def test_the_object_says_what_was_asked_and_what_it_cost() -> None:
    body = {"temperature": None, "top_p": 0.5, "metadata": {"a": "b"}, "user": "u", "store": None, "n": 1}
    answer = started(
        **body, reasoning={"effort": "low"}, text={"format": {"type": "json_object"}}, conversation="conv_1"
    )
    assert answer.to_json()["usage"] is None
    stream(answer, [Text("a")])
    found = answer.to_json()
    assert found["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 12,
    }
    expected = {
        "created_at": 12,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "safety_identifier": None,
        "user": "u",
        "temperature": 1.0,
        "top_p": 0.5,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "top_logprobs": 0,
        "parallel_tool_calls": True,
        "store": True,
        "background": False,
        "truncation": "disabled",
        "service_tier": "default",
        "tool_choice": "auto",
        "text": {"format": {"type": "json_object"}},
        "metadata": {"a": "b"},
        "reasoning": {"effort": "low", "summary": None},
        "conversation": {"id": "conv_1"},
    }
    assert {name: found[name] for name in expected} == expected


def test_tools_are_listed_as_they_are_and_as_they_are_not() -> None:
    tools = [{"type": "function", "name": "f", "strict": None}, PATCH, AGENTS, {"type": "web_search", "x": {"y": None}}]
    function = {"type": "function", "name": "f", "description": None, "parameters": None, "strict": False}
    answer = started(tools=tools, tool_choice={"type": "custom", "name": "apply_patch"})
    assert answer.to_json()["tools"] == [
        function,
        PATCH,
        {"type": "namespace", "name": "agents", "description": "", "tools": [function | {"name": "spawn"}]},
        {"type": "web_search", "x": {"y": None}, "available": False},
    ]
    assert answer.to_json()["tool_choice"] == {"type": "custom", "name": "apply_patch"}
    Response.model_validate(answer.to_json(), strict=True)


def test_reasoning_is_shown_raw_or_as_a_summary() -> None:
    (raw, _), (summary, _) = (
        output(Reasoning("h"), Reasoning("m"), Text("a")),
        output(Reasoning("h"), Reasoning("m"), Text("a"), reasoning={"summary": "auto"}),
    )
    item = {"id": "rs_100", "type": "reasoning", "status": "completed"}
    assert raw == item | {"summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    assert summary == item | {"summary": [{"type": "summary_text", "text": "hm"}]}


def test_reasoning_is_sealed_once_for_those_who_ask() -> None:
    answer = started(include=["reasoning.encrypted_content"], reasoning={"summary": "auto"})
    events = stream(answer, [Reasoning("hm"), Text("a")])
    added, done = (
        event["item"]
        for event in events
        if event["type"].startswith("response.output_item") and not event["output_index"]
    )
    assert "encrypted_content" not in added
    assert KEY.open(done["encrypted_content"]) == "hm"
    assert events[-1]["response"]["output"][0] == done


def test_calls_are_items_of_the_kind_of_their_tool() -> None:
    deltas: list[Delta] = [Text("so"), CallStart(0, "call_1", "f"), CallArguments(0, "{}")]
    deltas += [CallStart(1, "call_2", "spawn"), CallArguments(1, '{"a'), CallArguments(1, '": 1}')]
    deltas += [CallStart(2, "call_3", "apply_patch"), CallArguments(2, '{"input": "a\\'), CallArguments(2, 'nb"}')]
    _, function, namespaced, custom = output(*deltas, reason="tool_calls")
    status = {"status": "completed"}
    assert function == status | {"id": "fc_101", "type": "function_call", "call_id": "call_1", "name": "f"} | {
        "arguments": "{}"
    }
    assert namespaced["namespace"] == "agents"
    assert (namespaced["name"], namespaced["arguments"]) == ("spawn", '{"a": 1}')
    assert custom == status | {"id": "ctc_103", "type": "custom_tool_call", "call_id": "call_3"} | {
        "name": "apply_patch",
        "input": "a\nb",
    }


def test_a_call_that_was_cut_off_is_incomplete() -> None:
    answer = started(max_output_tokens=5)
    events = stream(answer, [CallStart(0, "call_1", "f"), CallArguments(0, '{"a')], "length")
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert events[-1]["response"]["usage"]["output_tokens"] == 5
    assert answer.output[0]["status"] == "incomplete"
    assert answer.to_json()["completed_at"] is None


def test_no_answer_is_an_empty_message_unless_it_was_cut_off() -> None:
    assert [item["content"][0]["text"] for item in output()] == [""]
    assert output(reason="length") == []
    assert [item["type"] for item in output(Reasoning("hm"), reason="length")] == ["reasoning"]


PARIS = Logprob(TokenLogprob("Paris", b"Paris", -0.1), (TokenLogprob("é", b"\xc3", -3.0),))


def test_logprobs_stand_in_the_deltas_and_in_the_whole() -> None:
    answer = started(include=["message.output_text.logprobs"], top_logprobs=1)
    events = stream(
        answer, [Text("", logprobs=(PARIS,)), Text("Paris", logprobs=(PARIS,)), Text("", logprobs=(PARIS,))]
    )
    figure = {"token": "Paris", "logprob": -0.1, "bytes": [80, 97, 114, 105, 115]}
    figure |= {"top_logprobs": [{"token": "é", "logprob": -3.0, "bytes": [195]}]}
    assert [event["logprobs"] for event in events if event["type"].endswith("text.delta")] == [[figure] * 2, [figure]]
    assert answer.output[0]["content"][0]["logprobs"] == [figure] * 3


def test_figures_of_a_call_are_not_those_of_text() -> None:
    deltas = [CallStart(0, "call_1", "f"), Text("", logprobs=(PARIS,)), CallArguments(0, "{}"), Text("a")]
    assert output(*deltas, top_logprobs=1)[1]["content"][0]["logprobs"] == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineFailed("it died"), "server_error"),
        (RateLimited("wait"), "rate_limit_exceeded"),
        (ContextLengthExceeded("too long", param="messages"), "context_length_exceeded"),
    ],
)
def test_a_failure_is_told_in_both_shapes(error: ApiError, code: str) -> None:
    answer = started()
    events = [*answer.created(), *answer.in_progress(), *answer.feed([Text("a")]), *answer.fail(error)]
    assert kinds(events)[-5:] == ["output_text.done", "content_part.done", "output_item.done", "error", "failed"]
    assert events[-3]["item"]["status"] == "incomplete"
    told, failed = events[-2], events[-1]["response"]
    assert told["error"]["message"] == told["message"] == error.message
    assert told["error"]["type"] == error.type
    assert told["param"] == ("input" if error.param else None)
    assert failed["status"] == "failed"
    assert failed["error"] == {"code": code, "message": error.message}
    assert failed == answer.to_json()
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_a_cancelled_response_keeps_what_it_had() -> None:
    answer = started(background=True)
    events = [*answer.created(), *answer.queued(), *answer.in_progress(), *answer.feed([Text("a")]), *answer.cancel()]
    assert [event["response"]["status"] for event in events if "response" in event] == [
        *("queued", "queued", "in_progress", "cancelled")
    ]
    assert events[-1]["type"] == "response.incomplete"
    assert answer.to_json()["output"][0]["content"][0]["text"] == "a"
    for event in events:
        EVENT.validate_python(event, strict=True)


def test_as_of_now_includes_what_is_open() -> None:
    answer = started()
    answer.feed([Reasoning("hm"), Text("a")])
    assert [item["status"] for item in answer.to_json()["output"]] == ["completed", "in_progress"]
    Response.model_validate(answer.to_json(), strict=True)


def test_the_frame() -> None:
    assert (
        encode({"type": "response.x", "delta": "é\n"})
        == b'event: response.x\ndata: {"type": "response.x", "delta": "\xc3\xa9\\n"}\n\n'
    )
    assert DONE == b"data: [DONE]\n\n"


# Any answer, at any chunking

WORDS = st.text(max_size=4)
SAID = st.builds(Text, WORDS) | st.builds(Text, WORDS, logprobs=st.just((PARIS,)))
THOUGHT = st.builds(Reasoning, st.text(min_size=1, max_size=4))
CALL = st.tuples(
    st.sampled_from(["f", "spawn", "apply_patch", "unknown"]),
    st.dictionaries(st.sampled_from(["input", "x"]), st.text()),
)
FIELDS = st.fixed_dictionaries(
    {
        "reasoning": st.sampled_from([None, {"summary": "auto"}]),
        "include": st.sampled_from([None, ["reasoning.encrypted_content"]]),
    }
)


@st.composite
def answers(draw: st.DrawFn) -> list[Delta]:
    deltas: list[Delta] = []
    calls = 0
    for one in draw(st.lists(SAID | THOUGHT | CALL, max_size=8)):
        if isinstance(one, tuple):
            deltas.append(CallStart(calls, f"call_{calls}", one[0]))
            deltas += [CallArguments(calls, piece) for piece in pieces(json.dumps(one[1]), draw(CUTS))]
            calls += 1
        else:
            deltas.append(one)
    return deltas


CUTS = st.lists(st.integers(0, 99), max_size=4)


def pieces(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(edges) if a < b]


def joined(deltas: Iterable[Delta]) -> list[Delta]:
    return list(choice.joined(list(deltas)))


def unsealed(value: Any) -> Any:
    """Sealing is never twice the same."""
    if isinstance(value, dict):
        return {k: KEY.open(v) if k == "encrypted_content" else unsealed(v) for k, v in value.items()}
    return [unsealed(v) for v in value] if isinstance(value, list) else value


@settings(deadline=None)  # the first example imports half of openai
@given(answers(), FIELDS, st.sampled_from(["stop", "length"]))
def test_any_answer_is_what_the_official_client_reads(deltas: list[Delta], fields: Any, reason: FinishReason) -> None:
    answer = started(**fields)
    events = stream(answer, deltas, reason)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        state.handle_event(EVENT.validate_json(encode(event).partition(b"data: ")[2], strict=True))
    if reason == "stop":
        assert state._completed_response is not None
        assert state._completed_response.output_text == "".join(d.text for d in deltas if isinstance(d, Text))
    nested(events)
    assert events[-1]["response"] == answer.to_json()
    Response.model_validate(answer.to_json(), strict=True)


@settings(deadline=None)
@given(answers(), FIELDS)
def test_any_chunking_gives_the_same_response(deltas: list[Delta], fields: Any) -> None:
    one, other = started(**fields), started(**fields)
    stream(one, deltas)
    stream(other, joined(deltas))
    assert unsealed(one.to_json()) == unsealed(other.to_json())


STEMS = {
    "response.output_text": ("message", "text"),
    "response.reasoning_text": ("reasoning", "text"),
    "response.reasoning_summary_text": ("reasoning", "text"),
    "response.function_call_arguments": ("function_call", "arguments"),
    "response.custom_tool_call_input": ("custom_tool_call", "input"),
}


def nested(events: list[Event]) -> None:
    """Items one after another; the deltas of each are its text as done, in its part, in the item, in the response."""
    done: list[Any] = []
    opened: Event | None = None
    text, whole, part = "", "", ""
    for event in events[2:-1]:
        stem, _, verb = event["type"].rpartition(".")
        assert event["output_index"] == len(done)
        if event["type"] == "response.output_item.added":
            assert opened is None
            opened, text, whole = event["item"], "", "-"
            continue
        assert opened is not None
        if event["type"] == "response.output_item.done":
            assert {k: event["item"].get(k) for k in ("id", "type", "call_id", "name")} == {
                k: opened.get(k) for k in ("id", "type", "call_id", "name")
            }
            assert text == whole == said(event["item"])
            done.append(event["item"])
            opened = None
            continue
        assert event["item_id"] == opened["id"]
        if stem in STEMS:
            assert opened["type"] == STEMS[stem][0]
            text += event.get("delta", "")
            whole = event[STEMS[stem][1]] if verb == "done" else whole
        elif verb == "done":
            part = event["part"]["text"]
            assert part == whole
    assert opened is None
    assert done == events[-1]["response"]["output"]


def said(item: Any) -> str:
    if item["type"] == "reasoning":
        (part,) = item["summary"] or item["content"]
        return str(part["text"])
    if item["type"] == "message":
        return str(item["content"][0]["text"])
    return str(item.get("arguments", item.get("input")))
