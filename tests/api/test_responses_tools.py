"""Tools: what the model is offered in place of what the client lists, and the names on either side."""

from __future__ import annotations

from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer

from mlxtui.api.responses import Asked, parse, request
from mlxtui.api.sealed import SealKey
from mlxtui.engine.worker.grammar import grammar
from mlxtui.types import Constraint, Dialect, Tool

KEY = SealKey(b"a secret of some length")


def function(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "function", "name": name} | fields


def custom(format: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "custom", "name": "patch", "description": "Patches.", "format": format}


def namespace(name: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "namespace", "name": name, "description": "", "tools": list(tools)}


def asked(*tools: dict[str, Any], choice: Any = "auto", items: Any = "hi") -> Asked:
    return parse({"model": "m", "input": items, "tools": list(tools), "tool_choice": choice})


def offered(*tools: dict[str, Any], choice: Any = "auto") -> tuple[Tool, ...]:
    return request(asked(*tools, choice=choice), (), KEY).tools


INPUT: dict[str, Any] = {"type": "string"}


def with_input(schema: dict[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"input": schema}}
    return parameters | {"required": ["input"], "additionalProperties": False}


def test_functions_go_as_they_are_and_hosted_tools_not_at_all() -> None:
    schema = {"type": "object"}
    tools = [function("f", description="F.", parameters=schema, strict=True), {"type": "web_search"}, {"type": "mcp"}]
    assert offered(*tools) == (Tool("f", "F.", schema, strict=True),)
    assert offered(*tools, choice="none") == ()


def test_a_custom_tool_is_a_function_with_one_string() -> None:
    assert offered(custom()) == (Tool("patch", "Patches.", with_input(INPUT)),)
    assert offered(custom({"type": "text"})) == offered(custom())


def test_a_regex_is_enforced_and_lark_is_shown() -> None:
    (held,) = offered(custom({"type": "grammar", "syntax": "regex", "definition": "a|b"}))
    assert held == Tool("patch", "Patches.", with_input(INPUT | {"pattern": "^(?:a|b)$"}), strict=True)
    (shown,) = offered(custom({"type": "grammar", "syntax": "lark", "definition": 'start: "a"'}))
    assert shown.description.endswith('\nstart: "a"')
    assert shown.parameters == with_input(INPUT)
    assert not shown.strict


def test_functions_of_a_namespace_are_flat_with_the_namespace_where_two_are_alike() -> None:
    tools = [function("open"), namespace("files", function("open"), function("close"), custom())]
    turn = asked(*tools)
    assert [tool.name for tool in request(turn, (), KEY).tools] == ["open", "files__open", "close", "patch"]
    found = turn.toolbox.offered["files__open"]
    assert (found.name, found.namespace, found.custom) == ("open", "files", False)


def test_calls_are_replayed_under_the_name_the_model_knows() -> None:
    call = {"type": "function_call", "call_id": "c", "arguments": "{}"}
    items = [call | {"name": "open", "namespace": "files"}, call | {"name": "open"}, call | {"name": "gone"}]
    turn = asked(function("open"), namespace("files", function("open")), items=items)
    (message,) = request(turn, (), KEY).messages
    assert [replayed.name for replayed in message.tool_calls] == ["files__open", "open", "gone"]


def test_a_choice_may_name_any_of_them() -> None:
    tools = [function("open"), namespace("files", function("open"), function("close")), custom()]

    def chosen(**choice: Any) -> list[str]:
        constraint = request(asked(*tools, choice=choice), (), KEY).constraint
        assert constraint
        return [tool.name for tool in constraint.tools]

    assert chosen(type="function", name="open") == ["open"]
    assert chosen(type="function", name="open", namespace="files") == ["files__open"]
    assert chosen(type="function", name="close") == ["close"]
    assert chosen(type="custom", name="patch") == ["patch"]
    names = [{"type": "function", "name": "close"}, {"type": "custom", "name": "patch"}, {"type": "web_search"}]
    assert chosen(type="allowed_tools", mode="required", tools=names) == ["close", "patch"]


def test_where_only_hosted_tools_are_allowed_the_model_has_none() -> None:
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}
    found = request(asked(function("f"), choice=allowed), (), KEY)
    assert (found.tools, found.constraint) == ((), None)


def test_a_named_custom_tool_must_be_called() -> None:
    constraint = request(asked(custom(), choice={"type": "custom", "name": "patch"}), (), KEY).constraint
    assert constraint == Constraint(calls="required", tools=(Tool("patch", "Patches.", with_input(INPUT)),))


@pytest.mark.parametrize(("written", "fits"), [(r"ab\n12", True), ("x", True), ("ab12", False), ("xx", False)])
def test_the_engine_holds_the_input_to_the_regex(written: str, fits: bool) -> None:
    format = {"type": "grammar", "syntax": "regex", "definition": r"[a-z]+\n\d{2}|x"}
    constraint = request(asked(custom(format)), (), KEY).constraint
    assert constraint
    dialect = Dialect(tool=("<tool_call>", "</tool_call>"), tool_syntax="json_tools")
    lark = grammar(constraint, dialect, {}, opens_in="content", may_think=False)
    tokenizer = LLTokenizer("byte")
    call = f'<tool_call>\n{{"name": "patch", "arguments": {{"input": "{written}"}}}}\n</tool_call>'
    tokens = tokenizer.tokenize_str(call)
    assert (LLMatcher(tokenizer, lark).validate_tokens(tokens) == len(tokens)) is fits
