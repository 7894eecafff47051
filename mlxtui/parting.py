"""Which field of a request a place in its rendered prompt belongs to: text and an offset in, a path like
`messages[3].content` out. Pure; knows templates only by what they leave readable.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from mlxtui.types import Message, Request

MISSES = {
    "new": "nothing kept begins like this prompt",
    "parted": "the prompt parts from the nearest earlier one",
    "uncut": "this model's cache can't be cut back to the common part",
    "evicted": "the earlier prompt had to make room",
}
"""Why no more of a prompt was reused, by `events.MissReason`, in words."""


class Region(NamedTuple):
    """The part of the rendered text, [start, end), that a field became; `role` is its message's, or "tools"."""

    start: int
    end: int
    path: str
    role: str = "tools"


def field_at(request: Request, text: str, offset: int) -> str:
    """The path of the field that is written at `offset`; between two, that it is the template before the later one."""
    known = regions(request, text)
    inside = [region for region in known if region.start <= offset < region.end]
    if inside:
        return min(inside, key=lambda region: region.end - region.start).path
    after = next((region.path for region in known if region.start >= offset), None)
    return f"the template before {after}" if after else "the template after the last message"


def regions(request: Request, text: str) -> list[Region]:
    """The fields that can be found in the text of a conversation, in its order."""
    return sorted([*_tools(request, text), *_messages(request, text)])


def _messages(request: Request, text: str) -> Iterator[Region]:
    """Templates keep the order of messages, but may trim a text or leave it out (old reasoning)."""
    cursor = 0
    for index, message in enumerate(request.messages):
        for name, said in _said(message):
            start = text.find(said, cursor)
            if start >= 0:
                cursor = start + len(said)
                yield Region(start, cursor, f"messages[{index}].{name}", message.role)


def _said(message: Message) -> Iterator[tuple[str, str]]:
    fields = [("reasoning", message.reasoning or ""), ("content", message.content)]
    fields += [(f"tool_calls[{index}]", call.name) for index, call in enumerate(message.tool_calls)]
    return ((name, said) for name, text in fields if (said := text.strip()))


def _tools(request: Request, text: str) -> Iterator[Region]:
    """From each tool's name to the next one's; the last one's schema ends no later than the first message's turn."""
    starts = [(text.find(tool.name), f"tools[{index}]") for index, tool in enumerate(request.tools)]
    found = sorted(place for place in starts if place[0] >= 0)
    for (start, path), (end, _) in pairwise(found):
        yield Region(start, end, path)
    if found:
        start, path = found[-1]
        later = (region.start for region in _messages(request, text) if region.start > start)
        yield Region(start, min(later, default=len(text)), path)
