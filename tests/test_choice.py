"""One choice: how it ends, where its text alone does not say."""

from __future__ import annotations

import asyncio

from mlxtui.choice import Choice, joined
from mlxtui.engine.interface import ParsedCall, Piece
from mlxtui.types import CallArguments, CallStart, Delta, Dialect, Logprob, Reasoning, Request, Text, TokenLogprob, Tool

THINKING = Dialect(think=("<think>", "</think>"))


async def no_calls(body: str, tools: tuple[Tool, ...]) -> tuple[ParsedCall, ...]:
    return ()


def read(pieces: list[Piece], stop: str) -> tuple[list[Delta], str | None]:
    choice = Choice(0, Request("m", stop=(stop,)), THINKING, "content", no_calls)
    deltas = [delta for piece in pieces for delta in asyncio.run(choice.read(piece))]
    return deltas, choice.finish


def test_a_stop_that_shows_only_at_the_last_token_is_one() -> None:
    assert read([Piece("j", "a<", (1,), finish="length")], "<") == ([Text("a")], "stop")


def test_what_only_begins_like_a_stop_is_text() -> None:
    assert read([Piece("j", "a<", (1,), finish="length")], "<b") == ([Text("a"), Text("<")], "length")


def test_only_neighbouring_text_of_one_channel_choice_and_call_is_joined() -> None:
    said = tuple(Logprob(TokenLogprob(text, text.encode(), -1.0)) for text in "ab")
    start, call = CallStart(0, "call_1", "f"), CallArguments(0, "{")
    apart = [Reasoning("hm"), Text("ab", 0, said), Text("c", 1), start, start, call, CallArguments(1, "}")]
    parts = [
        *(Reasoning("h"), Reasoning("m"), Text("a", 0, said[:1]), Text("b", 0, said[1:]), Text("c", 1)),
        *(start, start, CallArguments(0, ""), call, CallArguments(1, "}")),
    ]
    assert [*joined(parts)] == [*joined(apart)] == apart


def test_joining_a_long_answer_copies_its_text_once() -> None:
    """It happens between the tokens of all other streams. A string that counts what it is added to tells."""

    class Counted(str):
        added = 0

        def __add__(self, other: str) -> Counted:
            Counted.added += 1
            return Counted(str.__add__(self, other))

    assert [*joined([Text(Counted("word "))] * 1000)] == [Text("word " * 1000)]
    assert Counted.added == 0
