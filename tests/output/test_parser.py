"""The output parser: every chunking of a text gives the same answer."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui.output.json_call import CallBody, CallEnd, CallHead
from mlxtui.output.parser import OutputParser, Part, RawCall
from mlxtui.types import Channel, Dialect, Reasoning, Text

QWEN = Dialect(think=("<think>", "</think>"), tool=("<tool_call>", "</tool_call>"), tool_syntax="json_tools")
OPEN_ENDED = Dialect(tool=("[TOOL_CALLS]", ""), tool_syntax="mistral")
ARGUMENTS = '{"x": "a</tool_call>\\"b", "y": [{"z": 1}]}'
CALL = '\n{"name": "f", "arguments": ' + ARGUMENTS + "}\n"
READ: list[Part] = [CallHead("f"), CallBody(ARGUMENTS), CallEnd()]
FOREIGN = '{"name": "g", "arguments": {}}'


def joined(parts: list[Part]) -> list[Part]:
    out: list[Part] = []
    for part in parts:
        last = out[-1] if out else None
        if isinstance(part, Text | Reasoning | CallBody) and type(last) is type(part):
            out[-1] = type(part)(last.text + part.text)
        else:
            out.append(part)
    return out


def parse(
    chunks: list[str],
    dialect: Dialect = QWEN,
    *,
    opens_in: Channel = "content",
    tools: Collection[str] = ("f",),
    stop: tuple[str, ...] = (),
    formed: bool = False,
) -> list[Part]:
    parser = OutputParser(dialect, opens_in=opens_in, tools=tools, stop=stop, formed=formed)
    parts = [part for chunk in chunks for part in parser.feed(chunk)]
    return joined(parts + parser.finish())


def call(body: str) -> RawCall:
    return RawCall(body, f"<tool_call>{body}</tool_call>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello", [Text("Hello")]),
        ("Hello \n", [Text("Hello \n")]),
        ("<think>\nhm\n</think>\n\nYes.", [Reasoning("hm"), Text("Yes.")]),
        ("<think>\n\n</think>\n\nYes.", [Text("Yes.")]),
        ("<think>never ends", [Reasoning("never ends")]),
        (f"<tool_call>{CALL}</tool_call>", READ),
        (f"One moment. \n<tool_call>{CALL}</tool_call>\n", [Text("One moment."), *READ]),
        (f"<tool_call>{CALL}</tool_call>\n<tool_call>{{}}</tool_call>", [*READ, call("{}")]),
        (f"<tool_call>{CALL}</tool_call>\n<tool_call>{CALL}</tool_call>", [*READ, *READ]),
        (f"<tool_call>{FOREIGN}</tool_call>", [call(FOREIGN)]),
        (f"<tool_call>{CALL}", READ),
        (f"<tool_call>{CALL}<tool_call>{CALL}</tool_call>", [*READ, *READ]),
        (f"<tool_call>{CALL}\nSo it is.", [*READ, Text("So it is.")]),
        (f'<tool_call>{CALL[:-2]}, "id": "1"}}\n</tool_c', READ),
        ('<tool_call>{"name": "f", "arguments": {"x": "y', [CallHead("f"), CallBody('{"x": "y')]),
        ('<tool_call>{"name": "f", "arguments": "{}"}</tool_call>', [call('{"name": "f", "arguments": "{}"}')]),
        ('<tool_call>{"arguments": {}, "name": "f"}</tool_call>', [call('{"arguments": {}, "name": "f"}')]),
        ('<tool_call>\n{"name": "f", "argu', [Text('<tool_call>\n{"name": "f", "argu')]),
        ("a < b <thin k> <tool", [Text("a < b <thin k> <tool")]),
    ],
)
def test_splits_an_answer_into_its_parts(text: str, expected: list[Part]) -> None:
    assert parse([text]) == expected
    assert parse(list(text)) == expected


def test_without_tools_the_tool_markup_is_text() -> None:
    assert parse(["<tool_call>{}</tool_call>"], tools=()) == [Text("<tool_call>{}</tool_call>")]


def test_a_syntax_without_closing_marker_ends_with_the_text() -> None:
    assert parse(["Hi [TOOL_CALLS]", "[{}]"], OPEN_ENDED) == [Text("Hi"), RawCall("[{}]", " [TOOL_CALLS][{}]")]


def test_a_prompt_that_opens_the_thought_starts_in_reasoning() -> None:
    assert parse(["so", "\n</think>", "\nYes"], opens_in="reasoning") == [Reasoning("so"), Text("Yes")]


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("one two three", ("two",), [Text("one ")]),
        ("one\n\ntwo", ("\n\n",), [Text("one")]),
        ("one tw", ("two",), [Text("one tw")]),
        ("abcd", ("c", "bcx"), [Text("ab")]),
        ("a <", ("<",), [Text("a ")]),  # which might have begun a marker, to the end
        ("a  x<", ("x<",), [Text("a  ")]),
        (f"<tool_call>{CALL} so stop", ("stop",), [*READ, Text("so ")]),
        ("<think>stop</think>go stop", ("stop",), [Reasoning("stop"), Text("go ")]),
        ("go s<tool_call>{}</tool_call>", ("stop",), [Text("go s"), call("{}")]),
    ],
)
def test_stops_cut_content_only(text: str, stop: tuple[str, ...], expected: list[Part]) -> None:
    assert parse([text], stop=stop) == expected
    assert parse(list(text), stop=stop) == expected


K3 = Dialect(
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"), ("<|open|>tools<|sep|>", "<|close|>tools<|sep|>"), "kimi_k3"
)
SPARK = Dialect(tool=("<atem:function_calls>", "</atem:function_calls>"), tool_syntax="muse_spark")
INVOKE = '<atem:invoke name="f"></atem:invoke>'


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        (
            K3,
            "<|open|>think<|sep|>hm<|close|>think<|sep|><|open|>response<|sep|>Yes.<|close|>response<|sep|>"
            "<|open|>tools<|sep|>x<|close|>tools<|sep|><|close|>message<|sep|>",
            [Reasoning("hm"), Text("Yes."), RawCall("x", "<|open|>tools<|sep|>x<|close|>tools<|sep|>")],
        ),
        (
            SPARK,
            "to=self<|message|>hm<|eom|><|start|>assistant to=user<|message|>Yes.<|eot|>",
            [Reasoning("hm"), Text("Yes.")],
        ),
        (
            SPARK,
            "to=commentary<|message|>I look.<|eom|><|start|>assistant to=f<|message|>"
            f"<atem:function_calls>{INVOKE}</atem:function_calls><|eom|>",
            [Text("I look."), RawCall(INVOKE, f"<atem:function_calls>{INVOKE}</atem:function_calls>")],
        ),
        (SPARK, "to=user<|message|>say <atem:function_calls>", [Text("say <atem:function_calls>")]),
        (SPARK, "no header at all", [Text("no header at all")]),
        (SPARK, "to=nobody<|message|>hi", [Text("hi")]),
        (SPARK, "to=nobody<|message|>hi<|eom|><|start|>assistant to=user<|message|>ho", [Text("hiho")]),
        (SPARK, f"I look. <atem:function_calls>{INVOKE}", [Text(f"I look. <atem:function_calls>{INVOKE}")]),
        (SPARK, "to=use", []),
        (SPARK, "to=user<|message|>a<|eom|><|start|>assi", [Text("a")]),
        (SPARK, "", []),
    ],
)
def test_answers_that_are_marked_throughout(dialect: Dialect, text: str, expected: list[Part]) -> None:
    assert parse([text], dialect) == expected
    assert parse(list(text), dialect) == expected


def test_arguments_come_as_they_are_written() -> None:
    parser = OutputParser(QWEN, tools=["f"])
    assert parser.feed('<tool_call>{"name": "f", "argum') == []
    assert parser.feed('ents": {"x": ') == [CallHead("f"), CallBody('{"x": ')]
    assert parser.feed('"one \\') == [CallBody('"one ')]
    assert parser.feed('"two"}, ') == [CallBody('\\"two"}'), CallEnd()]


@pytest.mark.parametrize("before", ["", " \n", "<think>hm</think>\n\n", "<think></think>"])
@pytest.mark.parametrize("size", [1, 2, 7, 100])
@pytest.mark.parametrize("dialect", [QWEN, Dialect(think=("[THINK]", "[/THINK]"), tool=("[TOOL_CALLS]", ""))])
def test_markers_in_the_strings_of_an_answer_in_json_are_text(dialect: Dialect, size: int, before: str) -> None:
    said = '["<think>", "</think>", "<tool_call>x</tool_call>", "[THINK]", "[TOOL_CALLS]"]'
    begin, end = dialect.think or ("", "")
    text = before.replace("<think>", begin).replace("</think>", end) + said
    parts = parse([text[i : i + size] for i in range(0, len(text), size)], dialect, formed=True)
    expected: list[Part] = [Text(said if "think" in before else before + said)]
    assert parts == ([Reasoning("hm"), *expected] if "hm" in before else expected)


def test_an_answer_that_may_be_json_may_be_a_call() -> None:
    assert parse([f" <tool_call>{CALL}</tool_call>"], formed=True) == READ


def test_a_stop_is_known_at_once() -> None:
    parser = OutputParser(QWEN, stop=("END",))
    assert parser.feed("textEN") == [Text("text")]
    assert parser.feed("D and more") == []
    assert parser.stopped


PARTS = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<tool_call>",
        "</tool_call>",
        CALL,
        "<",
        "\n",
        " ",
        "the end",
        "e",
        "👩‍💻",
        "日本",
        *("<|open|>tools<|sep|>", "<|close|>tools<|sep|>", "<|open|>response<|sep|>"),
        *("to=user<|message|>", "to=self<|message|>", "to=f<|message|>", "<|eom|>", "<|start|>assistant "),
        '"',
        "\\",
    ]
)


@given(
    words=st.lists(PARTS | st.text(max_size=4), max_size=12),
    cuts=st.lists(st.integers(0, 200), max_size=12),
    stop=st.lists(st.sampled_from(["end", "e", "\n", "the end", "nd<"]), max_size=3, unique=True),
    tools=st.sampled_from([(), ("f",), ("g",)]),
    opens_in=st.sampled_from(["content", "reasoning"]),
    dialect=st.sampled_from([QWEN, K3, SPARK]),
)
def test_any_chunking_gives_the_same_parts(
    words: list[str], cuts: list[int], stop: list[str], tools: tuple[str, ...], opens_in: Channel, dialect: Dialect
) -> None:
    text = "".join(words)
    edges = sorted({0, len(text), *(at for at in cuts if at < len(text))})
    chunks = [text[a:b] for a, b in pairwise(edges)]
    whole = parse([text], dialect, stop=tuple(stop), tools=tools, opens_in=opens_in)
    assert parse(chunks, dialect, stop=tuple(stop), tools=tools, opens_in=opens_in) == whole


@given(st.text(), st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=4))
def test_a_stop_never_shows(text: str, stop: list[str]) -> None:
    shown = "".join(p.text for p in parse(list(text), Dialect(), stop=tuple(stop)) if isinstance(p, Text))
    assert text.startswith(shown)
    assert not any(s in shown for s in stop)
