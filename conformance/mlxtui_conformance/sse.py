"""The bytes of an event stream become events as they were written, faults of framing left visible.

Knows nothing of JSON or chat. A lenient client hides exactly what this has to show.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LINE = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Event:
    """Consecutive lines up to a blank one; `closed` tells whether that blank line came."""

    fields: tuple[tuple[str, str], ...]
    closed: bool

    @property
    def data(self) -> str | None:
        """The joined data lines, or None for an event that has none (comments, bare names)."""
        lines = [value for name, value in self.fields if name == "data"]
        return "\n".join(lines) if lines else None

    @property
    def names(self) -> frozenset[str]:
        """Which field names the event uses; a comment's name is the empty string."""
        return frozenset(name for name, _ in self.fields)


def parse(raw: bytes) -> list[Event]:
    """Split a whole stream into events; UnicodeDecodeError when it is not UTF-8."""
    *lines, rest = LINE.split(raw)  # `rest` follows the last line end: never a blank line
    events: list[Event] = []
    fields: list[tuple[str, str]] = []
    for line in lines:
        if line:
            fields.append(_field(line.decode("utf-8")))
        elif fields:
            events.append(Event(tuple(fields), closed=True))
            fields = []
    if rest:
        fields.append(_field(rest.decode("utf-8")))
    if fields:  # no blank line came: a client that follows the standard never sees this event
        events.append(Event(tuple(fields), closed=False))
    return events


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")
