"""Scoring tells right from wrong and well-formed thinking from stray tags."""

from __future__ import annotations

from tools.tiny.scoring import score
from tools.tiny.talk import Call, Conversation, calls, says, user

FACT = Conversation((user("?"), says("It is Paris.")), check="contains", key="Paris")
CALLED = Conversation((user("?"), calls(Call("add", {"a": 1}))), check="calls")
ADD = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'


def test_contains() -> None:
    assert score(FACT, "Paris, of course").right
    assert not score(FACT, "London").right


def test_calls_must_be_the_same() -> None:
    assert score(CALLED, ADD).right
    assert not score(CALLED, ADD.replace("1", "2")).right
    assert not score(CALLED, f"{ADD}\n{ADD}").right
    assert not score(CALLED, ADD.replace("}}", "}")).right


def test_thinking() -> None:
    got = score(FACT, "<think>\nIt is Paris.\n</think>\n\nParis")
    assert got.right
    assert got.thought
    assert not score(FACT, "<think>\nIt is Paris.").formed
    assert not score(FACT, "Paris</think>").formed


def test_a_thought_is_not_an_answer() -> None:
    assert not score(FACT, "<think>\nParis\n</think>\n\nI do not know").right


def test_no_thought_where_thinking_is_off() -> None:
    off = Conversation(FACT.messages, mode="off", check="contains", key="Paris")
    assert not score(off, "<think>\nx\n</think>\n\nParis").formed
