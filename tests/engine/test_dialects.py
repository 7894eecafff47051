"""All tool syntaxes of mlx-lm, each in its own words, through our output parser and the worker's `parse_calls`.

Whatever the chunks, the same calls and the same text come out; text that is no whole call of an offered tool is never
one. `test_prompt` has the same for JSON.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise
from pathlib import Path
from time import process_time
from typing import Any, cast

import mlx_lm.tool_parsers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm.utils import load_tokenizer

from mlxtui.choice import Choice
from mlxtui.engine.interface import ParsedCall, Piece
from mlxtui.engine.wire import ParseCalls
from mlxtui.engine.worker.dialects import SYNTAXES
from mlxtui.engine.worker.model import dialect
from mlxtui.engine.worker.prompt import parse_calls
from mlxtui.output.closing import VALUES
from mlxtui.output.parser import OutputParser, Part
from mlxtui.types import CallArguments, CallStart, Channel, Delta, Message, Reasoning, Request, Text, Tool
from tests.engine.tiny_models import write_tokenizer
from tests.output.test_parser import joined

WEATHER = Tool(
    "get_weather",
    "",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "metric": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    },
)
NOW = Tool("now", "", {"type": "object", "properties": {}})
TOOLS = (WEATHER, NOW)
Arguments = dict[str, Any]
Calls = list[tuple[str, Arguments]]
Tokenizers = Callable[[str], Any]
NESTED = functools.reduce(lambda inner, _: [inner], range(400), cast(Any, 1))


@dataclass(frozen=True)
class Writer:
    """Writes calls as the models of one syntax do; `open` and `close` are put around each call, or around all."""

    call: Callable[[str, Arguments], str]
    open: str
    close: str
    together: bool = False
    nested: bool = True  # whether the syntax, or mlx-lm's parser of it, knows lists

    def calls(self, calls: Calls) -> str:
        written = [self.call(name, arguments) for name, arguments in calls]
        if self.together:
            return f"{self.open}{''.join(written)}{self.close}"
        return "\n".join(f"{self.open}{text}{self.close}" for text in written)


def said(value: Any) -> str:
    """A value as the XML styles have it: strings bare, the rest JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def elements(prefix: str = "") -> Callable[[str, Arguments], str]:
    def call(name: str, arguments: Arguments) -> str:
        key, value = f"{prefix}arg_key", f"{prefix}arg_value"
        return f"{name}\n" + "".join(
            f"<{key}>{k}</{key}>\n<{value}>{said(v)}</{value}>\n" for k, v in arguments.items()
        )

    return call


def qwen(name: str, arguments: Arguments) -> str:
    body = "".join(f"<parameter={k}>\n{said(v)}\n</parameter>\n" for k, v in arguments.items())
    return f"\n<function={name}>\n{body}</function>\n"


def minimax(name: str, arguments: Arguments) -> str:
    body = "".join(f'<parameter name="{k}">{said(v)}</parameter>\n' for k, v in arguments.items())
    return f'\n<invoke name="{name}">\n{body}</invoke>\n'


def muse(name: str, arguments: Arguments) -> str:
    body = "".join(f'<atem:parameter name="{k}">{said(v)}</atem:parameter>\n' for k, v in arguments.items())
    return f'\n<atem:invoke name="{name}">\n{body}</atem:invoke>\n'


def minicpm(name: str, arguments: Arguments) -> str:
    def value(v: Any) -> str:
        return f"<![CDATA[{said(v)}]]>" if set("<&\n") & set(said(v)) else said(v)

    return f'"{name}">' + "".join(f'<param name="{k}">{value(v)}</param>' for k, v in arguments.items())


def k2(name: str, arguments: Arguments) -> str:
    text = json.dumps(arguments, ensure_ascii=False)
    return f"<|tool_call_begin|>functions.{name}:0<|tool_call_argument_begin|>{text}<|tool_call_end|>"


def k3(name: str, arguments: Arguments) -> str:
    kinds = {str: "string", bool: "boolean", int: "integer", list: "array"}
    body = "".join(
        f'<|open|>argument key="{k}" type="{kinds[type(v)]}"<|sep|>{said(v)}<|close|>argument<|sep|>'
        for k, v in arguments.items()
    )
    return f'<|open|>call tool="{name}" index="1"<|sep|>{body}<|close|>call<|sep|>'


def gemma(quote: str) -> Callable[[str, Arguments], str]:
    def value(v: Any) -> str:
        if isinstance(v, list):
            return f"[{','.join(map(value, v))}]"
        if isinstance(v, dict):
            return f"{{{','.join(f'{k}:{value(inner)}' for k, inner in v.items())}}}"
        return f"{quote}{v}{quote}" if isinstance(v, str) else json.dumps(v)

    return lambda name, arguments: f"call:{name}{value(arguments)}"


def python(name: str, arguments: Arguments) -> str:
    return f"[{name}({', '.join(f'{k}={json.dumps(v, ensure_ascii=False)}' for k, v in arguments.items())})]"


def plain_json(name: str, arguments: Arguments) -> str:
    return f'\n{{"name": "{name}", "arguments": {json.dumps(arguments, ensure_ascii=False)}}}\n'


def mistral(name: str, arguments: Arguments) -> str:
    return f"{name}[ARGS]{json.dumps(arguments, ensure_ascii=False)}"


TAG = ("<tool_call>", "</tool_call>")
WRITERS = {
    "function_gemma": Writer(gemma("<escape>"), "<start_function_call>", "<end_function_call>", nested=False),
    "gemma4": Writer(gemma('<|"|>'), "<|tool_call>", "<tool_call|>"),
    "glm47": Writer(elements(), *TAG),
    "json_tools": Writer(plain_json, *TAG),
    "kimi_k2": Writer(k2, "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", together=True),
    "kimi_k3": Writer(k3, "<|open|>tools<|sep|>", "<|close|>tools<|sep|>", together=True),
    "laguna": Writer(elements(), *TAG),
    "longcat": Writer(elements("longcat_"), "<longcat_tool_call>", "</longcat_tool_call>"),
    "minicpm5": Writer(minicpm, "<function name=", "</function>"),
    "minimax_m2": Writer(minimax, "<minimax:tool_call>", "</minimax:tool_call>", together=True),
    "mistral": Writer(mistral, "[TOOL_CALLS]", "", together=True),
    "muse_spark": Writer(muse, "<atem:function_calls>", "</atem:function_calls>", together=True),
    "pythonic": Writer(python, "<|tool_call_start|>", "<|tool_call_end|>"),
    "qwen3_coder": Writer(qwen, *TAG),
}
each_syntax = pytest.mark.parametrize("syntax", WRITERS)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Tokenizers:
    """A tokenizer for which mlx-lm chose this parser."""
    root: Path = tmp_path_factory.mktemp("tokenizers")
    return functools.cache(lambda syntax: load_tokenizer(write_tokenizer(root / syntax, tool_parser_type=syntax)))


PARSED: dict[Any, tuple[ParsedCall, ...]] = {}
"""What the worker said of a text: it says the same again."""


@dataclass(frozen=True)
class Answer:
    text: str
    reasoning: str
    calls: Calls
    finish: str | None


def read(
    tokenizer: Any,
    chunks: list[str],
    *,
    finish: Any = "stop",
    opens_in: Channel = "content",
    tools: tuple[Tool, ...] = TOOLS,
    parallel: bool = True,
) -> Answer:
    async def parse(text: str, offered: tuple[Tool, ...]) -> tuple[ParsedCall, ...]:
        key = (tokenizer.tool_parser, text, offered == TOOLS)
        if key not in PARSED:
            PARSED[key] = parse_calls(tokenizer, ParseCalls(0, text, offered))
        return PARSED[key]

    request = Request("m", (Message("user", "hi"),), tools=tools, parallel_tool_calls=parallel)
    choice = Choice(0, request, dialect(tokenizer), opens_in, parse)
    pieces = [*(Piece("j", chunk, (1,)) for chunk in chunks), Piece("j", "", (0,), finish)]
    deltas = [delta for piece in pieces for delta in now(choice.read(piece))]
    starts = [delta for delta in deltas if isinstance(delta, CallStart)]
    arguments = ["".join(d.text for d in deltas if isinstance(d, CallArguments) and d.index == s.index) for s in starts]
    return Answer(
        "".join(delta.text for delta in deltas if isinstance(delta, Text)),
        "".join(delta.text for delta in deltas if isinstance(delta, Reasoning)),
        [(start.name, loaded(text)) for start, text in zip(starts, arguments, strict=True)],
        choice.finish,
    )


def loaded(arguments: str) -> Any:
    """Arguments as a strict client reads them; text that is cut off as it is."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    try:
        return json.loads(arguments, parse_constant=refuse)
    except ValueError:
        return arguments


def now(coroutine: Coroutine[Any, Any, list[Delta]]) -> list[Delta]:
    """What a coroutine that waits for nothing returns."""
    try:
        coroutine.send(None)
    except StopIteration as stopped:
        return stopped.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    return [text[a:b] for a, b in pairwise(sorted({0, len(text), *(at % (len(text) + 1) for at in cuts)}))]


SPARKS = "to=self<|message|>hm<|eom|><|start|>assistant to=get_weather<|message|>"


def test_a_call_after_reasoning_in_messages(tokenizers: Tokenizers) -> None:
    text = SPARKS + WRITERS["muse_spark"].calls([("get_weather", {"city": "Oslo"})]) + "<|eom|>"
    expected = Answer("", "hm", [("get_weather", {"city": "Oslo"})], "tool_calls")
    assert read(tokenizers("muse_spark"), [text]) == read(tokenizers("muse_spark"), list(text)) == expected


def test_none_is_missing() -> None:
    parsers = {path.stem for path in Path(mlx_lm.tool_parsers.__path__[0]).glob("[a-z]*.py")}
    assert parsers == set(SYNTAXES) == set(WRITERS) == set(VALUES)


OSLO: Arguments = {"city": "Oslo", "days": 3, "metric": True}


@each_syntax
@pytest.mark.parametrize(
    "calls", [[("get_weather", OSLO)], [("now", {})], [("get_weather", OSLO), ("now", {})]], ids=["one", "empty", "two"]
)
def test_calls_are_read(tokenizers: Tokenizers, syntax: str, calls: Calls) -> None:
    tokenizer, text = tokenizers(syntax), WRITERS[syntax].calls(calls)
    assert read(tokenizer, [text]) == Answer("", "", calls, "tool_calls")
    assert read(tokenizer, [f"I look.\n{text}"]) == Answer("I look.", "", calls, "tool_calls")
    assert read(tokenizer, [f"hm\n</think>\n\n{text}"], opens_in="reasoning") == Answer("", "hm", calls, "tool_calls")
    assert read(tokenizer, [text], parallel=False) == Answer("", "", calls[:1], "tool_calls")
    assert read(tokenizer, [text], tools=()) == Answer(text, "", [], "stop")


@each_syntax
def test_cuts_anywhere_change_nothing(tokenizers: Tokenizers, syntax: str) -> None:
    """Two in a call without arguments, one in a call with them."""
    marked = dialect(tokenizers(syntax))

    def parts(*chunks: str) -> list[Part]:
        parser = OutputParser(marked, opens_in="reasoning", tools=["get_weather", "now"])
        return joined([part for chunk in chunks for part in parser.feed(chunk)] + parser.finish())

    for calls, cuts in (([("now", {})], 2), ([("get_weather", OSLO)], 1)):
        text = f"h</think>a {WRITERS[syntax].calls(calls)}"  # type: ignore[arg-type]
        whole = parts(text)
        assert whole[:2] == [Reasoning("h"), Text("a")]
        for at in combinations_with_replacement(range(len(text)), cuts):
            assert parts(*pieces_of(text, list(at))) == whole


STRINGS = st.text(st.characters(exclude_categories=("Cc", "Cs"))) | st.sampled_from(
    [
        "São Paulo",
        "日本",
        "👩‍💻",
        "New\nYork",
        'say "hi"',
        "it's",
        "a < b & c > d",
        "3.10",
        "007",
        "true",
        "null",
        "[1]",
        "{a}",
    ]
)


@each_syntax
@settings(max_examples=60, deadline=None)
@given(city=STRINGS, tags=st.lists(STRINGS, max_size=3), cuts=st.lists(st.integers(0, 10**4), max_size=9))
def test_any_values_in_any_chunks(
    tokenizers: Tokenizers, syntax: str, city: str, tags: list[str], cuts: list[int]
) -> None:
    """What can't be written in the syntax, or not be read by its parser, is text: never another value."""
    writer = WRITERS[syntax]
    arguments = {"city": city.strip(), **({"tags": tags} if writer.nested else {})}
    text = writer.calls([("get_weather", arguments), ("now", {})])
    answer = read(tokenizers(syntax), [text])
    assert read(tokenizers(syntax), pieces_of(text, cuts)) == answer
    if not difficult(syntax, [arguments["city"], *arguments.get("tags", [])]):
        assert answer.calls == [("get_weather", arguments), ("now", {})]
    else:
        assert [call for call in answer.calls if call not in (("get_weather", arguments), ("now", {}))] == []


def difficult(syntax: str, texts: list[str]) -> bool:
    """What mlx-lm's parser, or the syntax, has no way to say."""
    return any(
        {
            "function_gemma": "}" in text or "<escape>" in text,
            "gemma4": "\0" in text,
            "minicpm5": "]]>" in text,
            "pythonic": False,
        }.get(syntax, False)
        for text in texts
    )


@each_syntax
def test_markup_in_a_value_is_data(tokenizers: Tokenizers, syntax: str) -> None:
    writer = WRITERS[syntax]
    calls: Calls = [("get_weather", {"city": f"a{writer.close}b<think>{writer.open}c"}), ("now", {})]
    text = writer.calls(calls)
    answer = read(tokenizers(syntax), [text])
    assert read(tokenizers(syntax), list(text)) == answer
    if syntax == "minicpm5":  # whose parser would end the call there
        assert answer.calls == calls[1:]
        assert answer.text == writer.calls(calls[:1])
    else:
        assert answer == Answer("", "", calls, "tool_calls")


@each_syntax
def test_what_is_cut_off_is_text(tokenizers: Tokenizers, syntax: str) -> None:
    """At every place; where the first of two calls is complete by itself it may be read, the second never."""
    writer, calls = WRITERS[syntax], [("get_weather", {"city": "Oslo", "days": 35}), ("get_weather", {"city": "Rome"})]
    text = writer.calls(calls)
    for end in range(len(writer.open), len(text)):
        answer = read(tokenizers(syntax), [f"I look. {text[:end]}"], finish="length")
        assert answer.finish == "length"
        told = [call for call in answer.calls if isinstance(call[1], dict)]
        assert told == calls[: len(told)]
        assert answer.calls or answer.text == f"I look. {text[:end]}"


@each_syntax
def test_another_tool_is_text(tokenizers: Tokenizers, syntax: str) -> None:
    text = WRITERS[syntax].calls([("rm_rf", {"city": "Oslo"})])
    assert read(tokenizers(syntax), [text]) == Answer(text, "", [], "stop")
    both = WRITERS[syntax].calls([("get_weather", {"city": "Oslo"}), ("rm_rf", {})])
    assert all(name != "rm_rf" for name, _ in read(tokenizers(syntax), [both]).calls)


@each_syntax
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_makes_no_other_call(tokenizers: Tokenizers, syntax: str, data: st.DataObject) -> None:
    """A piece is cut out of a call: what is read then, if anything, has only arguments that stand in the text."""
    text = WRITERS[syntax].calls([("get_weather", {"city": "Oslo", "metric": True})])
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    damaged = text[:start] + text[end:]
    answer = read(tokenizers(syntax), [damaged])
    assert read(tokenizers(syntax), list(damaged)) == answer
    for name, arguments in answer.calls:
        assert name in damaged
        if syntax == "json_tools" and isinstance(arguments, str):  # passed on as it came, before it was known to be bad
            assert arguments in damaged
        else:
            assert all(key in damaged for key in arguments)


@each_syntax
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_text_breaks_a_parser(tokenizers: Tokenizers, syntax: str, data: st.DataObject) -> None:
    written = WRITERS[syntax].calls([("get_weather", OSLO), ("now", {})])
    words = st.sampled_from([written[i : i + n] for n in (4, 9, 30) for i in range(0, len(written), n)])
    text = "".join(data.draw(st.lists(words | st.text(max_size=3), max_size=15)))
    answer = read(tokenizers(syntax), [text])
    assert read(tokenizers(syntax), list(text)) == answer


@pytest.mark.parametrize(
    ("syntax", "body"),
    [
        ("glm47", "get_weather<arg_key>city</arg_key><arg_value>Os"),
        ("glm47", 'get_weather {"city": "Os'),
        ("glm47", "get_weather city is Oslo"),
        ("longcat", "get_weather<longcat_arg_key>city</longcat_arg_key><longcat_arg_value>Os"),
        ("kimi_k2", '<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "Os'),
        ("kimi_k2", f"{k2('get_weather', {})}<|tool_call_begin|>functions.get_weather:1"),
        ("kimi_k3", '<|open|>call tool="get_weather"<|sep|><|open|>argument key="city"<|sep|>Os<|close|>call<|sep|>'),
        ("minicpm5", '"get_weather"><param name="city">Os'),
        ("minicpm5", '"get_weather"><param name="city"><![CDATA[a</param>b]]></param>'),
        ("minimax_m2", '<invoke name="get_weather"><parameter name="city">Os</invoke>'),
        ("minimax_m2", '<invoke name="get_weather"><parameter name="city">a</invoke>b</parameter></invoke>'),
        ("muse_spark", '<atem:invoke name="get_weather"><atem:parameter name="city">Os</atem:invoke>'),
        ("qwen3_coder", "<function=get_weather>\n<parameter=city>\nOs\n</function>"),
        ("qwen3_coder", "<function=get_weather>\n<parameter=city>\na</parameter>b</parameter></function>"),
        ("qwen3_coder", "<function=now></function><function=get_weather><parameter=city>a</parameter></function>"),
        ("pythonic", '[get_weather("Oslo")]'),
        ("pythonic", "[now(), get_weather(city=Oslo)]"),
        ("pythonic", "[get_weather(city={1, 2})]"),
        ("pythonic", "[get_weather(city=b'x')]"),
        ("function_gemma", "call:get_weather{city:{name:<escape>Oslo<escape>},days:3}"),
        ("function_gemma", "call:get_weather{city:<escape>a}b<escape>}"),
        ("gemma4", 'call:now{} call:get_weather{city:<|"|>Os'),
        ("json_tools", json.dumps({"arguments": {"city": [NESTED]}, "name": "get_weather"})),
    ],
)
def test_what_the_parsers_would_misread_is_no_call(tokenizers: Tokenizers, syntax: str, body: str) -> None:
    assert parse_calls(tokenizers(syntax), ParseCalls(0, body, TOOLS)) == ()


@pytest.mark.parametrize(
    ("syntax", "body"),
    [
        ("glm47", 'get_weather {"city": "Oslo", "days": "3"}'),
        ("glm47", 'get_weather city="Oslo" days=3'),
        ("glm47", '{"name": "get_weather", "arguments": {"city": "Oslo", "days": 3}}'),
        ("longcat", '{"name": "get_weather", "arguments": {"city": "Oslo", "days": 3}}'),
        ("kimi_k2", 'get_weather:0<|tool_call_argument_begin|>{"city": "Oslo", "days": 3}'),
        ("kimi_k3", '<|open|>call tool="get_weather"<|sep|><|open|>json type="object"<|sep|>{"city": "Oslo", "days": 3}'
         "<|close|>json<|sep|><|close|>call<|sep|>"),
        ("mistral", 'get_weather[CALL_ID]a1B2c3D4e[ARGS]{"city": "Oslo", "days": 3}'),
        ("mistral", '[{"name": "get_weather", "arguments": {"city": "Oslo", "days": 3}}]'),
        ("pythonic", "[get_weather(city=Oslo, days='3')]"),
        ("pythonic", r'[get_weather(city="\u004fslo", days=3)]'),
        ("pythonic", "[get_weather(city='Oslo', days=3,)]"),
        ("gemma4", 'call:get_weather{city:<|"|>Oslo<|"|>,days:<|"|>3<|"|>}'),
        ("function_gemma", "call:get_weather{city:Oslo,days:<escape>3<escape>}"),
        ("qwen3_coder", "<function=get_weather><parameter=city>Oslo</parameter><parameter=days> 3 </parameter>"
         "</function>\n\n"),
    ],
)  # fmt: skip
def test_other_ways_to_say_it(tokenizers: Tokenizers, syntax: str, body: str) -> None:
    expected = ParsedCall("get_weather", {"city": "Oslo", "days": 3})
    assert parse_calls(tokenizers(syntax), ParseCalls(0, body, TOOLS)) == (expected,)


def test_escapes_of_json_in_python(tokenizers: Tokenizers) -> None:
    body = r'[get_weather(city="a\/b\\/\"c\" \ud83d\ude00")]'
    assert parse_calls(tokenizers("pythonic"), ParseCalls(0, body, TOOLS))[0].arguments == {"city": 'a/b\\/"c" 😀'}


@each_syntax
def test_a_loop_of_markers_costs_no_more_than_its_length(tokenizers: Tokenizers, syntax: str) -> None:
    writer = WRITERS[syntax]
    for text in (
        writer.open + (writer.close or "x") * 5000,
        writer.calls([("get_weather", {"city": "x"})])[:-30] * 1500,
    ):
        begun = process_time()
        read(tokenizers(syntax), pieces_of(text, list(range(0, len(text), 40))))
        assert process_time() - begun < 5
