"""One choice: how it ends, where its text alone does not say."""

from __future__ import annotations

import asyncio

from mlxtui.choice import Choice
from mlxtui.engine.interface import ParsedCall, Piece
from mlxtui.types import Delta, Dialect, Request, Text, Tool

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
