"""Several runs become a table, a column each: the figures, then the checks that don't pass everywhere.

Knows nothing of how they came about.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

from rich.text import Text

from .check import Check, Verdict
from .looks import LOOKS
from .results import Run, figures
from .visible import visible

CELL = 15  # columns for one endpoint
HEAD = 41  # columns for what a row is about


def apart(runs: Sequence[Run]) -> list[tuple[Check, list[Verdict | None]]]:
    """The checks that don't pass wherever they ran, in the order of the suite, with the verdict of each run."""
    found = [{result.check.id: result for result in run.results} for run in runs]
    checks = {result.check.id: result.check for run in runs for result in run.results}
    rows = [(check, [by[id].verdict if id in by else None for by in found]) for id, check in checks.items()]
    return [(check, row) for check, row in rows if set(row) - {None} != {Verdict.PASS}]


def table(runs: Sequence[Run]) -> list[Text]:
    names = [ascii_uppercase[at % 26] for at in range(len(runs))]
    lines = [Text(""), *(_legend(name, run) for name, run in zip(names, runs, strict=True)), Text("")]
    lines.append(_row("", [(name, "bold") for name in names]))
    sums = [figures(run.results) for run in runs]
    for figure in ("coverage", "conformance", "capability"):
        pairs = [getattr(found, figure) for found in sums]
        lines.append(_row(figure, [(f"{held} of {of}", "") for held, of in pairs]))
    for verdict in Verdict:
        counts = [len(run.of(verdict)) for run in runs]
        if any(counts):
            lines.append(_row(verdict.value, [(str(count), "") for count in counts]))
    rows = apart(runs)
    lines += [Text(""), *(_row(f"{check.level.value:<6} {check.id}", [_cell(v) for v in row]) for check, row in rows)]
    same = len({r.check.id for run in runs for r in run.results}) - len(rows)
    return [*lines, Text(f"{same} checks pass wherever they ran")]


def _legend(name: str, run: Run) -> Text:
    about = f"model {run.canary.target.model}" if run.canary else run.trouble
    return Text(f"{name}  {visible(run.url)}  {visible(about)}")


def _cell(verdict: Verdict | None) -> tuple[str, str]:
    if verdict is None:
        return "not run", "dim"
    sign, style = LOOKS[verdict]
    return f"{sign} {verdict.value}", style


def _row(head: str, cells: list[tuple[str, str]]) -> Text:
    padded = [(f"{text:<{CELL}}", style) for text, style in cells]
    line = Text.assemble(f"{head:<{HEAD}}", *padded)
    line.rstrip()
    return line


def comparison(runs: Sequence[Run]) -> dict[str, Any]:
    """The same as JSON; `checks` holds what the table's rows do."""
    return {
        "bases": [run.canary.target.base if run.canary else run.url for run in runs],
        "exits": [run.exit_code for run in runs],
        "checks": {check.id: [verdict and verdict.value for verdict in row] for check, row in apart(runs)},
    }
