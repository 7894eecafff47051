"""`/v1/chat/completions`: the wire's JSON becomes a Request. Pure: no I/O, no engine.

What happens to each field is said in `parameters.CHAT`; its shape in `chat_wire`.
"""

from __future__ import annotations

from typing import Any

from mlxtui.api.body import validate
from mlxtui.api.chat_wire import TemplateWire, WireChat, WireResponseFormat, WireTool, WireToolChoice
from mlxtui.api.parameters import CHAT, refuse
from mlxtui.errors import InvalidRequest
from mlxtui.types import Constraint, Priority, Request, Tool

PRIORITIES: dict[str, Priority] = {"priority": "high", "flex": "low"}
"""By OpenAI's service tiers; all others are one."""
ANY_OBJECT: dict[str, Any] = {"type": "object"}


def parse_chat(body: dict[str, Any]) -> WireChat:
    """The body, checked field by field.

    Raises:
        InvalidRequest: with `param` set to the field at fault.
    """
    refuse(CHAT, body)
    wire = validate(WireChat, body)
    _check_tools(wire)
    wire.check_stream_options()
    if wire.top_logprobs is not None and not wire.logprobs:
        raise InvalidRequest("'top_logprobs' needs 'logprobs': true", param="top_logprobs")
    return wire


def to_request(wire: WireChat) -> Request:
    """The request as the pipeline takes it."""
    tools = () if wire.tool_choice == "none" else tuple(to_tool(tool) for tool in wire.tools or ())
    return Request(
        model=wire.model,
        messages=tuple(message.to_message() for message in wire.messages),
        tools=tools,
        parallel_tool_calls=wire.parallel_tool_calls is not False,
        sampling=wire.sampling(),
        max_tokens=wire.max_completion_tokens or wire.max_tokens,
        stop=tuple(wire.stop or ()),
        template=template_variables(wire),
        n=wire.n,
        top_logprobs=(wire.top_logprobs or 0) if wire.logprobs else None,
        constraint=_constraint(wire, tools),
        reasoning_budget=wire.reasoning_budget,
        priority=PRIORITIES.get(wire.service_tier or "", "normal"),
        cache_key=wire.prompt_cache_key,
    )


def _constraint(wire: WireChat, tools: tuple[Tool, ...]) -> Constraint | None:
    """What has to be enforced; None when the model is free."""
    choice, schema = wire.tool_choice, _schema(wire.response_format)
    required, allowed = choice == "required", tools
    if isinstance(choice, WireToolChoice):
        required = choice.allowed_tools is None or choice.allowed_tools.mode == "required"
        allowed = tuple(tool for tool in tools if tool.name in choice.names)
    if schema is None and not required and allowed == tools and not any(tool.strict for tool in tools):
        return None
    return Constraint(schema, "required" if required else "auto", allowed, wire.parallel_tool_calls is not False)


def _schema(format: WireResponseFormat | None) -> dict[str, Any] | None:
    if format is None or format.type == "text":
        return None
    return format.json_schema.json_schema or ANY_OBJECT if format.json_schema else ANY_OBJECT


def template_variables(wire: TemplateWire) -> dict[str, Any]:
    """Effort "none" switches thinking off in templates of either kind."""
    effort = {"reasoning_effort": wire.reasoning_effort} if wire.reasoning_effort else {}
    switch = {"enable_thinking": False} if wire.reasoning_effort == "none" else {}
    return {**effort, **switch, **(wire.chat_template_kwargs or {})}


def to_tool(tool: WireTool) -> Tool:
    function = tool.function
    return Tool(function.name, function.description or "", function.parameters or {}, bool(function.strict))


def _check_tools(wire: WireChat) -> None:
    names = [tool.function.name for tool in wire.tools or ()]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InvalidRequest(f"two tools are named {name!r}", param=f"tools[{i}].function.name")
    if wire.tool_choice == "required" and not names:
        raise InvalidRequest("'tool_choice' = 'required' needs 'tools'", param="tool_choice")
    if isinstance(wire.tool_choice, WireToolChoice):
        for name in wire.tool_choice.names:
            if name not in names:
                raise InvalidRequest(f"'tool_choice' names {name!r}, which is none of the tools", param="tool_choice")
