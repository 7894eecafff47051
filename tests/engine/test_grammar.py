"""What the masks promise, on the embedded model's tokenizer: whoever draws, what comes out is within the grammar.

Most tests draw at random, leaning towards tokens that end something: no weights are needed, none can help. A mask can't
make a model finish, only keep it from going wrong; the schemas bound what could go on for ever.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Literal

import mlx.core as mx
import pytest
from mlx_lm.models.cache import make_prompt_cache
from pydantic import BaseModel, ConfigDict, Field

from mlxtui.engine.interface import ChatPrompt, Job
from mlxtui.engine.worker.masks import Compiler, Grammar, Masks, Matcher
from mlxtui.engine.worker.model import Model, load
from mlxtui.engine.worker.prompt import prepare
from mlxtui.engine.worker.rows import merge
from mlxtui.engine.worker.sampling import Choice, Sampler
from mlxtui.engine.worker.schema import Unsupported
from mlxtui.settings import EMBEDDED_MODEL
from mlxtui.types import NEUTRAL_SAMPLING, Constraint, Dialect, Message, Tool

RUNS, FEW, LIMIT = 200, 40, 400
OBJECT = {"type": "object"}
THINK, TOOL = ("<think>", "</think>"), ("<tool_call>", "</tool_call>")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Street(Strict):
    straße: str = Field(max_length=12)
    hausnummer: int = Field(ge=1, le=999)


class Person(Strict):
    """Nested objects, arrays, enums, numbers, anyOf, keys beyond ASCII."""

    名前: str = Field(max_length=10)
    mood: Literal["glücklich", "sad", 'it\'s "ok"']
    scores: list[float] = Field(min_length=1, max_length=4)
    address: Street | None
    tags: list[Literal["a", "b", "🙂"]] = Field(max_length=3)
    either: int | Street | Literal["nothing"]


WEATHER = Tool(
    "get_weather",
    "the weather in a city",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 20},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer", "minimum": 1, "maximum": 14},
        },
        "required": ["city", "unit"],
    },
    strict=True,
)
SEARCH = Tool("search", "search the web", {"type": "object", "properties": {"query": {"type": "string"}}})
TOOLS = (WEATHER, SEARCH)


class Weather(Strict):
    city: str = Field(max_length=20)
    unit: Literal["celsius", "fahrenheit"]
    days: int = Field(default=1, ge=1, le=14)


class Search(Strict):
    query: str = ""


@pytest.fixture(scope="module")
def model() -> Model:
    return load(EMBEDDED_MODEL, None, lambda detail: None)


@pytest.fixture(scope="module")
def compiler(model: Model) -> Compiler:
    return Compiler(model.tokenizer, model.vocab, model.info.dialect)


@pytest.fixture(scope="module")
def dialects(model: Model) -> Callable[[Dialect], Compiler]:
    """A compiler as if the embedded model wrote in another dialect."""
    return cache(lambda dialect: Compiler(model.tokenizer, model.vocab, dialect))


def answers(model: Model, grammar: Grammar, runs: int = FEW) -> list[str]:
    """The answers of a writer who draws at random, with a weakness for whatever ends something; all must end."""
    tokenizer = model.tokenizer
    leaning = mx.zeros(model.vocab)
    endings = [
        *tokenizer.eos_token_ids,
        *map(tokenizer.convert_tokens_to_ids, ('"', "]", "}", "</think>", "</tool_call>")),
    ]
    leaning[mx.array(endings)] = 6.0
    return [tokenizer.decode(ids[:-1]) for ids in drawn(model, grammar, lambda rows: leaning, rows=runs)]


def drawn(model: Model, grammar: Grammar, leaning: Callable[[int], mx.array], *, rows: int) -> list[list[int]]:
    mx.random.seed(11)
    sampler = Sampler([Choice(1.0, 1.0, 0, 0.0, seed) for seed in range(rows)])
    matchers = [grammar.matcher() for _ in range(rows)]
    masks = Masks(matchers, model.vocab)
    out: list[list[int]] = [[] for _ in range(rows)]
    eos = model.tokenizer.eos_token_ids
    for step in range(LIMIT):
        logits = 2 * mx.random.normal((rows, model.vocab)) + leaning(rows)
        tokens: list[int] = sampler(masks.apply(logits), [step] * rows).tolist()
        masks.advance(tokens)
        for row, token in zip(out, tokens, strict=True):
            if not row or row[-1] not in eos:
                row.append(token)
        if all(row[-1] in eos for row in out):
            break
    assert [matcher.error for matcher in matchers] == [None] * rows
    assert all(row[-1] in eos for row in out), "the writer rambles: lean more on endings"
    return out


def follow(model: Model, grammar: Grammar, text: str) -> Matcher | None:
    """A matcher that took the text, None if the grammar does not allow it."""
    ids, matcher = model.tokenizer.encode(text, add_special_tokens=False), grammar.matcher()
    return matcher if matcher.inner.try_consume_tokens(ids) == len(ids) else None


def whole(model: Model, grammar: Grammar, text: str) -> bool:
    matcher = follow(model, grammar, text)
    return matcher is not None and matcher.complete


def call(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


PARIS = call("get_weather", '{"city": "Paris", "unit": "celsius"}')
LOOK = call("search", '{"query": "mlx"}')


def valid_call(model: Model, text: str) -> str:
    """The name of the call in the text, which mlx-lm's parser reads and whose arguments are those of its tool."""
    body = text.removeprefix(TOOL[0]).removesuffix(TOOL[1])
    assert len(body) == len(text) - len(TOOL[0] + TOOL[1])
    parsed = model.tokenizer.tool_parser(body, None)
    schema = {"get_weather": Weather, "search": Search}[parsed["name"]]
    schema.model_validate(parsed["arguments"])
    return str(parsed["name"])


def thought_and_rest(text: str) -> tuple[str | None, str]:
    thought, closed, rest = text.rpartition(THINK[1])
    return (thought.removeprefix(THINK[0]), rest) if closed else (None, text)


def test_a_schema_holds_in_200_of_200(model: Model, compiler: Compiler) -> None:
    texts = answers(model, compiler.compile(Constraint(Person.model_json_schema()), may_think=False), RUNS)
    assert len(texts) == RUNS
    people = [Person.model_validate_json(text) for text in texts]
    assert len({person.model_dump_json() for person in people}) > RUNS * 0.9, "the writer is not random"
    assert any(isinstance(person.either, Street) for person in people)
    assert any(person.address is None for person in people)


def test_any_object(model: Model, compiler: Compiler) -> None:
    texts = answers(model, compiler.compile(Constraint(OBJECT), may_think=False))
    assert all(isinstance(json.loads(text, strict=True), dict) for text in texts)
    assert not any("\n" in text for text in texts)


@pytest.mark.parametrize("opens_in", ["content", "reasoning"])
def test_the_schema_starts_after_the_thought(
    model: Model, compiler: Compiler, opens_in: Literal["content", "reasoning"]
) -> None:
    texts = answers(model, compiler.compile(Constraint(Street.model_json_schema()), opens_in=opens_in))
    split = [thought_and_rest(text) for text in texts]
    for _, rest in split:
        Street.model_validate_json(rest)
    thoughts = sum(thought is not None for thought, _ in split)
    assert thoughts == FEW if opens_in == "reasoning" else 0 < thoughts <= FEW


def test_required_calls_parse_and_validate_200_of_200(model: Model, compiler: Compiler) -> None:
    texts = answers(model, compiler.compile(Constraint(None, "required", TOOLS, parallel=False), may_think=False), RUNS)
    names = [valid_call(model, text.rstrip()) for text in texts]
    assert set(names) == {"get_weather", "search"}


def test_a_named_call(model: Model, compiler: Compiler) -> None:
    texts = answers(model, compiler.compile(Constraint(None, "required", (SEARCH,), parallel=False), may_think=False))
    assert {valid_call(model, text.rstrip()) for text in texts} == {"search"}


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        (Constraint(OBJECT), ["{}", '{"a": [1, 2]}', "<think>hm</think>\n\n{}"], ["", "hi", "[]", "{}x", PARIS]),
        (
            Constraint(None, "required", TOOLS),
            [PARIS, f"{PARIS}\n{LOOK}", f"<think>hm</think>\n\n{LOOK}"],
            ["", "hi", "{}"],
        ),
        (Constraint(None, "required", TOOLS, parallel=False), [PARIS, LOOK], [f"{PARIS}\n{LOOK}", PARIS + LOOK]),
        (Constraint(None, "required", (SEARCH,)), [LOOK], [PARIS]),
        (
            Constraint(None, "auto", TOOLS),
            ["", "hi", "1 < 2 <tool", PARIS, f"I look.\n{PARIS}\n{LOOK}\nDone.", "<think>hm</think>hi"],
            [call("other", "{}"), call("get_weather", '{"city": "Paris"}'), "<tool_call>\nno"],
        ),
        (Constraint(None, "auto", TOOLS, parallel=False), ["", "hi", f"a {PARIS}\nb"], [f"{PARIS}\n{LOOK}"]),
        (Constraint(None, "auto", (SEARCH,)), [LOOK, call("search", '{"any": 1}')], [PARIS, call("search", "[]")]),
        (
            Constraint(OBJECT, "auto", TOOLS),
            ["{}", PARIS, f"{PARIS}\n{LOOK}"],
            ["", "hi", f"{{}}{PARIS}", f"{PARIS}{{}}"],
        ),
        (Constraint(OBJECT, "auto", TOOLS, parallel=False), ["{}", PARIS], [f"{PARIS}\n{LOOK}"]),
    ],
    ids=lambda value: f"{value.calls} {bool(value.schema)} {value.parallel}" if isinstance(value, Constraint) else "",
)
def test_what_may_be_said(
    model: Model, compiler: Compiler, constraint: Constraint, good: list[str], bad: list[str]
) -> None:
    grammar = compiler.compile(constraint)
    assert [text for text in good if not whole(model, grammar, text)] == []
    assert [text for text in bad if whole(model, grammar, text)] == []


def test_a_marker_can_not_be_spelled(model: Model, compiler: Compiler) -> None:
    """Who reads the output sees text: `<tool_call>` in letters would open a call that no grammar holds."""
    grammar = compiler.compile(Constraint(None, "auto", TOOLS))
    letters = [model.tokenizer.convert_tokens_to_ids(letter) for letter in "<tool_call>"]
    assert grammar.matcher(letters[:-1]).error is None
    assert grammar.matcher(letters).error is not None


@pytest.mark.parametrize("marker", [*THINK, *TOOL, "<|im_end|>"])
def test_a_schema_may_want_the_letters_of_a_marker(model: Model, compiler: Compiler, marker: str) -> None:
    wanted = f"a {marker} b"
    held = compiler.compile(Constraint({"enum": [wanted]}), may_think=False)
    assert [json.loads(text) for text in answers(model, held)] == [wanted] * FEW


def test_thinking(model: Model, compiler: Compiler) -> None:
    content = compiler.compile(Constraint(OBJECT))
    reasoning = compiler.compile(Constraint(OBJECT), opens_in="reasoning")
    never = compiler.compile(Constraint(OBJECT), may_think=False)
    assert whole(model, content, "{}")
    assert whole(model, content, "<think>\n{</think>\n\n{}")
    assert whole(model, reasoning, "{ hm</think>{}")
    assert not whole(model, reasoning, "{}")
    assert follow(model, never, "<think>") is None


XML = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nNew\nYork\n</parameter>\n"
    "<parameter=unit>\ncelsius\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
)
CITY = Tool(
    "get_weather", "", {**WEATHER.parameters, "properties": {**WEATHER.parameters["properties"], "city": {}}}, True
)
LIST = '[TOOL_CALLS][{"name": "search", "arguments": {"query": "x"}}]'


@pytest.mark.parametrize(
    ("dialect", "calls", "good", "bad"),
    [
        (
            Dialect(THINK, TOOL, "qwen3_coder"),
            "required",
            [XML],
            [XML.replace("3", "x"), XML.replace("York", "</function>")],
        ),
        (
            Dialect(THINK, TOOL, "qwen3_coder"),
            "auto",
            ["hi", f"a\n{XML}", XML + XML],
            [XML.replace("celsius", "kelvin")],
        ),
        (
            Dialect(None, ("[TOOL_CALLS]", ""), "mistral"),
            "required",
            [LIST],
            ["", LIST + "x", LIST.replace("search", "find")],
        ),
        (Dialect(None, ("[TOOL_CALLS]", ""), "mistral"), "auto", ["hi", f"a {LIST}"], [f"{LIST} b"]),
        # markers that are several tokens of this vocabulary
        (Dialect(None, ("<call>", "</call>"), "json_tools"), "required", [LOOK.replace("tool_", "")], ["hi"]),
        (
            Dialect(None, ("<call>", "</call>"), "json_tools"),
            "auto",
            ["1 <cal", LOOK.replace("tool_", "")],
            ["<call>x"],
        ),
    ],
)
def test_other_syntaxes(
    model: Model,
    dialects: Callable[[Dialect], Compiler],
    dialect: Dialect,
    calls: Literal["auto", "required"],
    good: list[str],
    bad: list[str],
) -> None:
    grammar = dialects(dialect).compile(Constraint(None, calls, (CITY, SEARCH)))
    assert [text for text in good if not whole(model, grammar, text)] == []
    assert [text for text in bad if whole(model, grammar, text)] == []


def test_harmony(model: Model, dialects: Callable[[Dialect], Compiler]) -> None:
    compiler = dialects(Dialect(tool_syntax="harmony"))
    thought = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
    search = '<|channel|>commentary to=functions.search <|constrain|>json<|message|>{"query": "x"}'
    final = "<|channel|>final<|message|>{}"
    required = compiler.compile(Constraint(None, "required", TOOLS))
    assert [whole(model, required, text) for text in (search, thought + search, final)] == [True, True, False]
    either = compiler.compile(Constraint(OBJECT, "auto", TOOLS))
    assert [whole(model, either, text) for text in (search, thought + final, final + "x")] == [True, True, False]
    free = compiler.compile(Constraint(None, "auto", TOOLS))
    assert [whole(model, free, text) for text in (final + "x", search.replace("search", "find"))] == [True, False]


def test_a_syntax_without_a_grammar(dialects: Callable[[Dialect], Compiler]) -> None:
    compiler = dialects(Dialect(THINK, TOOL, "muse_spark"))
    with pytest.raises(Unsupported, match="the model's tool-call syntax 'muse_spark' can't be enforced") as caught:
        compiler.compile(Constraint(None, "required", TOOLS))
    assert caught.value.param == "tool_choice"
    compiler.compile(Constraint(OBJECT))
    with pytest.raises(Unsupported, match="a tool call can't be enforced: the model has none"):
        dialects(Dialect()).compile(Constraint(None, "required", TOOLS))
    with pytest.raises(Unsupported, match="no tool that may be called"):
        compiler.compile(Constraint(None, "required"))


def within(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"b": {"type": "array", "items": {}}, "a": schema}, "required": ["a"]}


def deep(levels: int) -> Any:
    return {"type": "array", "items": deep(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"not": {}}, "keyword 'not' not supported (at #/properties/a)"),
        ({"if": {}, "then": {}}, "keywords 'if', 'then' not supported (at #/properties/a)"),
        ({"type": "array", "uniqueItems": True}, "keyword 'uniqueItems' not supported (at #/properties/a)"),
        ({"type": "strnig"}, "Invalid type: strnig (at #/properties/a)"),
        ({"type": "string", "format": "color"}, "Unknown format: color (at #/properties/a)"),
        ({"oneOf": [{"type": "string"}, {"minLength": 3}]}, "oneOf constraints are not supported."),
        ({"$ref": "#/$defs/none"}, "Pointer '/$defs/none' does not exist"),
        ({"$ref": "http://example.com/x"}, "'http://example.com/x' is not present"),
        ({"type": "string", "pattern": "(?=x)"}, "look-around"),
        ({"type": "string", "pattern": "(a"}, "unclosed group"),
        ({"type": "string", "pattern": "^(a{1000}){1000}$"}, "too many expressions"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "required property 'a' is unsatisfiable"),
        ({"enum": []}, "Unsatisfiable schema"),
        ({"enum": ["v"] * 250_000}, "longer than 200,000 characters"),
        ({"enum": [f"v{i * 7919}" for i in range(20_000)]}, "too big"),
        ({"properties": {f"p{i}": {} for i in range(3000)}}, "more than 1000 entries"),
        (deep(120), "nested deeper than 100 levels"),
        ({"minimum": float("inf")}, "is not JSON"),
        ({"const": "\ud800"}, "is not JSON"),
        (
            {"allOf": [{"anyOf": [{"required": [f"{x}{i}"]} for x in "ab"]} for i in range(20)]},
            "too large",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_not_be_enforced_is_named(compiler: Compiler, schema: Any, said: str) -> None:
    messages = []
    for _ in range(2):
        with pytest.raises(Unsupported) as caught:
            compiler.compile(Constraint(within(schema)))
        messages.append(str(caught.value))
        assert caught.value.param == "response_format"
    assert said in messages[0]
    assert messages[0].startswith("the JSON schema ")
    assert messages[0] == messages[1]


def test_a_schema_that_only_means_itself(compiler: Compiler) -> None:
    with pytest.raises(Unsupported, match="no value can satisfy it"):
        compiler.compile(Constraint({"$ref": "#"}))


def test_a_tools_schema_is_named(compiler: Compiler) -> None:
    odd = Tool("odd", "", within({"not": {}}))
    with pytest.raises(Unsupported, match=r"the schema of tool 'odd' can't be enforced: keyword 'not'") as caught:
        compiler.compile(Constraint(None, "required", (WEATHER, odd)))
    assert caught.value.param == "tools"
    compiler.compile(Constraint(None, "auto", (WEATHER, odd)))  # not strict: any object
    with pytest.raises(Unsupported, match="arguments are always an object"):
        compiler.compile(Constraint(None, "required", (Tool("list", "", {"type": "array"}),)))


def test_objects_are_closed_where_that_forbids_nothing_else(model: Model, compiler: Compiler) -> None:
    listed = {"type": "object", "properties": {"properties": {"type": "integer"}}}
    grammar = compiler.compile(Constraint(listed))
    assert whole(model, grammar, '{"properties": 1}')
    assert not whole(model, grammar, '{"other": 1}')
    together = {"allOf": [{"type": "object", "properties": {k: {"type": "integer"}}, "required": [k]} for k in "ab"]}
    assert whole(model, compiler.compile(Constraint(together)), '{"a": 1, "b": 2}')
    said = {**listed, "additionalProperties": True, "x-guidance": {"lenient": True}}
    assert whole(model, compiler.compile(Constraint(said)), '{"other": 1}')


def test_a_matcher_starts_again_where_it_was(model: Model, compiler: Compiler) -> None:
    grammar = compiler.compile(Constraint(OBJECT))
    ids = model.tokenizer.encode('{"a": [1, 2', add_special_tokens=False)
    first, other = grammar.matcher(), grammar.matcher()
    for token in ids:
        first.consume([token])
    assert grammar.matcher(ids).inner.compute_bitmask() == first.inner.compute_bitmask()
    assert other.inner.compute_bitmask() == grammar.matcher().inner.compute_bitmask()


def test_the_end(model: Model, compiler: Compiler) -> None:
    eos = sorted(model.tokenizer.eos_token_ids)
    matcher = follow(model, compiler.compile(Constraint({"const": 1}), may_think=False), "1")
    assert matcher
    assert matcher.complete
    masked = Masks([matcher], model.vocab).apply(mx.zeros((1, model.vocab)))
    assert [token for token, logit in enumerate(masked[0].tolist()) if logit == 0] == eos
    matcher.consume(eos[:1])
    matcher.consume([5, 6])  # drawn before the end was read
    assert matcher.stopped
    assert matcher.error is None


def test_rows_do_not_disturb_each_other(model: Model, compiler: Compiler) -> None:
    """Unconstrained rows pass untouched; a row that left its grammar is open, has an error and harms nobody."""
    grammar = compiler.compile(Constraint(OBJECT), may_think=False)
    broken, good = grammar.matcher(), grammar.matcher()
    masks = Masks([None, broken, good], model.vocab)
    hi, brace = (model.tokenizer.convert_tokens_to_ids(text) for text in ("h", "{"))
    masks.advance([hi, hi, brace])
    logits = mx.random.normal((3, model.vocab))
    masked = masks.apply(logits)
    assert mx.array_equal(masked[:2], logits[:2])
    assert (masked[2] == -mx.inf).sum().item() > model.vocab // 2
    assert good.error is None
    assert broken.error is not None
    assert "doesn't satisfy the grammar" in broken.error


def test_logits_wider_than_the_vocabulary(model: Model) -> None:
    width = model.vocab + 77
    compiler = Compiler(model.tokenizer, width, model.info.dialect)
    masks = Masks([compiler.compile(Constraint(None, "auto", TOOLS)).matcher()], width)
    masked = masks.apply(mx.zeros((1, width)))
    assert masked.shape == (1, width)
    assert mx.all(masked[:, model.vocab :] == -mx.inf).item()


def test_many_threads_compile(model: Model) -> None:
    compiler = Compiler(model.tokenizer, model.vocab, model.info.dialect)
    constraints = [Constraint({"const": n % 3}) for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        grammars = list(pool.map(compiler.compile, constraints))
    assert len(set(map(id, grammars))) == 3
    assert [whole(model, g, str(n % 3)) for n, g in enumerate(grammars)] == [True] * 12


def test_the_models_own_logits_stay_within_the_grammar(model: Model, compiler: Compiler) -> None:
    """The loop the contract asks for, forward pass first, on mlx-lm's batch cache."""
    grammar = compiler.compile(Constraint(None, "required", TOOLS))
    prepared = prepare(model, Job("j", ChatPrompt((Message("user", "Weather in Rome?"),), TOOLS), NEUTRAL_SAMPLING))
    assert isinstance(prepared, tuple)
    prompt, caches = prepared[1].tokens, make_prompt_cache(model.module)
    model.module(mx.array([prompt[:-1]]), cache=caches)
    batch, rows = merge([caches] * 4), 4
    matchers = [grammar.matcher() for _ in range(rows)]
    masks, sampler = Masks(matchers, model.vocab), Sampler([Choice(1.0, 1.0, 0, 0.0, seed) for seed in range(rows)])
    fed, out = mx.array([prompt[-1]] * rows), [[] for _ in range(rows)]  # type: ignore[var-annotated]
    for step in range(48):
        logits = model.module(fed[:, None], cache=batch)[:, -1, :]
        mx.async_eval(logits)
        if step:
            for row, token in zip(out, fed.tolist(), strict=True):
                row.append(token)
            masks.advance([row[-1] for row in out])
        fed = sampler(masks.apply(logits), [step] * rows)
    for row, matcher in zip(out, matchers, strict=True):
        assert matcher.error is None
        assert grammar.matcher(row).inner.compute_bitmask() == matcher.inner.compute_bitmask()
