"""tools/prove_constraints.py on a small scale: a weak model at temperature 1 is held to a schema every single time."""

from __future__ import annotations

import asyncio
import json

import pytest
from openai.types.chat import ChatCompletion

from tests.e2e.server import Server
from tools.prove_constraints import CLAIMS, Claim, fault, prove, record


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_every_answer_keeps_to_what_was_asked(claim: Claim, server: Server) -> None:
    assert asyncio.run(prove(claim, server.url, times=10)) == []


def answer(content: str | None, finish: str = "stop", **call: str) -> ChatCompletion:
    made = [{"id": "c", "type": "function", "function": call}] if call else None
    message = {"role": "assistant", "content": content, "tool_calls": made}
    choices = [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}]
    whole = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": choices}
    return ChatCompletion.model_validate(whole)


CONTENT = Claim("content", {}, {"": record(a={"type": "integer"})})
CALL = Claim("call", {}, {"f": record(a={"type": "integer"})})


@pytest.mark.parametrize(
    ("claim", "said", "kind"),
    [
        (CONTENT, answer('{"a": 1}'), None),
        (CONTENT, answer('{"a": 1'), "no JSON"),
        (CONTENT, answer('{"a": "1"}'), "does not fit"),
        (CONTENT, answer('{"a": 1}', "length"), "cut off"),
        (CALL, answer(None, name="f", arguments='{"a": 1}'), None),
        (CALL, answer(None, name="f", arguments="{}"), "does not fit"),
        (CALL, answer(None, name="g", arguments='{"a": 1}'), "no call"),
        (CALL, answer('{"a": 1}'), "no call"),
    ],
)
def test_the_judge_sees_every_kind_of_fault(claim: Claim, said: ChatCompletion, kind: str | None) -> None:
    why = fault(claim, said)
    assert why is None if kind is None else (why or "").startswith(kind)


@pytest.mark.parametrize("marker", ["<think>", "</think>", "<tool_call>"])
def test_a_schema_may_want_the_letters_of_a_marker(marker: str, server: Server) -> None:
    schema = {"type": "object", "properties": {"tag": {"const": marker}}, "required": ["tag"]}
    got = server.client().chat.completions.create(
        model="mlxtui-tiny",
        messages=[{"role": "user", "content": "Name a tag."}],
        response_format={"type": "json_schema", "json_schema": {"name": "tag", "schema": schema, "strict": True}},
        extra_body={"reasoning_budget": 2},
    )
    assert json.loads(got.choices[0].message.content or "") == {"tag": marker}
