"""What can be wrong inside tool calls, with many clients at once, and after the first byte, each with its check."""

from __future__ import annotations

import json
from typing import Any

from .brain import Json
from .hooks import CRASH, body, call_deltas, calls, dropping, instead, on, refusing
from .server import Asked, Defect


def arguments(change: Any) -> Any:
    """Alter the arguments of every call, as a value."""

    def edit(call: Json) -> None:
        value = change(json.loads(call["function"]["arguments"]))
        call["function"]["arguments"] = json.dumps(value, ensure_ascii=False)

    return calls(edit)


def stringly(value: Json) -> Json:
    """What a parser does that reads arguments out of markup."""
    return {name: below if isinstance(below, str) else json.dumps(below) for name, below in value.items()}


def cut_at_tag(value: Json) -> Json:
    return {name: str(below).partition("</tool_call>")[0] for name, below in value.items()}


def tools_of(asked: Asked) -> str:
    return json.dumps(body(asked).get("tools") or "")


def second_index(at: int, call: Json) -> None:
    call["index"] = 0


def ids(asked: Asked) -> list[str]:
    return [message["tool_call_id"] for message in body(asked).get("messages", []) if "tool_call_id" in message]


def bare_tools(request: Json) -> bool:
    return any("parameters" not in tool["function"] for tool in request.get("tools") or () if "function" in tool)


CALLS = (
    Defect("one-id-for-calls", "tools.parallel", completion=calls(lambda c: c.update(id="call_1"))),
    Defect("one-index", "tools.parallel", chunks=call_deltas(second_index)),
    Defect(
        "one-streamed-id",
        "tools.parallel",
        chunks=call_deltas(lambda at, c: c.update(id="call_1") if "id" in c else None),
    ),
    Defect("parallel-anyway", "tools.one-at-a-time", request=dropping("parallel_tool_calls")),
    Defect("arguments-stringly", "tools.typed", completion=arguments(stringly)),
    Defect("arguments-extra", "tools.typed", completion=arguments(lambda v: {**v, "thought": "hm"})),
    Defect("cut-at-tag", "tools.markup", completion=arguments(cut_at_tag)),
    Defect(
        "no-markup-in-past",
        "tools.markup",
        request=refusing(lambda r: "</tool_call>" in str(r["messages"])),
    ),
    Defect("no-schema-key", "tools.schemas", reply=on(lambda a: "$schema" in tools_of(a), instead(CRASH))),
    Defect("no-bare-tools", "tools.schemas", request=refusing(bare_tools)),
    Defect(
        "no-type-lists",
        "tools.schemas",
        reply=on(lambda a: '["string", "null"]' in tools_of(a), instead(CRASH)),
    ),
    Defect("foreign-crash", "tools.foreign-ids", reply=on(lambda a: "call_of_nobody" in ids(a), instead(CRASH))),
    Defect("twice-crash", "tools.foreign-ids", reply=on(lambda a: len(ids(a)) > 1, instead(CRASH))),
)
