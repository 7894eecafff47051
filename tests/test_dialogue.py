"""What becomes of a conversation, and what of it the model gets to see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlxtui import dialogue
from mlxtui.dialogue import Conversation, Figures, Setup, Turn
from mlxtui.errors import UserError
from mlxtui.types import ToolCall

CALLS = (ToolCall("c1", "time", "{}"), ToolCall("c2", "weather", '{"city": "Oslo"}'))


def talk(*turns: Turn, **more: Any) -> Conversation:
    return Conversation("id", 1.0, turns=turns, **more)


def question(text: str) -> Turn:
    return Turn("user", text)


def answer(text: str = "", **more: Any) -> Turn:
    return Turn("assistant", text, **({"ended": "stop"} | more))


def test_a_question_is_the_models_turn_until_it_is_answered() -> None:
    asked = dialogue.said(talk(), "Hi", 2.0)
    assert (asked.turns, asked.changed) == ((question("Hi"),), 2.0)
    assert dialogue.waiting(asked)
    done = dialogue.answered(asked, answer("Hello"), 3.0)
    assert not dialogue.waiting(done)
    assert not dialogue.waiting(talk())
    assert [m["role"] for m in dialogue.messages(done)] == ["user", "assistant"]


def test_each_open_call_is_answered_in_its_turn_before_the_model_goes_on() -> None:
    called = talk(question("What?"), answer(calls=CALLS, ended="tool_calls", reasoning="hm"))
    assert dialogue.unanswered(called) == CALLS
    one = dialogue.said(called, "12:00", 2.0)
    assert dialogue.unanswered(one) == CALLS[1:]
    assert not dialogue.waiting(one)
    both = dialogue.said(one, "rain", 3.0)
    assert dialogue.waiting(both)
    assert dialogue.messages(both)[1:] == [
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "time", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "12:00"},
        {"role": "tool", "tool_call_id": "c2", "content": "rain"},
    ]


def test_calls_of_an_answer_that_was_cut_off_are_neither_asked_for_nor_sent() -> None:
    cut = talk(question("What?"), answer("Let me", calls=CALLS, ended="length"))
    assert dialogue.unanswered(cut) == ()
    assert dialogue.messages(cut)[1] == {"role": "assistant", "content": "Let me"}


def test_a_question_that_only_got_an_error_is_not_sent_again_with_the_next_one() -> None:
    failed = talk(question("one"), answer("1"), question("two"), answer(trouble="boom", ended="failed"))
    said = [m["content"] for m in dialogue.messages(dialogue.said(failed, "three", 2.0))]
    assert said == ["one", "1", "three"]
    retried = dialogue.retried(failed, 2.0)
    assert [m["content"] for m in dialogue.messages(retried)] == ["one", "1", "two"]


def test_a_tool_result_outlives_a_failed_answer_to_it() -> None:
    turns = (question("?"), answer(calls=CALLS[:1], ended="tool_calls"), Turn("tool", "12:00", call="c1"))
    failed = talk(*turns, answer(ended="failed"))
    assert [m["role"] for m in dialogue.messages(failed)] == ["user", "assistant", "tool"]
    assert dialogue.retried(failed, 2.0).turns == turns


def test_editing_takes_back_the_last_question_and_all_that_came_of_it() -> None:
    turns = (question("one"), answer("1"), question("two"), answer(calls=CALLS, ended="tool_calls"))
    assert dialogue.edited(talk(*turns), 2.0) == (replace(talk(*turns[:2]), changed=2.0), "two")
    assert dialogue.edited(talk(), 2.0) == (talk(), "")


def test_a_conversation_is_called_what_it_was_begun_with_unless_it_has_a_name() -> None:
    assert talk().title == "new conversation"
    assert talk(question("  Why?\nBecause")).title == "Why?"
    assert len(talk(question("x" * 99)).title) == dialogue.TITLE
    assert talk(question("Why?"), name="Causes").title == "Causes"


def test_the_request_carries_the_setup_and_nothing_that_was_not_said() -> None:
    plain = dialogue.request(talk(question("Hi")), "m")
    assert plain == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    tool = {"type": "function", "function": {"name": "time"}}
    setup = Setup("Be brief.", 0.0, 0.5, 9, 0, (tool,))
    full = dialogue.request(talk(question("Hi"), setup=setup), "m")
    assert full["messages"][0] == {"role": "system", "content": "Be brief."}
    said = {name: full[name] for name in ("temperature", "top_p", "max_tokens", "seed", "tools")}
    assert said == {"temperature": 0.0, "top_p": 0.5, "max_tokens": 9, "seed": 0, "tools": [tool]}


EMPTY = {"system": "", "temperature": "", "top_p": "", "max_tokens": "", "seed": "", "tools": ""}


def test_a_form_becomes_a_setup() -> None:
    assert dialogue.setup_from(EMPTY) == Setup()
    tools = '{"name": "a"}'
    given = {"system": " Hi ", "temperature": "0.5", "top_p": "1", "max_tokens": "7", "seed": "0", "tools": tools}
    assert dialogue.setup_from(given) == Setup("Hi", 0.5, 1.0, 7, 0, ({"type": "function", "function": {"name": "a"}},))
    wire = '[{"type": "function", "function": {"name": "b"}}]'
    assert dialogue.setup_from(EMPTY | {"tools": wire}).tools[0]["function"] == {"name": "b"}


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("temperature", "hot", "temperature is a number from 0 to 2, not 'hot'"),
        ("temperature", "nan", "temperature is a number"),
        ("top_p", "1.1", "from 0 to 1"),
        ("max_tokens", "0", "max_tokens is a whole number"),
        ("seed", "1.5", "seed is a whole number"),
        ("tools", "{", "tools is no JSON"),
        ("tools", '[{"name": NaN}]', "tools is no JSON"),
        ("tools", '[{"name": "\\ud800"}]', "tools is no JSON"),
        ("tools", "7", "tools is a JSON list like"),
        ("tools", "[[]]", "tools is a JSON list like"),
        ("tools", '[{"function": "x"}]', "tools is a JSON list like"),
    ],
)
def test_what_is_wrong_in_a_form_is_named(field: str, text: str, said: str) -> None:
    with pytest.raises(UserError, match="is") as caught:
        dialogue.setup_from(EMPTY | {field: text})
    assert said in str(caught.value)


def test_half_characters_never_get_in() -> None:
    assert dialogue.said(talk(), "a\ud800", 1.0).turns[0].content == "a?"


def test_rate_and_share_are_only_told_where_they_mean_something() -> None:
    assert Figures().rate is None
    assert Figures(out=1, seconds=1.0).rate is None
    assert Figures(out=9, seconds=0.0).rate is None
    assert Figures(out=9, seconds=2.0).rate == 4.0
    assert Figures(prompt=0, cached=0).cached_share is None
    assert Figures(prompt=4, cached=1).cached_share == 0.25
