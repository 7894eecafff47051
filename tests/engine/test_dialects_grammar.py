"""Calls that a grammar holds a model to, in the syntaxes that have one: whoever draws, they are read and fit.

With the markup as special tokens and as plain text: vocabularies have it either way. JSON is in `test_grammar`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import mlx.core as mx
import pytest
from mlx_lm.utils import load_tokenizer
from pydantic import BaseModel, ConfigDict, Field

from mlxtui.engine.worker.dialects import SYNTAXES
from mlxtui.engine.worker.masks import Compiler, Grammar, Masks
from mlxtui.engine.worker.model import dialect
from mlxtui.engine.worker.sampling import Choice, Sampler
from mlxtui.engine.worker.schema import Unsupported
from mlxtui.types import Constraint, Tool
from tests.engine.test_dialects import WRITERS, Calls, read
from tests.engine.tiny_models import write_tokenizer

ROWS, LIMIT = 60, 500
MARKUP = {
    "gemma4": ("<|tool_call>", "<tool_call|>", '<|"|>'),
    "glm47": ("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
    "longcat": (
        *("<longcat_tool_call>", "</longcat_tool_call>", "<longcat_arg_key>", "</longcat_arg_key>"),
        *("<longcat_arg_value>", "</longcat_arg_value>"),
    ),
    "minicpm5": ("<function", "</function>", "<param", "</param>"),
    "minimax_m2": ("<minimax:tool_call>", "</minimax:tool_call>", "<invoke", "</invoke>", "<parameter", "</parameter>"),
    "kimi_k2": (
        *("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>"),
        *("<|tool_call_argument_begin|>", "<|tool_call_end|>"),
    ),
    "pythonic": ("<|tool_call_start|>", "<|tool_call_end|>"),
    "kimi_k3": ("<|open|>", "<|close|>", "<|sep|>"),
    "qwen3_coder": ("<function=", "</function>", "<parameter=", "</parameter>"),
}
HELD = pytest.mark.parametrize("syntax", MARKUP)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Place(Strict):
    name: Literal["Oslo", "São Paulo"]
    floor: int | None


class Trip(Strict):
    """All that a value may be: bare, JSON, a choice, nothing, left out."""

    city: str
    note: str | None
    unit: Literal["celsius", "42"]
    days: int = Field(ge=1, le=14)
    fast: bool
    place: Place = Place(name="Oslo", floor=None)
    scores: list[float] = Field(default=[], max_length=3)
    either: int | str = 0


TRIP = Tool("plan", "", Trip.model_json_schema())
NOW = Tool("now", "", {"type": "object", "properties": {}, "additionalProperties": False})
Tokenizers = Callable[[str, bool], Any]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Tokenizers:
    """A tokenizer for which mlx-lm chose this parser, whose markup is special or not."""
    root: Path = tmp_path_factory.mktemp("tokenizers")

    def make(syntax: str, special: bool) -> Any:
        more = MARKUP[syntax] if special else ()
        return load_tokenizer(write_tokenizer(root / f"{syntax}{special}", *more, tool_parser_type=syntax))

    return functools.cache(make)


def compiled(tokenizer: Any, constraint: Constraint) -> Grammar:
    return Compiler(tokenizer, len(tokenizer), dialect(tokenizer)).compile(constraint, may_think=False)


def drawn(tokenizer: Any, grammar: Grammar) -> list[str]:
    """What writers say who draw at random, leaning towards what ends something; all must come to an end."""
    mx.random.seed(5)
    leaning, eos = mx.zeros(len(tokenizer)), tokenizer.eos_token_ids
    ends = [token for token in tokenizer.get_vocab() if len(token) > 1 or token in '"]}']
    leaning[mx.array(tokenizer.convert_tokens_to_ids(ends))] = 5.0
    sampler, matchers = (
        Sampler([Choice(1.0, 1.0, 0, 0.0, seed) for seed in range(ROWS)]),
        [grammar.matcher() for _ in range(ROWS)],
    )
    masks = Masks(matchers, len(tokenizer))
    out: list[list[int]] = [[] for _ in range(ROWS)]
    for step in range(LIMIT):
        tokens: list[int] = sampler(
            masks.apply(mx.random.normal((ROWS, len(tokenizer))) + leaning), [step] * ROWS
        ).tolist()
        masks.advance(tokens)
        for row, token in zip(out, tokens, strict=True):
            if not row or row[-1] not in eos:
                row.append(token)
    assert [matcher.error for matcher in matchers] == [None] * ROWS
    assert all(row[-1] in eos for row in out), "the writer rambles: lean more on endings"
    return [tokenizer.decode(row[:-1], skip_special_tokens=False) for row in out]


@HELD
def test_whoever_draws_the_call_is_read_and_fits(tokenizers: Tokenizers, syntax: str) -> None:
    tokenizer = tokenizers(syntax, True)
    texts = drawn(tokenizer, compiled(tokenizer, Constraint(None, "required", (TRIP, NOW), parallel=False)))
    answers = [read(tokenizer, [text], tools=(TRIP, NOW)) for text in texts]
    assert [text for text, answer in zip(texts, answers, strict=True) if answer.finish != "tool_calls"] == []
    calls = [call for answer in answers for call in answer.calls]
    assert {name for name, _ in calls} == {"plan", "now"}
    for name, arguments in calls:
        if name == "plan":
            Trip.model_validate(arguments)
        else:
            assert arguments == {}
    assert len({str(arguments) for name, arguments in calls if name == "plan"}) > 10, "the writer is not random"


ARGUMENTS = {"city": "New <York>\nüé", "note": None, "unit": "42", "days": 3, "fast": True}
GOOD: list[Calls] = [
    [("plan", ARGUMENTS)],
    [("plan", {**ARGUMENTS, "note": "null and void", "place": {"name": "São Paulo", "floor": 1}, "scores": [1.5]})],
    [("plan", {**ARGUMENTS, "city": "Oslo"}), ("now", {})],
    [("now", {})],
]
BAD: list[Calls] = [
    [("plan", {**ARGUMENTS, "days": 15})],
    [("plan", {**ARGUMENTS, "fast": "yes"})],
    [("plan", {**ARGUMENTS, "unit": "kelvin"})],
    [("plan", {**ARGUMENTS, "colour": "red"})],
    [("plan", {"city": "Oslo"})],
    [("now", {"zone": "CET"})],
    [("later", {})],
]


@HELD
@pytest.mark.parametrize("special", [True, False])
def test_calls_as_models_write_them(tokenizers: Tokenizers, syntax: str, special: bool) -> None:
    tokenizer, written = tokenizers(syntax, special), WRITERS[syntax].calls
    if syntax == "kimi_k3":
        pytest.skip("arguments in one object are its other form")
    grammar = compiled(tokenizer, Constraint(None, "required", (TRIP, NOW)))
    good = [calls for calls in GOOD if syntax != "minicpm5" or "CDATA" not in written(calls)]
    assert [calls for calls in good if not whole(tokenizer, grammar, written(calls))] == []
    assert [calls for calls in BAD if whole(tokenizer, grammar, written(calls))] == []
    both = written([("now", {}), ("now", {})])
    assert whole(tokenizer, grammar, both)
    assert not whole(tokenizer, compiled(tokenizer, Constraint(None, "required", (NOW,), parallel=False)), both)
    free = compiled(tokenizer, Constraint(None, "auto", (TRIP, NOW)))
    assert whole(tokenizer, free, f"I look.\n{written([('plan', {'anything': 'goes'})])}")
    assert not whole(tokenizer, free, written([("later", {})]))


def whole(tokenizer: Any, grammar: Grammar, text: str) -> bool:
    ids, matcher = tokenizer.encode(text, add_special_tokens=False), grammar.matcher()
    return matcher.inner.try_consume_tokens(ids) == len(ids) and matcher.complete


def test_syntaxes_without_a_grammar_say_so(tokenizers: Tokenizers, tmp_path: Path) -> None:
    without = [syntax for syntax, known in SYNTAXES.items() if known.grammar is None]
    assert without == ["function_gemma", "muse_spark"]
    for syntax in without:
        tokenizer = load_tokenizer(write_tokenizer(tmp_path / syntax, tool_parser_type=syntax))
        with pytest.raises(Unsupported, match=f"tool-call syntax '{syntax}' can't be enforced") as caught:
            compiled(tokenizer, Constraint(None, "required", (NOW,)))
        assert caught.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string", "maxLength": 3}, "'maxLength'"),
        ({"allOf": [{"type": "string"}]}, "put together from several schemas"),
        ({"enum": [" a"]}, "white space around"),
    ],
)
def test_what_bare_strings_can_not_be_held_to(tokenizers: Tokenizers, schema: Any, said: str) -> None:
    tool = Tool("f", "", {"type": "object", "properties": {"x": schema}})
    with pytest.raises(Unsupported, match=said) as caught:
        compiled(tokenizers("glm47", True), Constraint(None, "required", (tool,)))
    assert caught.value.param == "tools"


@pytest.mark.parametrize("syntax", ["glm47", "gemma4", "pythonic"])
def test_a_tool_without_properties_takes_any(tokenizers: Tokenizers, syntax: str) -> None:
    tokenizer = tokenizers(syntax, True)
    grammar = compiled(tokenizer, Constraint(None, "required", (Tool("f"),)))
    assert whole(tokenizer, grammar, WRITERS[syntax].calls([("f", {"any": "thing"})]))
    assert whole(tokenizer, grammar, WRITERS[syntax].calls([("f", {})]))


@pytest.mark.parametrize("most", [0, 1, 2])
def test_lists_end_in_time(tokenizers: Tokenizers, most: int) -> None:
    tool = Tool("f", "", {"properties": {"x": {"items": {"type": "integer"}, "maxItems": most}}, "required": ["x"]})
    grammar = compiled(tokenizers("gemma4", True), Constraint(None, "required", (tool,)))
    for length in range(4):
        written = WRITERS["gemma4"].calls([("f", {"x": [7] * length})])
        assert whole(tokenizers("gemma4", True), grammar, written) == (length <= most)


def test_what_gemmas_syntax_can_not_be_held_to(tokenizers: Tokenizers) -> None:
    odd: list[Any] = [{"pattern": "a"}, {"properties": {"a-b": {}}}, {"enum": [{}]}, {"$ref": "#/properties/x"}]
    nested: Any = {"properties": {"x": {"properties": {"x": {"$ref": "#/properties/x"}}}}}
    for parameters in (*({"properties": {"x": schema}} for schema in odd), nested, {"required": ["x"]}):
        with pytest.raises(Unsupported, match="the schema of tool 'f' can't be enforced") as caught:
            compiled(tokenizers("gemma4", True), Constraint(None, "required", (Tool("f", "", parameters),)))
        assert caught.value.param == "tools"


def test_names_that_python_does_not_know_are_refused(tokenizers: Tokenizers) -> None:
    for tool in (Tool("f", "", {"properties": {"from": {}}}), Tool("get-weather"), Tool("f", "", {"required": ["x"]})):
        with pytest.raises(Unsupported, match="Python knows"):
            compiled(tokenizers("pythonic", True), Constraint(None, "required", (tool,)))


def test_names_that_are_markup_are_refused(tokenizers: Tokenizers) -> None:
    tool = Tool("f", "", {"type": "object", "properties": {"a<b": {}}})
    with pytest.raises(Unsupported, match="with plain names"):
        compiled(tokenizers("glm47", True), Constraint(None, "required", (tool,)))


@pytest.mark.parametrize("syntax", ["glm47", "qwen3_coder", "pythonic", "gemma4"])
@pytest.mark.parametrize(
    "parameters",
    [
        {"properties": {"a": {}}, "required": 5},
        {"properties": {"a": {"enum": 5}}, "required": ["a"]},
        {"properties": {"a": {"anyOf": 5}}, "required": ["a"]},
    ],
)
def test_schemas_that_are_none_are_the_clients_fault(tokenizers: Tokenizers, syntax: str, parameters: Any) -> None:
    with pytest.raises(Unsupported, match="the schema of tool 'f' can't be enforced") as caught:
        compiled(tokenizers(syntax, True), Constraint(None, "required", (Tool("f", "", parameters),)))
    assert caught.value.param == "tools"
