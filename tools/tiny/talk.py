"""The values of the corpus: a Conversation is what one training row or one evaluation case is made of.

The last assistant message is the target; `check` says how the evaluation compares an answer with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Mode: TypeAlias = Literal["default", "off", "high"]
"""default: the model may think; off: enable_thinking=false; high: reasoning_effort="high"."""
Check: TypeAlias = Literal["exact", "contains", "calls", "json", "think"]


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    kind: str = "string"
    required: bool = True
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    params: tuple[Param, ...]


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    thought: str = ""
    calls: tuple[Call, ...] = ()
    given: str = ""
    """What a grammar makes the content begin with, whatever the model would rather say: not learnt."""


@dataclass(frozen=True, slots=True)
class Conversation:
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    mode: Mode = "default"
    check: Check = "exact"
    key: str = ""
    """What a `contains` check looks for; empty means the whole target."""


def system(text: str) -> Message:
    return Message("system", text)


def user(text: str) -> Message:
    return Message("user", text)


def says(text: str, thought: str = "") -> Message:
    return Message("assistant", text, thought)


def calls(*wanted: Call, content: str = "", thought: str = "") -> Message:
    return Message("assistant", content, thought, wanted)


def result(text: str) -> Message:
    return Message("tool", text)
