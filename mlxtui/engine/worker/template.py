"""From a conversation to the text of the model's chat template, in a shape that the template takes.

Templates are code of the models' makers. Some want turns of user and assistant to alternate, or know no system, no
tools or no second system message, and raise; some leave out without a word what they don't know. What a template takes
is found out by trying, and remembered. Touches no MLX array.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from mlxtui.engine.interface import ChatPrompt
from mlxtui.engine.worker.normalise import WAYS, Change, Messages, changed, merged, told_tools
from mlxtui.types import Message, Tool, ToolCall

_PRINTED_PART = "{'type': 'text'"  # by a template that takes a list for text


class TemplateError(Exception):
    """The template refuses a conversation, in its own words."""


class _Turn(NamedTuple):
    """What templates are particular about in a message, whatever it says."""

    role: str
    empty: bool
    calls: tuple[tuple[str, bool], ...]  # id, and whether the arguments are an object
    answers: str | None


def conversation(tokenizer: Any, prompt: ChatPrompt, *, opening: bool) -> str:
    """The text of a conversation; with `opening` it ends with the beginning of an answer.

    Raises:
        TemplateError: what the template says of the conversation as it came, when it takes it in no shape.
    """
    messages = [_message(message) for message in prompt.messages]
    if not tokenizer.has_chat_template:
        lines = [f"{m['role']}: {m['content']}\n" for m in merged(told_tools(messages))]
        return "".join(lines) + "assistant:" * opening
    way = _way(tokenizer, tuple(map(_turn, messages)), bool(prompt.tools))
    try:
        return _applied(tokenizer, changed(messages, way), prompt.tools, opening, prompt.template)
    except Exception as error:  # a template is the model maker's code: it may raise anything
        raise TemplateError(str(error)) from error


@lru_cache(maxsize=256)
def _way(tokenizer: Any, turns: tuple[_Turn, ...], with_tools: bool) -> tuple[Change, ...]:
    """The first way to change a conversation like this one so that all of it shows; else the first that is taken.

    Tried on a stand-in: what a template takes is a matter of roles and calls, and the words of a stand-in are its own.
    """
    messages = [_stand_in(number, turn) for number, turn in enumerate(turns)]
    said = [word for number, turn in enumerate(turns) for word in _words(number, turn)]
    tools, tried, taken = (Tool("f"),) * with_tools, list[Messages](), list[tuple[Change, ...]]()
    for way in WAYS:
        shape = changed(messages, way)
        if shape in tried:
            continue
        tried.append(shape)
        try:
            text = _applied(tokenizer, shape, tools, True, {})
        except Exception:  # if no way helps, the template says it again of the conversation itself
            continue
        if _PRINTED_PART not in text and all(word in text for word in said):
            return way
        taken.append(way)
    return taken[0] if taken else ()


def _turn(message: dict[str, Any]) -> _Turn:
    calls = message.get("tool_calls", ())
    objects = tuple((call["id"], isinstance(call["function"]["arguments"], dict)) for call in calls)
    return _Turn(message["role"], not message["content"], objects, message.get("tool_call_id"))


def _stand_in(number: int, turn: _Turn) -> dict[str, Any]:
    calls = tuple(ToolCall(id, f"call{number}x", "{}" if an_object else "") for id, an_object in turn.calls)
    content = "" if turn.empty else f"turn{number}x"
    return _message(Message(turn.role, content, calls, turn.answers))  # type: ignore[arg-type]


def _words(number: int, turn: _Turn) -> list[str]:
    """What must be in the text; not what the assistant said: thoughts are left out on purpose."""
    content = [] if turn.empty or turn.role == "assistant" else [f"turn{number}x"]
    return [*content, *([f"call{number}x"] if turn.calls else [])]


def _applied(
    tokenizer: Any, messages: Messages, tools: Sequence[Tool], opening: bool, variables: Mapping[str, Any]
) -> str:
    return str(
        tokenizer.apply_chat_template(
            messages,
            tools=[_tool(tool) for tool in tools] or None,
            add_generation_prompt=opening,
            tokenize=False,
            **variables,
        )
    )


def _message(message: Message) -> dict[str, Any]:
    optional = {
        "name": message.name,
        "tool_call_id": message.tool_call_id,
        "reasoning_content": message.reasoning,
        "tool_calls": [_call(call) for call in message.tool_calls] or None,
    }
    said = {key: value for key, value in optional.items() if value is not None}
    return {"role": message.role, "content": message.content} | said


def _call(call: ToolCall) -> dict[str, Any]:
    """Templates iterate over arguments or dump them: an object where they are one, the text where they are not."""
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        arguments = call.arguments
    function = {"name": call.name, "arguments": arguments if isinstance(arguments, dict) else call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}
