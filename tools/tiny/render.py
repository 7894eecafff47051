"""Conversation → text, piece by piece, each marked learnt or not; and → the OpenAI wire form.

The text equals what `chat_template.jinja` renders for the wire form (a test holds them together)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.tiny.talk import Conversation, Message, Mode, Param, Tool

THINK_SUFFIX = " /think"
NO_THOUGHT = "<think>\n\n</think>\n\n"


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    learn: bool = False


def compact(value: object) -> str:
    """JSON exactly as the `tojson` filter of the chat template writes it."""
    return json.dumps(value, ensure_ascii=False)


def signature(tool: Tool) -> str:
    params = ", ".join(_param(p) for p in tool.params)
    return f"{tool.name}({params}) {tool.description}".rstrip()


def _param(param: Param) -> str:
    kind = "|".join(param.choices) if param.choices else param.kind
    return f"{param.name}{'' if param.required else '?'}: {kind}"


def tools_block(tools: tuple[Tool, ...]) -> str:
    return "# Tools\n<tools>\n" + "".join(f"{signature(t)}\n" for t in tools) + "</tools>"


def pieces(talk: Conversation) -> Iterator[Piece]:
    """The whole conversation; every assistant turn is to be learnt up to its end mark."""
    messages = list(talk.messages)
    if talk.tools:
        head = messages.pop(0).content + "\n\n" if messages[0].role == "system" else ""
        yield Piece(f"<|im_start|>system\n{head}{tools_block(talk.tools)}<|im_end|>\n")
    last_user = max(i for i, m in enumerate(messages) if m.role == "user")
    for index, message in enumerate(messages):
        if message.role == "assistant":
            thought = _thought(message, talk.mode, current=index > last_user)
            final = index == len(messages) - 1
            yield from _assistant(message, thought, final and talk.mode == "off")
        else:
            yield Piece(_turn(messages, index, talk.mode == "high" and index == last_user))


def text(talk: Conversation) -> str:
    return "".join(p.text for p in pieces(talk))


def _thought(message: Message, mode: Mode, *, current: bool) -> str:
    return f"<think>\n{message.thought}\n</think>\n\n" if message.thought and current else ""


def _assistant(message: Message, thought: str, closed: bool) -> Iterator[Piece]:
    """`closed`: the generation prompt already holds an empty think block."""
    yield Piece("<|im_start|>assistant\n" + (NO_THOUGHT if closed else ""))
    blocks = [
        f'<tool_call>\n{{"name": "{c.name}", "arguments": {compact(c.arguments)}}}\n</tool_call>' for c in message.calls
    ]
    body = "\n".join(([message.content] if message.content else []) + blocks)
    if message.given:
        yield Piece(f"{thought}{message.given}")
        body, thought = body.removeprefix(message.given), ""
    yield Piece(f"{thought}{body}<|im_end|>", learn=True)
    yield Piece("\n")


def _turn(messages: list[Message], index: int, think: bool) -> str:
    message = messages[index]
    if message.role != "tool":
        suffix = THINK_SUFFIX if think else ""
        return f"<|im_start|>{message.role}\n{message.content}{suffix}<|im_end|>\n"
    first = messages[index - 1].role != "tool"
    last = index + 1 == len(messages) or messages[index + 1].role != "tool"
    return (
        ("<|im_start|>user" if first else "")
        + f"\n<tool_response>\n{message.content}\n</tool_response>"
        + ("<|im_end|>\n" if last else "")
    )


def to_wire(talk: Conversation) -> dict[str, Any]:
    """The same conversation as keyword arguments of `apply_chat_template`."""
    wire: dict[str, Any] = {"messages": [_message(m) for m in talk.messages]}
    if talk.tools:
        wire["tools"] = [_tool(t) for t in talk.tools]
    if talk.mode == "off":
        wire["enable_thinking"] = False
    if talk.mode == "high":
        wire["reasoning_effort"] = "high"
    return wire


def _message(message: Message) -> dict[str, Any]:
    out: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.thought:
        out["reasoning_content"] = message.thought
    if message.calls:
        out["content"] = message.content or None
        out["tool_calls"] = [
            {"type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in message.calls
        ]
    return out


def _tool(tool: Tool) -> dict[str, Any]:
    properties = {p.name: {"type": p.kind, **({"enum": list(p.choices)} if p.choices else {})} for p in tool.params}
    required = [p.name for p in tool.params if p.required]
    schema = {"type": "object", "properties": properties, "required": required}
    function = {"name": tool.name, "description": tool.description, "parameters": schema}
    return {"type": "function", "function": function}
