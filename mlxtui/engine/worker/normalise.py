"""Conversations in other shapes, for chat templates that refuse the one they came in. Pure: messages in, messages out.

Messages are as templates get them, see `template`. Nothing said is lost; who says it and in which turn may change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

Messages = list[dict[str, Any]]
Change = Callable[[Messages], Messages]


def late_systems(messages: Messages) -> Messages:
    """Instructions are the user's from the first turn on: where they stand may matter, so they are not moved to it."""
    first = next((i for i, m in enumerate(messages) if m["role"] != "system"), len(messages))
    return [*merged(messages[:first]), *systems(messages[first:])]


def systems(messages: Messages) -> Messages:
    return [{**m, "role": "user"} if m["role"] == "system" else m for m in messages]


def merged(messages: Messages) -> Messages:
    """Neighbouring turns of one role as one, a blank line between them; the results of tools have each their own."""
    out: Messages = []
    for message in messages:
        last = out[-1] if out else {}
        if message["role"] == last.get("role") != "tool":
            out[-1] = _joined(last, message)
        else:
            out.append(message)
    return out


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    def both(key: str) -> str:
        return "\n\n".join(text for text in (one.get(key), other.get(key)) if text)

    calls = [*one.get("tool_calls", ()), *other.get("tool_calls", ())]
    reasoning = both("reasoning_content")
    return {
        **one,
        "content": both("content"),
        **({"tool_calls": calls} if calls else {}),
        **({"reasoning_content": reasoning} if reasoning else {}),
    }


def told_tools(messages: Messages) -> Messages:
    """Calls and their results in words, the results as turns of the user."""
    names = {call["id"]: call["function"]["name"] for m in messages for call in m.get("tool_calls", ())}
    return [_told(m, names) for m in messages]


def _told(message: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    if message["role"] == "tool":
        name = message.get("name") or names.get(message.get("tool_call_id", ""), "the tool")
        return {"role": "user", "content": f"Result of {name}:\n{message['content']}"}
    if "tool_calls" not in message:
        return message
    functions = [call["function"] for call in message["tool_calls"]]
    told = [f"I call {f['name']}({_text(f['arguments'])})." for f in functions]
    rest = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**rest, "content": "\n\n".join(filter(None, [message["content"], *told]))}


def text_arguments(messages: Messages) -> Messages:
    """Arguments as JSON text, as they came: DeepSeek's templates add them to other text."""

    def function(call: dict[str, Any]) -> dict[str, Any]:
        return {**call["function"], "arguments": _text(call["function"]["arguments"])}

    return _with_calls(messages, lambda call: {**call, "function": function(call)})


def short_ids(messages: Messages) -> Messages:
    """Ids of nine letters and digits: Mistral's templates accept no others."""
    renamed = _with_calls(messages, lambda call: {**call, "id": _short(call["id"])})
    return [{**m, "tool_call_id": _short(m["tool_call_id"])} if "tool_call_id" in m else m for m in renamed]


def parts(messages: Messages) -> Messages:
    """Content as a list of one part: templates of models that see know nothing else."""
    return [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in messages]


def _with_calls(messages: Messages, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Messages:
    return [{**m, "tool_calls": [*map(change, m["tool_calls"])]} if "tool_calls" in m else m for m in messages]


def _short(id: str) -> str:
    return id if len(id) == 9 and id.isalnum() else hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:9]


def _text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


_FORMS: tuple[tuple[Change, ...], ...] = (
    (),
    (text_arguments,),
    (short_ids,),
    (text_arguments, short_ids),
    (parts,),
)
_TURNS: tuple[tuple[Change, ...], ...] = (
    (),
    (late_systems,),
    (merged,),
    (late_systems, merged),
    (systems, merged),
    (late_systems, told_tools, merged),
    (systems, told_tools, merged),
)
WAYS = tuple((*turns, *form) for turns in _TURNS for form in _FORMS)
"""Changes that may help, one after another; ways that change little come first, and first of all none."""


def changed(messages: Messages, way: tuple[Change, ...]) -> Messages:
    for change in way:
        messages = change(messages)
    return messages
