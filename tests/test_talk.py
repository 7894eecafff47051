"""An answer as it streams in: the same whatever pieces it comes in, and nothing a server sends breaks it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlxtui.dialogue import Figures
from mlxtui.talk import Reply
from mlxtui.types import ToolCall

USAGE = {"prompt_tokens": 40, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 30}}


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None}


def call(index: int, id: str | None = None, name: str | None = None, arguments: str | None = None) -> dict[str, Any]:
    return chunk(tool_calls=[{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}])


def reply(*chunks: Any, asked: float = 10.0) -> Reply:
    """One chunk a second."""
    found = Reply(asked)
    for second, each in enumerate(chunks, 1):
        found.take(each, asked + second)
    return found


def test_text_reasoning_calls_usage_and_times() -> None:
    whole = reply(
        chunk(role="assistant", content=""),
        chunk(reasoning_content="hm", reasoning="hm"),
        chunk(content="Hel"),
        chunk(content="lo"),
        call(0, "c0", "time", ""),
        call(1, "c1", "weather", '{"city"'),
        call(1, arguments=': "Oslo"}'),
        chunk("tool_calls"),
        {"choices": [], "usage": USAGE},
    )
    turn = whole.turn()
    assert (turn.content, turn.reasoning, turn.ended) == ("Hello", "hm", "tool_calls")
    assert turn.calls == (ToolCall("c0", "time", ""), ToolCall("c1", "weather", '{"city": "Oslo"}'))
    assert turn.figures == Figures(prompt=40, cached=30, out=9, ttft=2.0, seconds=5.0)


@given(st.text(), st.text(), st.lists(st.integers(0, 60), max_size=8))
def test_any_cut_gives_the_same(content: str, arguments: str, cuts: list[int]) -> None:
    def pieces(text: str) -> list[str]:
        ends = sorted({min(cut, len(text)) for cut in cuts} | {len(text)})
        return [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]

    chunks = [chunk(content=piece) for piece in pieces(content)]
    chunks += [call(0, "c", "f"), *(call(0, arguments=piece) for piece in pieces(arguments))]
    turn = reply(*chunks).turn()
    assert (turn.content, turn.calls) == (content, (ToolCall("c", "f", arguments),))


def test_an_error_in_the_stream_is_the_end_and_keeps_what_there_was() -> None:
    turn = reply(chunk(content="Hel"), {"error": {"message": "the engine died"}}).turn()
    assert (turn.content, turn.ended, turn.trouble) == ("Hel", "failed", "the engine died")
    assert reply({"error": "boom"}).turn().trouble == "boom"


def test_stopping_is_the_end_unless_it_had_ended() -> None:
    cut, whole = reply(chunk(content="x")), reply(chunk("stop", content="x"))
    assert cut.turn().ended == ""
    cut.stop()
    whole.stop()
    assert (cut.turn().ended, whole.turn().ended) == ("stopped", "stop")


def test_calls_without_an_id_get_one() -> None:
    assert reply(chunk(tool_calls=[{"function": {"name": "f", "arguments": "{}"}}])).turn().calls[0].id == "call_0"


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "tool_calls", "function", "index", "usage", "error", "name"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["choices", "usage", "error"]), ODD))
def test_nothing_a_server_sends_breaks_it(odd: dict[str, Any]) -> None:
    found = reply(odd, chunk(content="x"), chunk(content="\ud800"))
    assert found.turn().content.endswith("x?")
