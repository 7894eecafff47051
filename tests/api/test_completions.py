"""The completions API's wire: which bodies are taken, and answers held against the official client's own types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai._models import validate_type
from openai.types import Completion

from mlxtui.api.completions import CompletionAnswer, CompletionStream, parse_completion, to_request
from mlxtui.errors import InvalidRequest
from mlxtui.types import Delta, Finish, Logprob, Request, Started, Text, TextPrompt, Timings, TokenLogprob, Usage

USAGE = Usage(prompt_tokens=3, completion_tokens=2)


def parsed(**fields: Any) -> Request:
    return to_request(parse_completion({"model": "m", "prompt": "once"} | fields))


def test_prompts_are_text_or_tokens_one_or_many() -> None:
    assert parsed() == Request(model="m", texts=(TextPrompt("once"),), max_tokens=16)
    assert parsed(prompt=["a", "b"]).texts == (TextPrompt("a"), TextPrompt("b"))
    assert parsed(prompt=[1, 2]).texts == (TextPrompt((1, 2)),)
    assert parsed(prompt=[[1, 2], [3]]).texts == (TextPrompt((1, 2)), TextPrompt((3,)))
    assert parsed(suffix="end").texts == (TextPrompt("once", "end"),)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": [[-1]]}, "prompt"),
        ({"prompt": ["a", [1], {}]}, "prompt"),
        ({"logprobs": 6}, "logprobs"),
        ({"echo": True, "logprobs": 1}, "echo"),
        ({"prompt": [1], "suffix": "x"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_what_can_not_be_honoured_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(**fields)
    assert (caught.value.param or "").startswith(param)


PROBABLE = Logprob(TokenLogprob("é", b"\xc3\xa9", -0.5), (TokenLogprob("é", b"\xc3\xa9", -0.5),))
DELTAS: list[Delta] = [
    Started(3),
    Text("é", logprobs=(PROBABLE,)),
    Text("x", 1),
    Finish("length", USAGE, Timings(), 1),
    Text("!", logprobs=(PROBABLE,)),
    Finish("stop", USAGE, Timings()),
]


def test_streamed_and_whole_answers_agree() -> None:
    answer = CompletionAnswer(2, ["once "])
    answer.feed(DELTAS)
    whole = answer.to_json("cmpl-1", 12, "m")
    validate_type(type_=Completion, value=whole)
    assert [(c["text"], c["finish_reason"]) for c in whole["choices"]] == [("once é!", "stop"), ("once x", "length")]
    assert whole["choices"][0]["logprobs"] == {
        "tokens": ["é", "é"],
        "token_logprobs": [-0.5, -0.5],
        "top_logprobs": [{"é": -0.5}, {"é": -0.5}],
        "text_offset": [0, 1],
    }
    raw = CompletionStream("cmpl-1", 12, "m", include_usage=True, choices=2, echoes=["once "]).encode(DELTAS)
    *frames, done, nothing = raw.decode().split("\n\n")
    assert (done, nothing) == ("data: [DONE]", "")
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    for chunk in chunks:  # OpenAI's own chunks have a null finish_reason, which its client's type does not know
        choices = [choice | {"finish_reason": choice["finish_reason"] or "stop"} for choice in chunk["choices"]]
        validate_type(type_=Completion, value=chunk | {"choices": choices})
    assert chunks.pop()["usage"] == whole["usage"]
    for index, choice in enumerate(whole["choices"]):
        mine = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == index]
        assert "".join(c["text"] for c in mine) == choice["text"]
        assert [c["finish_reason"] for c in mine if c["finish_reason"]] == [choice["finish_reason"]]
    offsets = [c["choices"][0]["logprobs"]["text_offset"] for c in chunks if c["choices"][0]["logprobs"]]
    assert offsets == [[0], [1]]


def test_without_likely_others_there_is_no_list_of_nulls() -> None:
    """`logprobs: 0` asks for the drawn tokens' only; the official type knows a list of objects, or null."""
    alone = Logprob(PROBABLE.drawn)
    answer = CompletionAnswer(1)
    answer.feed([Started(3), Text("é", logprobs=(alone,)), Finish("stop", USAGE, Timings())])
    whole = answer.to_json("cmpl-1", 12, "m")
    validate_type(type_=Completion, value=whole)
    assert whole["choices"][0]["logprobs"]["top_logprobs"] is None
