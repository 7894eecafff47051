"""Which field of a request a place in the rendered prompt belongs to."""

from __future__ import annotations

import pytest

from mlxtui.parting import field_at
from mlxtui.types import Message, Request, Tool, ToolCall

REQUEST = Request(
    "m",
    messages=(
        Message("system", " Be brief. "),
        Message("user", "Hi"),
        Message("assistant", "Hello", (ToolCall("c1", "look_up", "{}"),), reasoning="A greeting."),
        Message("user", "Hi"),
    ),
    tools=(Tool("look_up", "Looks things up"), Tool("add", "Adds")),
)
TEXT = (
    '<s>system\nBe brief.\n<tools>{"name": "look_up", "description": "Looks things up"}\n{"name": "add"}</tools></s>'
    "<s>user\nHi</s><s>assistant\nHello<call>look_up {}</call></s><s>user\nHi</s><s>assistant\n"
)


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("brief", "messages[0].content"),
        ("Looks", "tools[0]"),
        ('add"', "tools[1]"),
        ("Hello", "messages[2].content"),
        ("look_up {}", "messages[2].tool_calls[0]"),
        ("<s>assistant\nHello", "the template before messages[2].content"),
    ],
)
def test_the_field_at_a_place(place: str, path: str) -> None:
    assert field_at(REQUEST, TEXT, TEXT.index(place)) == path


def test_equal_messages_are_told_apart() -> None:
    assert field_at(REQUEST, TEXT, TEXT.rindex("Hi")) == "messages[3].content"


def test_beyond_the_last_message_is_the_generation_prompt() -> None:
    assert field_at(REQUEST, TEXT, len(TEXT) - 1) == "the template after the last message"
