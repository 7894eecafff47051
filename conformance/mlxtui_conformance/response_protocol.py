"""What a stream of response events is made of: the rules, the stages of its life, the ways for a text to come.

Tables and values only; response_events.py reads a stream by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from .shapes import JsonObject


class Rule(StrEnum):
    """What can be wrong with a stream; each rule is the claim of one check."""

    LIFECYCLE = "lifecycle"
    SEQUENCE = "sequence"
    NAMES = "names"
    NESTING = "nesting"
    IDENTITY = "identity"
    TEXT = "text"
    ARGUMENTS = "arguments"
    STATUS = "status"
    REASONING = "reasoning"


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` counts events from 0."""

    rule: Rule
    at: int
    expected: str
    got: str


class Stage(Enum):
    """How far the response is."""

    START = auto()
    CREATED = auto()
    RUNNING = auto()
    FAILING = auto()
    ENDED = auto()


RUN_UP = {"response.queued": Stage.CREATED, "response.in_progress": Stage.RUNNING, "error": Stage.FAILING}
ENDINGS = {f"response.{end}": Stage.ENDED for end in ("completed", "incomplete", "failed")}
NEXT: dict[Stage, dict[str, Stage]] = {
    Stage.START: {"response.created": Stage.CREATED},
    Stage.CREATED: {**RUN_UP, "response.failed": Stage.ENDED},
    # A second in_progress is a sign of life for clients that count events only.
    Stage.RUNNING: {"response.in_progress": Stage.RUNNING, "error": Stage.FAILING, **ENDINGS},
    Stage.FAILING: {"response.failed": Stage.ENDED},
    Stage.ENDED: {},
}
LIFE = frozenset(kind for ways in NEXT.values() for kind in ways)


@dataclass(frozen=True, slots=True)
class Channel:
    """One way for a text to come: `<stem>.delta`, then `<stem>.done` with all of it under `name`.

    Inside a `<part>.added` and `<part>.done`, counted by `index`, unless the item has only one text.
    """

    stem: str
    item: str
    name: str
    rule: Rule
    part: str = ""
    index: str = ""


CONTENT = ("response.content_part", "content_index")
SUMMARY = ("response.reasoning_summary_part", "summary_index")
CHANNELS = (
    Channel("response.output_text", "message", "text", Rule.TEXT, *CONTENT),
    Channel("response.refusal", "message", "refusal", Rule.TEXT, *CONTENT),
    Channel("response.reasoning_text", "reasoning", "text", Rule.TEXT, *CONTENT),
    Channel("response.reasoning_summary_text", "reasoning", "text", Rule.TEXT, *SUMMARY),
    Channel("response.function_call_arguments", "function_call", "arguments", Rule.ARGUMENTS),
    Channel("response.custom_tool_call_input", "custom_tool_call", "input", Rule.ARGUMENTS),
)
STEMS = {channel.stem: channel for channel in CHANNELS}
PARTS = {channel.part for channel in CHANNELS if channel.part}
KINDS = {
    "output_text": STEMS["response.output_text"],
    "refusal": STEMS["response.refusal"],
    "reasoning_text": STEMS["response.reasoning_text"],
    "summary_text": STEMS["response.reasoning_summary_text"],
}
CALLS = {channel.item: channel for channel in CHANNELS if not channel.part}
IDENTITY = ("id", "type", "call_id", "name", "role")

Texts = dict[tuple[str, int], object]  # where in its item a text stands: which list, and which place in it


def texts(item: JsonObject) -> Texts:
    """All the texts an item holds."""
    kind = str(item.get("type"))
    if kind in CALLS:
        return {("", 0): item.get(CALLS[kind].name)}
    lists = {"content_index": item.get("content"), "summary_index": item.get("summary")}
    return {
        (index, at): part.get("text", part.get("refusal"))
        for index, parts in lists.items()
        for at, part in enumerate(parts if isinstance(parts, list) else [])
        if isinstance(part, dict)
    }
