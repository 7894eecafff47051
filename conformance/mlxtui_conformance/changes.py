"""A run and the verdicts of an earlier one go in; what got worse and what better comes out. Knows no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .check import Verdict
from .results import Result, Run

Verdicts = Mapping[str, Verdict]


@dataclass(frozen=True, slots=True)
class Change:
    """One check that ended differently than it did."""

    result: Result
    before: Verdict

    def __str__(self) -> str:
        return f"{self.result.check.id}: {self.before.value} → {self.result.verdict.value}"


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different since a baseline. A check that the baseline does not know is no change.

    `worse`: a failure where there was none, or a feature that was there and is not any more, of any
    level. `better`: what failed passes, or is refused honestly.
    """

    worse: tuple[Change, ...]
    better: tuple[Change, ...]


def changes(run: Run, before: Verdicts) -> Changes:
    met = [Change(result, before[result.check.id]) for result in run.results if result.check.id in before]
    return Changes(tuple(c for c in met if _worse(c)), tuple(c for c in met if _better(c)))


def _worse(change: Change) -> bool:
    now, before = change.result.verdict, change.before
    failed = now == Verdict.FAIL and before != Verdict.FAIL
    return failed or (now == Verdict.UNSUPPORTED and before == Verdict.PASS)


def _better(change: Change) -> bool:
    return change.before == Verdict.FAIL and change.result.verdict in (Verdict.PASS, Verdict.UNSUPPORTED)
