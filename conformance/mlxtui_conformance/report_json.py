"""Runs become JSON: an object a line as things happen ("kind": start, begin, result, end), or a run as one object.

Knows nothing of terminals.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TextIO

from .canary import Canary
from .changes import Changes
from .check import Check, Verdict
from .comparison import comparison
from .curl import curl
from .options import Options
from .report import alone
from .results import Result, Run, figures
from .target import Target

JsonObject = dict[str, Any]


class JsonLines:
    """The same calls as TextReport, another language."""

    def __init__(self, options: Options, out: TextIO) -> None:
        self.options = options
        self.out = out

    def started(self, url: str, canary: Canary, checks: Sequence[Check]) -> None:
        self.url = url
        self.target = canary.target
        coming = [{"id": c.id, "level": c.level.value, "meaning": c.meaning} for c in checks]
        self._line("start", **first(canary), checks=coming)

    def begun(self, check: Check) -> None:
        self._line("begin", id=check.id)

    def result(self, result: Result) -> None:
        self._line("result", **one(result, self.target, alone(self.options, self.url, self.target, result.check)))

    def finished(self, run: Run) -> None:
        if run.canary is not None:
            self._line("end", **last(run))

    def compared(self, runs: Sequence[Run]) -> None:
        self._line("comparison", **comparison(runs))

    def changed(self, found: Changes) -> None:
        sides = {"worse": found.worse, "better": found.better}
        told = {name: {c.result.check.id: c.before.value for c in side} for name, side in sides.items()}
        self._line("changes", **told)

    def _line(self, kind: str, **values: object) -> None:
        self.out.write(json.dumps({"kind": kind} | values, ensure_ascii=False) + "\n")
        self.out.flush()


def document(run: Run, options: Options) -> JsonObject:
    """A whole run as one JSON object."""
    if run.canary is None:
        return {"base": run.url, "trouble": run.trouble, "exit": run.exit_code, "results": []}
    target = run.canary.target
    told = [one(result, target, alone(options, run.url, target, result.check)) for result in run.results]
    return first(run.canary) | last(run) | {"results": told}


def first(canary: Canary) -> JsonObject:
    """What is checked."""
    return {
        "base": canary.target.base,
        "model": canary.target.model,
        "context": canary.target.context,
        "endpoints": canary.endpoints,
        "warnings": canary.warnings,
    }


def one(result: Result, target: Target, again: str) -> JsonObject:
    """How one check ended; with what was sent and came back unless it passed."""
    told: JsonObject = {
        "id": result.check.id,
        "level": result.check.level.value,
        "verdict": result.verdict.value,
        "seconds": round(result.seconds, 4),
        "meaning": result.check.meaning,
        "clause": result.check.clause,
        "notes": result.notes,
    }
    if result.verdict == Verdict.PASS:
        return told
    request, response = result.shown.brief() if result.shown else ("", "")
    why = {"expected": result.expected, "got": result.got, "request": request, "response": response}
    return told | why | {"curl": curl(result.shown, target), "alone": again}


def last(run: Run) -> JsonObject:
    """The figures of a run, each a pair [held, of]."""
    found = figures(run.results)
    return {
        "coverage": found.coverage,
        "conformance": found.conformance,
        "capability": found.capability,
        "verdicts": {verdict.value: len(run.of(verdict)) for verdict in Verdict},
        "interrupted": run.interrupted,
        "trouble": run.trouble,
        "exit": run.exit_code,
    }
