"""gpt-oss's Harmony format: every chunking of a text gives the same answer."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui.output.harmony import HarmonyParser
from mlxtui.output.json_call import CallBody, CallEnd, CallHead
from mlxtui.output.parser import Part
from mlxtui.types import Reasoning, Text
from tests.output.test_parser import joined

THOUGHT = "<|channel|>analysis<|message|>The user greets.<|end|>"
ARGUMENTS = '{"city": "Oslo"}'


def parse(chunks: list[str], stop: tuple[str, ...] = ()) -> list[Part]:
    parser = HarmonyParser(["get_weather"], stop)
    parts = [part for chunk in chunks for part in parser.feed(chunk)]
    return joined(parts + parser.finish())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"{THOUGHT}<|start|>assistant<|channel|>final<|message|>Hello!<|return|>",
            [Reasoning("The user greets."), Text("Hello!")],
        ),
        (
            f"{THOUGHT}<|start|>assistant<|channel|>final<|message|>Hello!",
            [Reasoning("The user greets."), Text("Hello!")],
        ),
        (
            f"<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{ARGUMENTS}<|call|>",
            [CallHead("get_weather"), CallBody(ARGUMENTS), CallEnd()],
        ),
        (
            f"<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{ARGUMENTS}",
            [CallHead("get_weather"), CallBody(ARGUMENTS), CallEnd()],
        ),
        (
            f"<|channel|>analysis to=functions.get_weather code<|message|>{ARGUMENTS}<|call|>",
            [CallHead("get_weather"), CallBody(ARGUMENTS), CallEnd()],
        ),
        (
            f" to=functions.get_weather<|channel|>commentary json<|message|>{ARGUMENTS}<|call|>",
            [CallHead("get_weather"), CallBody(ARGUMENTS), CallEnd()],
        ),
        (
            '<|channel|>commentary to=functions.get_weather<|message|>{"city": "Os',
            [CallHead("get_weather"), CallBody('{"city": "Os')],
        ),
        (
            f"<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant<|channel|>commentary "
            f"to=functions.get_weather<|message|>{ARGUMENTS}<|call|>",
            [Text("I will look."), CallHead("get_weather"), CallBody(ARGUMENTS), CallEnd()],
        ),
        ("<|channel|>commentary to=browser.open<|message|>{}<|call|>", [Text("{}")]),
        ("<|channel|>analysis<|message|>cut off", [Reasoning("cut off")]),
        (f"{THOUGHT}<|start|>assistant<|channel|>fin", [Reasoning("The user greets.")]),
        (f"{THOUGHT}<|start|>assistant", [Reasoning("The user greets.")]),
        (f"{THOUGHT}<|start|>assi", [Reasoning("The user greets.")]),
        (f"{THOUGHT}no header", [Reasoning("The user greets."), Text("no header")]),
        (
            f"<|channel|>commentary to=functions.get_weather<|message|>{ARGUMENTS}<|call|><|start|>assistant",
            [CallHead("get_weather"), CallBody(ARGUMENTS), CallEnd()],
        ),
        (
            "<|channel|>analysis<|message|>no end<|start|>assistant<|channel|>final<|message|>x",
            [Reasoning("no end"), Text("x")],
        ),
        ("no channel at all", [Text("no channel at all")]),
        ("", []),
    ],
)
def test_messages_become_parts(text: str, expected: list[Part]) -> None:
    assert parse([text]) == expected
    assert parse(list(text)) == expected


def test_stops_cut_the_final_channel_only() -> None:
    text = "<|channel|>analysis<|message|>a STOP b<|end|><|start|>assistant<|channel|>final<|message|>c STOP d"
    assert parse(list(text), stop=("STOP",)) == [Reasoning("a STOP b"), Text("c ")]


WORDS = st.sampled_from(
    ["<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>", "assistant", "analysis", "final"]
)


@given(
    words=st.lists(WORDS | st.sampled_from(["commentary to=functions.get_weather", ARGUMENTS]) | st.text(max_size=3)),
    cuts=st.lists(st.integers(0, 300), max_size=12),
    stop=st.lists(st.sampled_from(["a", "ss", "<|", "Oslo"]), max_size=2, unique=True),
)
def test_any_chunking_gives_the_same_parts(words: list[str], cuts: list[int], stop: list[str]) -> None:
    text = "".join(words)
    edges = sorted({0, len(text), *(at for at in cuts if at < len(text))})
    chunks = [text[a:b] for a, b in pairwise(edges)]
    assert parse(chunks, tuple(stop)) == parse([text], tuple(stop))
