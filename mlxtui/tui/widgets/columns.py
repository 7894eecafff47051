"""The columns of the requests table: each turns a Row into one cell. Order is importance: the last ones drop first.

Pure: it does not know widgets, cursors or scrolling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from mlxtui.row import Row
from mlxtui.tui.figures import age, count, duration, percent, rate
from mlxtui.tui.text import Line, Piece, Tone, fit
from mlxtui.types import Priority

GAP = "  "


@dataclass(frozen=True, slots=True)
class Moment:
    """What a cell needs besides its row: the present, and everybody's place in the queue."""

    now: float
    queue: dict[str, int]


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    width: int
    cell: Callable[[Row, Moment], Piece]
    right: bool = True


def state_cell(row: Row, moment: Moment) -> Piece:
    """Glyph and word, never colour alone."""
    match row.state:
        case "queued" if row.prompt_tokens is None:
            return "◌ new", "dim"
        case "queued":
            return f"◌ queued #{moment.queue.get(row.id, 0)}", "warn"
        case "prefill":
            done = row.prefill_done / row.prefill_total if row.prefill_total else 0.0
            eta = row.prefill_eta(moment.now)
            return f"◐ prefill {percent(done)}{_left(eta)}", "prefill"
        case "decode" if row.stalled(moment.now):
            return f"‖ stalled {age(moment.now - row.last_token)}", "bad"
        case "decode":
            return "▶ decode", "good"
    return _ending(row)


def _left(eta: float | None) -> str:
    """What is left, as short as can be: 12s, 3m."""
    if eta is None or eta < 1:
        return ""
    return f" {eta:.0f}s" if eta < 59.5 else f" {eta / 60:.0f}m"


def _ending(row: Row) -> Piece:
    if row.outcome == "error":
        return f"✗ {row.status} error", "bad"
    if row.outcome == "cancelled":
        return "✗ cancelled", "warn"
    return f"✓ {row.outcome}", "dim"


def _live(row: Row, tone: Tone = "") -> Tone:
    """Finished rows step back."""
    return "dim" if row.state == "done" else tone


def _tokens_out(row: Row, _: Moment) -> Piece:
    return count(row.completion_tokens or None), _live(row)


def _age(row: Row, moment: Moment) -> Piece:
    """Of a live request since it came, of a finished one since it ended."""
    since = row.finished if row.finished is not None else row.received
    return age(moment.now - since), _live(row)


def _id(row: Row, _: Moment) -> Piece:
    mark = "" if row.state == "done" else MARKS[row.priority]
    return short_id(row.id) + mark, _live(row, "bold")


MARKS: dict[Priority, str] = {"high": "↑", "normal": "", "low": "↓"}
COLUMNS = (
    Column("ID", 7, _id, right=False),
    Column("STATE", 17, state_cell, right=False),
    Column("PROMPT", 7, lambda row, _: (count(row.prompt_tokens), _live(row))),
    Column("OUT", 6, _tokens_out),
    Column("TOK/S", 5, lambda row, moment: (rate(row.rate(moment.now)), _live(row, "decode"))),
    Column("TTFT", 5, lambda row, _: (duration(row.ttft), _live(row))),
    Column("CACHED", 6, lambda row, _: (percent(row.cached_share()), _live(row))),
    Column("AGE", 5, _age),
    Column("CLIENT", 14, lambda row, _: (row.client, _live(row)), right=False),
    Column("ENDPOINT", 11, lambda row, _: (row.endpoint, _live(row)), right=False),
    Column("MODEL", 20, lambda row, _: (row.model, _live(row)), right=False),
)


def short_id(request: str) -> str:
    """The first six characters after any prefix like chatcmpl-, as on the server's console."""
    return request.replace("_", "-").rsplit("-", 1)[-1][:6]


@cache
def columns_for(width: int) -> list[Column]:
    """As many columns as fit into `width` cells; at least the first."""
    chosen: list[Column] = []
    for column in COLUMNS:
        width -= column.width + (len(GAP) if chosen else 0)
        if width < 0 and chosen:
            break
        chosen.append(column)
    return chosen


def head(columns: Sequence[Column]) -> Line:
    return ((GAP.join(fit(column.title, column.width, column.right) for column in columns), "head"),)


def row_line(columns: Sequence[Column], row: Row, moment: Moment) -> Line:
    line: list[Piece] = []
    for column in columns:
        text, tone = column.cell(row, moment)
        line += [(fit(text, column.width, column.right), tone), (GAP, "")]
    return tuple(line[:-1])
