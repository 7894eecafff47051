"""Request bodies and answers as lines to read. Pure: wire JSON of any API and an Answer come in, Lines go out.

Bodies are shown as they were sent, so nothing is taken for granted about their shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mlxtui.answer import Answer, Call
from mlxtui.parting import MISSES
from mlxtui.tui.text import Line, Tone

ROLES: dict[str, Tone] = {
    "system": "warn",
    "developer": "warn",
    "user": "accent",
    "assistant": "good",
    "tool": "prefill",
}
SIDES: tuple[tuple[str, Tone], ...] = (("was", "bad"), ("now", "good"))
LONG = ("messages", "prompt", "input", "instructions", "tools")


def message_lines(body: Mapping[str, Any]) -> list[Line]:
    """The conversation as the client sent it, then its other parameters."""
    lines: list[Line] = []
    if instructions := body.get("instructions"):
        lines += _turn("instructions", instructions)
    turns = body.get("messages") or body.get("input") or body.get("prompt") or []
    for number, turn in enumerate(turns if isinstance(turns, list) else [turns]):
        lines += _turn(*_said(turn), str(number) if "messages" in body else "")
    if tools := body.get("tools"):
        lines += [*_heading("tools", "head"), *map(_tool, tools if isinstance(tools, list) else [tools]), ()]
    rest = {name: value for name, value in body.items() if name not in LONG}
    return [*lines, *_heading("parameters", "head"), *_parameters(rest)]


def miss_lines(miss: Any) -> list[Line]:
    """Why no more of the prompt was reused; nothing if all that was known was."""
    if not isinstance(miss, Mapping):
        return []
    lines: list[Line] = [*_heading("cache", "head"), ((MISSES.get(str(miss.get("reason")), "not reused"), ""),)]
    if miss.get("reason") != "new":
        lines[-1] += ((f" after token {miss.get('at')}, in {miss.get('where') or 'the prompt'}", "dim"),)
        lines += [((f"{side}  ", "dim"), (repr(miss.get(side)), tone)) for side, tone in SIDES]
    return [*lines, ()]


def chain_lines(chain: Any) -> list[Line]:
    """The responses that this one goes on from."""
    ids = chain if isinstance(chain, list) else []
    return [*_heading("goes on from", "head"), *(((str(id), "dim"),) for id in ids), ()] if ids else []


def _said(turn: Any) -> tuple[str, Any]:
    if not isinstance(turn, Mapping):
        return "prompt", turn
    said = turn.get("content")
    calls = turn.get("tool_calls")
    if calls:
        said = [*([said] if said else []), *calls] if isinstance(calls, list) else [said, calls]
    role = str(turn.get("role") or turn.get("type") or "item")
    return role, said if "content" in turn or calls else turn


def _turn(role: str, content: Any, number: str = "") -> list[Line]:
    """`number` as in the names of fields: messages[3]."""
    return [*_heading(f"{role} {number}".rstrip(), ROLES.get(role, "head")), *_content(content), ()]


def _heading(name: str, tone: Tone) -> list[Line]:
    return [((f"── {name} ", tone),)]


def _content(content: Any) -> Iterator[Line]:
    match content:
        case None:
            return
        case str():
            yield from text_lines(content)
        case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
            yield from text_lines(text)
        case {"function": {"name": str(name), "arguments": str(arguments)}}:
            yield ((f"→ {name}", "bold"), (f" {arguments}", ""))
        case list():
            for part in content:
                yield from _content(part)
        case _:
            yield from text_lines(json.dumps(content, ensure_ascii=False, indent=2))


def _tool(tool: Any) -> Line:
    function = tool.get("function", tool) if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping):
        return ((json.dumps(tool, ensure_ascii=False), ""),)
    said = f"  {function.get('description') or ''}".replace("\n", " ")
    return ((f"{function.get('name')}", "bold"), (_takes(function.get("parameters")), ""), (said, "dim"))


def _takes(schema: Any) -> str:
    """A tool's arguments by name, those it can do without with a question mark."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping):
        return ""
    required = schema.get("required")
    needed = required if isinstance(required, list) else []
    return f"({', '.join(str(name) + ('' if name in needed else '?') for name in properties)})"


def _parameters(rest: Mapping[str, Any]) -> list[Line]:
    return [((f"{name} ", "dim"), (json.dumps(value, ensure_ascii=False), "")) for name, value in rest.items()]


def answer_lines(answer: Answer, error: str | None, live: bool) -> list[Line]:
    """Reasoning, content and tool calls apart; what went wrong last."""
    lines: list[Line] = []
    if answer.reasoning:
        lines += [*_heading("reasoning", "head"), *text_lines(answer.reasoning, "dim"), ()]
    if answer.content:
        lines += [*_heading("content", "good"), *text_lines(answer.content), ()]
    for call in answer.calls:
        lines += _call(call)
    if error:
        lines += [*_heading("error", "bad"), *text_lines(error, "bad")]
    if not lines:
        return [(("waiting for the first token…" if live else "no output", "dim"),)]
    return lines[:-1] if lines[-1] == () else lines


def _call(call: Call) -> list[Line]:
    return [*_heading(f"tool call {call.name} {call.id}".rstrip(), "prefill"), *text_lines(_pretty(call.arguments)), ()]


def _pretty(arguments: str) -> str:
    """Complete JSON laid out; what is still growing as it is."""
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False, indent=2)
    except ValueError:
        return arguments


def text_lines(text: str, tone: Tone = "") -> list[Line]:
    return [((line, tone),) for line in text.replace("\r\n", "\n").split("\n")]
