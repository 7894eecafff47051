"""The chat API's answers, held against the official client's own types and accumulator."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai._models import validate_type
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from mlxtui.api.chat_answer import ChatAnswer, ChatStream
from mlxtui.api.stream import DONE
from mlxtui.errors import EngineFailed
from mlxtui.settings import REASONING_KEYS
from mlxtui.types import (
    CallArguments,
    CallStart,
    Delta,
    Finish,
    Logprob,
    Reasoning,
    Started,
    Text,
    Timings,
    TokenLogprob,
    Usage,
)

USAGE = Usage(prompt_tokens=7, cached_tokens=3, completion_tokens=5, reasoning_tokens=2)
CALL: list[Delta] = [CallStart(0, "call_1", "f"), CallArguments(0, '{"x": "</tool_call>"}')]
CALLS: list[Delta] = [*CALL, CallStart(1, "call_2", "g"), CallArguments(1, "{}")]
stream = partial(ChatStream, reasoning_keys=REASONING_KEYS["both"])


def answer(deltas: list[Delta]) -> dict[str, Any]:
    collected = ChatAnswer(REASONING_KEYS["both"])
    collected.feed(deltas)
    return collected.to_json("chatcmpl-1", 12, "m")


def events(deltas: list[Delta], *, include_usage: bool = False, choices: int = 1) -> list[Any]:
    raw = stream("chatcmpl-1", 12, 'm"', include_usage=include_usage, choices=choices).encode(deltas)
    assert raw.endswith(b"\n\n" + DONE.encode())
    frames = raw.decode().split("\n\n")
    assert frames.pop() == ""
    assert frames.pop() == "data: [DONE]"
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


def finished(*deltas: Delta, reason: Any = "stop") -> list[Delta]:
    return [Started(7), *deltas, Finish(reason, USAGE, Timings())]


def test_text_reasoning_and_usage_stand_where_clients_look() -> None:
    body = answer(finished(Reasoning("hm"), Text("a"), Text("b")))
    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "ab",
        "refusal": None,
        "reasoning_content": "hm",
        "reasoning": "hm",
    }
    assert body["usage"]["total_tokens"] == 12
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}
    assert body["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}


def test_calls_have_null_content_and_string_arguments() -> None:
    message = answer(finished(*CALLS, reason="tool_calls"))["choices"][0]["message"]
    assert message["content"] is None
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"x": "</tool_call>"}', "{}"]
    assert "reasoning" not in message


def test_the_role_comes_once_and_the_finish_once() -> None:
    chunks = events(finished(Text("a"), Text("b")))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [("role" in delta) for delta in deltas] == [True, False, False, False]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert deltas[-1] == {}


def test_usage_comes_in_one_last_chunk_only_when_asked() -> None:
    assert all("usage" not in chunk for chunk in events(finished(Text("a"))))
    chunks = events(finished(Text("a")), include_usage=True)
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["prompt_tokens"] == 7


PARIS = Logprob(
    TokenLogprob("Paris", b"Paris", -0.1), (TokenLogprob("Paris", b"Paris", -0.1), TokenLogprob("é", b"\xc3", -3.0))
)


def test_logprobs_are_the_same_streamed_and_not() -> None:
    deltas = finished(Text("Par", logprobs=(PARIS,)), Text("is"))
    expected = {
        "token": "Paris",
        "logprob": -0.1,
        "bytes": [80, 97, 114, 105, 115],
        "top_logprobs": [
            {"token": "Paris", "logprob": -0.1, "bytes": [80, 97, 114, 105, 115]},
            {"token": "é", "logprob": -3.0, "bytes": [195]},
        ],
    }
    assert answer(deltas)["choices"][0]["logprobs"] == {"content": [expected], "refusal": None}
    assert events(deltas)[1]["choices"][0]["logprobs"] == {"content": [expected], "refusal": None}


def test_choices_are_kept_apart_and_the_last_one_ends_the_stream() -> None:
    one, two = Finish("stop", USAGE, Timings()), Finish("length", USAGE, Timings(), choice=1)
    deltas: list[Delta] = [Started(7), Text("a"), Text("b", 1), two, Text("c"), one]
    whole = answer(deltas)["choices"]
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in whole] == [
        (0, "ac", "stop"),
        (1, "b", "length"),
    ]
    chunks = events(deltas, include_usage=True, choices=2)
    assert [c["choices"][0]["index"] for c in chunks[:-1]] == [0, 1, 0, 1, 1, 0, 0]
    assert [c["choices"][0]["delta"].get("role") for c in chunks[:2]] == ["assistant", "assistant"]
    assert chunks[-1]["choices"] == []


def test_a_failure_is_an_event_of_its_own() -> None:
    raw = stream("chatcmpl-1", 12, "m", include_usage=False).error(EngineFailed("it died"))
    error, end = raw.decode().removesuffix("\n\n").split("\n\n")
    assert (
        json.loads(error.removeprefix("data: "))["error"] | {"message": "it died"}
        == EngineFailed("it died").body()["error"]
    )
    assert end == "data: [DONE]"


DELTAS = st.lists(st.builds(Text, st.text(min_size=1)) | st.builds(Reasoning, st.text(min_size=1)), max_size=6)


@given(DELTAS, st.booleans(), st.booleans())
def test_the_official_accumulator_rebuilds_the_whole_answer(texts: list[Delta], calls: bool, usage: bool) -> None:
    deltas = finished(*texts, *(CALLS if calls else []), reason="tool_calls" if calls else "stop")
    whole = answer(deltas)
    validate_type(type_=ChatCompletion, value=whole)
    state = ChatCompletionStreamState()
    for chunk in events(deltas, include_usage=usage):
        state.handle_chunk(validate_type(type_=ChatCompletionChunk, value=chunk))
    rebuilt = state.get_final_completion()
    message, expected = rebuilt.choices[0].message, whole["choices"][0]["message"]
    assert (message.content or "") == (expected["content"] or "")
    assert [
        c.model_dump(exclude={"function": {"parsed_arguments"}, "index": True}) for c in message.tool_calls or []
    ] == (expected.get("tool_calls", []))
    assert rebuilt.choices[0].finish_reason == whole["choices"][0]["finish_reason"]
    assert (rebuilt.usage.to_dict() if rebuilt.usage else None) == (whole["usage"] if usage else None)
