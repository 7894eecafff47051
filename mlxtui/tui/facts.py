"""The figures of one request in a few lines: who asked, how much, how fast, under which sampling. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlxtui.row import Row
from mlxtui.tui.figures import count, percent, rate
from mlxtui.tui.text import Line, joined
from mlxtui.tui.view import View
from mlxtui.tui.widgets.columns import Moment, short_id, state_cell

GAP = "   "
NEUTRAL: dict[str, Any] = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
    "xtc_probability": 0.0,
    "logit_bias": [],
}
"""Values that change nothing are not shown; of the others the temperature always is."""
SILENT = ("constraint", "xtc_threshold")


def facts(view: View, request: str, told: Mapping[str, Any], width: int) -> list[Line]:
    row = view.state.row(request)
    if row is None:
        return [((short_id(request), "bold"), ("  no longer in the list", "dim"))]
    return [
        joined(_who(row, view), GAP, width),
        joined(_figures(row, view.now), GAP, width),
        joined(_in_force(row, told), GAP, width),
    ]


def _who(row: Row, view: View) -> list[Line]:
    priority: list[Line] = [] if row.priority == "normal" else [(("priority ", "dim"), (row.priority, ""))]
    return [
        ((row.id, "bold"),),
        (state_cell(row, Moment(view.now, view.state.queue())),),
        *priority,
        (("from ", "dim"), (row.client, "")),
        ((row.endpoint, ""), (" streamed" if row.stream else " at once", "dim")),
        (("model ", "dim"), (row.model, "")),
    ]


def _figures(row: Row, now: float) -> list[Line]:
    thought: Line = ((f" ({count(row.reasoning_tokens)} reasoning)", "dim"),) if row.reasoning_tokens else ()
    return [
        (("prompt ", "dim"), (count(row.prompt_tokens), "")),
        (("cached ", "dim"), (percent(row.cached_share()), "good" if row.cached_tokens else "")),
        (("out ", "dim"), (count(row.completion_tokens), ""), *thought),
        ((rate(row.rate(now)), "decode"), (" tok/s", "dim")),
        _end(row),
    ]


def _end(row: Row) -> Line:
    if row.outcome is None:
        return (("not finished", "dim"),)
    return (("finish ", "dim"), (row.outcome, ""), (f"  status {row.status}", "dim"))


def _in_force(row: Row, told: Mapping[str, Any]) -> list[Line]:
    """The sampling the answer is drawn under; what the request did not say itself is dim."""
    sampling, body = told.get("in_force"), told.get("request")
    if not isinstance(sampling, Mapping):
        return [(("no sampling: refused before it came to that" if row.status >= 400 and told else "", "dim"),)]
    said = body if isinstance(body, Mapping) else {}
    parts: list[Line] = [
        ((f"{name} ", "dim"), (_value(value), "" if name in said else "dim"))
        for name, value in sampling.items()
        if name not in SILENT and value != NEUTRAL.get(name)
    ]
    return [*parts, *_constraint(sampling.get("constraint"))]


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _constraint(constraint: Any) -> list[Line]:
    if not isinstance(constraint, Mapping):
        return []
    held = ["a JSON schema"] if constraint.get("schema") is not None else []
    held += ["calls required"] if constraint.get("calls") == "required" else []
    return [(("held to ", "dim"), (" or ".join(held) or "the tools' schemas", ""))]
