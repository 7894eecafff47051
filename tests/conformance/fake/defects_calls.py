"""What can be wrong inside tool calls, with many clients at once, and after the first byte, each with its check."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from .brain import Json
from .chat import frame
from .hooks import CRASH, Memory, body, call_deltas, calls, dropping, edited, instead, on, refusing
from .server import Asked, Defect, Said


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


def bare_error(raw: bytes) -> bytes:
    return frame({"error": "boom"}) if b'"error"' in raw else raw


def without_error(asked: Asked, frames: list[bytes]) -> list[bytes]:
    """The stream is just cut, as by a worker that dies."""
    broken = any(b'"error"' in raw for raw in frames)
    return [raw for raw in frames if b'"error"' not in raw and b"[DONE]" not in raw] if broken else frames


def going_on(asked: Asked, frames: list[bytes]) -> list[bytes]:
    return [*frames[:-1], frames[0], frames[-1]] if any(b'"error"' in raw for raw in frames) else frames


LATE = (
    Defect("cut-silently", "errors.mid-stream", frames=without_error),
    Defect("late-error-bare", "errors.mid-stream", frames=lambda asked, frames: [bare_error(raw) for raw in frames]),
    Defect("goes-on-after-error", "errors.mid-stream", frames=going_on),
)


def by_turns(past: Json, asked: Asked, answer: Json) -> Any:
    """Every other answer is another one."""
    past["count"] = past.get("count", 0) + 1
    text = answer["choices"][0]["message"]["content"]
    return edited(lambda a: a["choices"][0]["message"].update(content=f"{text}{past['count'] % 2}"))(asked, answer)


def third_fails(past: Json, asked: Asked, said: Said) -> Said:
    past["count"] = past.get("count", 0) + ("Session" in str(asked.body))
    return CRASH if past["count"] == 3 else said


def full_as(status: int) -> Any:
    """A full queue is told by this status, without a hint when to come again."""
    return lambda asked, said: replace(said, status=status, headers={}) if said.status == 429 else said


CROWDS = (
    Defect("waits-for-nobody", "concurrency.queued-leaves", flags=frozenset({"deaf-queue"})),
    Defect("counts-resets", "concurrency.reset-after-done", flags=frozenset({"counts-resets"})),
    Defect("one-by-turns", "concurrency.identical", completion=Memory(by_turns)),
    Defect("one-of-four-fails", "concurrency.identical", reply=Memory(third_fails)),
    Defect("serial", "concurrency.short-beside-long", flags=frozenset({"serial"})),
    Defect("full-as-503", "concurrency.queue-full", reply=full_as(503)),
    Defect("full-for-ever", "concurrency.queue-full", reply=full_as(429)),
)

CROWDED = CALLS + LATE + CROWDS
