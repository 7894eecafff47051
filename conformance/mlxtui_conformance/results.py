"""What checks found out: the Result of each, the figures of a whole Run, and its exit code.

Knows nothing of how results come about or are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .canary import Canary
from .check import Check, Level, Verdict
from .wire import Exchange

INTERRUPTED = 130  # as shells have it


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended. `expected` and `got` are set for a fail, `got` for the other troubles;
    `shown` is the exchange to look at after a check that did not pass, `exchanges` are all it made."""

    check: Check
    verdict: Verdict
    seconds: float
    expected: str = ""
    got: str = ""
    shown: Exchange | None = None
    exchanges: tuple[Exchange, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def unrun(self) -> bool:
        """The target was gone before this check's turn."""
        return self.verdict == Verdict.UNREACHABLE and not self.exchanges


@dataclass(frozen=True, slots=True)
class Run:
    """One endpoint's run, its results in the order of the suite.

    `canary` is None and `trouble` set when there was nothing to check; `trouble` also tells what
    cut a run short, and `interrupted` that it was the person at the keys.
    """

    url: str
    canary: Canary | None
    results: tuple[Result, ...] = ()
    trouble: str = ""
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """2 when there is no target, it died, or the time was over; 1 when a must failed; 0 when all musts hold."""
        if self.interrupted:
            return exit_code(self.results) or INTERRUPTED
        return 2 if self.trouble else exit_code(self.results)

    @property
    def judged(self) -> bool:
        """Whether the server lived long enough for a verdict on it."""
        return any(result.verdict != Verdict.UNREACHABLE for result in self.results)

    def of(self, verdict: Verdict, level: Level | None = None) -> list[Result]:
        """The results with a verdict, of one level or of all."""
        return [r for r in self.results if r.verdict == verdict and level in (None, r.check.level)]


@dataclass(frozen=True, slots=True)
class Figures:
    """Three figures never blended, each (held, of): what is there, which musts hold of those that
    could be judged, and how often the model did what a check needed."""

    coverage: tuple[int, int]
    conformance: tuple[int, int]
    capability: tuple[int, int]


def figures(results: Sequence[Result]) -> Figures:
    reached = [r for r in results if r.verdict != Verdict.UNREACHABLE]
    there = [r for r in reached if r.verdict != Verdict.UNSUPPORTED]
    judged = [r for r in there if r.verdict != Verdict.INCONCLUSIVE]
    musts = [r for r in judged if r.check.level == Level.MUST]
    held = [r for r in musts if r.verdict == Verdict.PASS]
    asked = [r for r in there if r.check.asks_model or r.verdict == Verdict.INCONCLUSIVE]
    obeyed = [r for r in asked if r.verdict != Verdict.INCONCLUSIVE]
    return Figures((len(there), len(reached)), (len(held), len(musts)), (len(obeyed), len(asked)))


def exit_code(results: Sequence[Result]) -> int:
    """2 when the target died, 1 when a must failed, else 0."""
    if any(result.verdict == Verdict.UNREACHABLE for result in results):
        return 2
    broken = (r.verdict == Verdict.FAIL and r.check.level == Level.MUST for r in results)
    return 1 if any(broken) else 0
