"""Checks on tools in responses: calls as items, their outputs as input, and what Codex sends with every turn."""

from __future__ import annotations

import json

from ..check import Fail, Level, check
from ..context import Context
from ..shapes import JsonObject, cooperation, offered, require
from ..talk_responses import (
    FEW,
    LOOK,
    QUESTION,
    RUN,
    answer,
    body,
    budget,
    calling,
    message,
    post,
    tell,
)

CALL: JsonObject = {
    "type": "function_call",
    "call_id": "call_conformance1",
    "name": "get_weather",
    "arguments": '{"location": "Paris"}',
}
WORDS = '{"sky": "sunny", "degrees": 21}'
PARTS = [{"type": "input_text", "text": WORDS}]


def known(ctx: Context) -> None:
    """Unsupported when the server refuses tools as such, whatever they are used for."""

    def probe() -> None:
        offered(post(ctx, body(ctx, tools=[LOOK], max_output_tokens=FEW)), "tools")

    ctx.once("responses-tools", probe)


def _given(call: JsonObject, output: object) -> JsonObject:
    return {"type": f"{call['type']}_output", "call_id": call["call_id"], "output": output}


@check("responses.function-call", Level.MUST, "OpenAPI: FunctionToolCall; ToolChoiceFunction forces that function")
def function_call(ctx: Context) -> None:
    """A forced function is called: an item of its own, with ids, its name and arguments as a JSON string."""
    got = calling(ctx, LOOK)
    require(bool(got.calls), "a function_call item", got.raw["output"])
    for call in got.calls:
        require(call.get("type") == "function_call", "type function_call", call)
        for name in ("id", "call_id"):
            require(isinstance(call.get(name), str) and bool(call[name]), f"a string {name}", call)
        require(call.get("name") == LOOK["name"], f"the name {LOOK['name']}", call)
        require(call.get("status") == "completed", "status completed", call)
        _is_object(call.get("arguments"))


def _is_object(arguments: object) -> None:
    require(isinstance(arguments, str), "arguments as a string", arguments)
    try:
        require(isinstance(json.loads(str(arguments)), dict), "arguments: a JSON object", arguments)
    except ValueError as error:
        raise Fail("arguments that parse as JSON", str(arguments)) from error


@check("responses.tool-choice", Level.MUST, "OpenAPI: none means no call, required means at least one")
def tool_choice(ctx: Context) -> None:
    """tool_choice none makes no call though the question asks for one; required makes one though none is needed."""
    none = body(ctx, QUESTION, tools=[LOOK], tool_choice="none")
    got = answer(offered(post(ctx, none), "tool_choice none"))
    require(not got.calls, "no calls with none", got.raw["output"])
    required = body(ctx, "Hello!", tools=[LOOK], tool_choice="required", max_output_tokens=max(256, budget(ctx)))
    got = answer(offered(post(ctx, required), "tool_choice required"))
    cooperation(got.raw["status"] == "completed" or bool(got.text), "the call was not finished in time")
    require(bool(got.calls), "a call with required", got.raw["output"])


@check("responses.function-output", Level.MUST, "OpenAPI: FunctionCallOutput.output is a string or parts")
def function_output(ctx: Context) -> None:
    """A call and its output are accepted as input, the output as a string and as parts."""
    known(ctx)
    for output in (WORDS, PARTS):
        history = [message("user", "How is Paris?"), CALL, _given(CALL, output)]
        what = f"a function_call_output as {'a string' if output is WORDS else 'parts'}"
        tell(ctx, body(ctx, history, tools=[LOOK], max_output_tokens=FEW), what)


@check("responses.hosted-tools", Level.MUST, "Codex sends them with every turn")
def hosted_tools(ctx: Context) -> None:
    """Tools the server can't host are passed over, never a 400."""
    known(ctx)
    inner = {**LOOK, "name": "close_agent"}
    hosted: tuple[JsonObject, ...] = (
        {"type": "web_search", "external_web_access": True},
        {"type": "namespace", "name": "agents", "description": "Tools for sub-agents", "tools": [inner]},
        {"type": "image_generation", "output_format": "png"},
        {"type": "local_shell"},
        RUN,
    )
    for tool in hosted:
        request = body(ctx, "Hello!", tools=[LOOK, tool], max_output_tokens=FEW)
        tell(ctx, request, f"a tool of type {tool['type']}")


@check("responses.custom-tool", Level.SHOULD, "OpenAPI: CustomToolCall; apply_patch of Codex is one")
def custom_tool(ctx: Context) -> None:
    """A forced custom tool is called with free text, and its output is accepted."""
    got = calling(ctx, RUN)
    require(bool(got.calls), "a custom_tool_call item", got.raw["output"])
    call = got.calls[0]
    require(call.get("type") == "custom_tool_call", "type custom_tool_call", call)
    require(call.get("name") == RUN["name"], f"the name {RUN['name']}", call)
    for name in ("call_id", "input"):
        require(isinstance(call.get(name), str), f"a string {name}", call)
    history = [message("user", "Run it."), call, _given(call, "42")]
    tell(ctx, body(ctx, history, tools=[RUN], max_output_tokens=FEW), "a custom_tool_call_output")


CHECKS = (
    function_call,
    tool_choice,
    function_output,
    hosted_tools,
    custom_tool,
)
