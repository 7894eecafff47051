"""Lines that agents write for their maker's servers into what the model is to read, different in every request: with
them, no prompt would ever begin like the one before. Messages in, messages out.

Only lines of this table, only whole, only in system messages. Nothing that could mean something to a model is touched
(dates, the state of a repository, ids): without it the answer might be another one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mlxtui.types import Message


@dataclass(frozen=True, slots=True)
class Line:
    """`starts` is how the line begins, up to its end it goes out."""

    agent: str
    starts: str
    why: str


LINES = (
    Line(
        "Claude Code",
        "x-anthropic-billing-header:",
        "a checksum of the request for Anthropic's billing (anthropics/claude-code#24168)",
    ),
)
_PATTERN = re.compile("|".join(rf"^{re.escape(line.starts)}[^\n]*(?:\n|\Z)" for line in LINES), re.MULTILINE)


def without_volatile(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The same messages, one for one; those that hold no such line are the same objects."""
    return tuple(_cleaned(message) if message.role == "system" else message for message in messages)


def _cleaned(message: Message) -> Message:
    content = _PATTERN.sub("", message.content)
    return message if content == message.content else replace(message, content=content)
