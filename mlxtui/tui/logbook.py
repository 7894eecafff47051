"""Which log lines the Logs screen shows: from a level on, filtered, repeats collapsed. Pure: a log in, Entries out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlxtui.state import LogLine
from mlxtui.tui.choose import matcher
from mlxtui.tui.text import Line, one_line
from mlxtui.tui.widgets.columns import short_id
from mlxtui.tui.widgets.log import LEVELS, clock

ORDER = [*LEVELS]

FIELDS: dict[str, Callable[[LogLine], str]] = {
    "level": lambda line: line.level,
    "request": lambda line: line.request or "",
    "message": lambda line: line.message,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that came `times` times in a row; `line` is the last of them, `since` the time of the first."""

    line: LogLine
    times: int
    since: float


def entries(log: Iterable[LogLine], level: str, query: str) -> list[Entry]:
    """What is left of `log`, oldest first."""
    least, matches = ORDER.index(level), matcher(query, FIELDS)
    found: list[Entry] = []
    for line in log:
        if ORDER.index(line.level) < least or not matches(line):
            continue
        last = found[-1] if found else None
        if last is not None and _same(last.line, line):
            found[-1] = Entry(line, last.times + 1, last.since)
        else:
            found.append(Entry(line, 1, line.t))
    return found


def _same(a: LogLine, b: LogLine) -> bool:
    return (a.level, a.message, a.request) == (b.level, b.message, b.request)


HEAD = "TIME      LEVEL    REQUEST  MESSAGE"


def entry_line(entry: Entry) -> Line:
    line, tone = entry.line, LEVELS[entry.line.level]
    return (
        (f"{clock(line.t)}  ", "dim"),
        (f"{line.level:<9}", tone),
        (f"{short_id(line.request) if line.request else '':<9}", "accent"),
        *(((f"×{entry.times} ", "warn"),) if entry.times > 1 else ()),
        (one_line(line.message), tone),
    )


def whole(entry: Entry) -> list[Line]:
    """The entry to be read: nothing cut off."""
    line, tone = entry.line, LEVELS[entry.line.level]
    often = f" {entry.times} times since {clock(entry.since)}" if entry.times > 1 else ""
    about: Line = ((f"  request {line.request}", "accent"),) if line.request else ()
    head: Line = ((clock(line.t), "dim"), (f"  {line.level}", tone), (often, "warn"), *about)
    return [head, *(((text, tone),) for text in line.message.split("\n"))]
