"""One endpoint and its checks go in; a Run comes out, however it ends, and a report hears of everything on the way.

Knows nothing of what a report makes of it, or of other endpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .canary import Canary, Unusable, examine
from .check import Check, Verdict
from .context import Shared
from .options import Options
from .results import Result, Run
from .runner import TimeIsUp, in_order, run, whereabouts
from .target import Limits, Target, base_url
from .wire import Deadline, transport


class Report(Protocol):
    """Who is told. `started` names the checks in the order in which they will run."""

    def started(self, url: str, canary: Canary, checks: Sequence[Check]) -> None: ...
    def begun(self, check: Check) -> None: ...
    def result(self, result: Result) -> None: ...
    def finished(self, run: Run) -> None: ...


class Session:
    """A run as it goes on; `go` ends with what is known, after an interrupt as well."""

    def __init__(self, url: str, model: str | None, checks: Sequence[Check], options: Options, report: Report) -> None:
        self.url = url
        self.model = model
        self.checks = checks
        self.options = options
        self.report = report
        self.canary: Canary | None = None
        self.running: list[str] = []
        self.results: list[Result] = []

    def go(self) -> Run:
        wire = transport(self.options.insecure)
        trouble, interrupted = "", False
        try:
            trouble = self._checked(Shared(wire))
            wire.close()  # not after an interrupt: a check may still be on the wire, and the end of the process ends it
        except Unusable as reason:
            wire.close()
            trouble = str(reason)
        except TimeIsUp:
            trouble = f"--total {self.options.total:g} s were over {self._where()}"
        except KeyboardInterrupt:
            trouble, interrupted = f"interrupted {self._where()}", True
        place = {check.id: at for at, check in enumerate(self.checks)}
        results = sorted(self.results, key=lambda result: place[result.check.id])
        done = Run(self.url, self.canary, tuple(results), trouble, interrupted)
        self.report.finished(done)
        return done

    def _checked(self, shared: Shared) -> str:
        """All checks; returns what became of a server that is gone by their end."""
        given = self.options
        until = None if given.total is None else Deadline.after(given.total)
        limits = Limits(check=given.timeout)
        aimed = Target(base_url(self.url), "", given.api_key, None, limits, given.headers, given.insecure)
        self.canary = examine(aimed, shared, self.model, given.warmup)
        self.report.started(self.url, self.canary, in_order(self.checks))
        for news in run(self.checks, self.canary.target, shared, given.concurrency, until):
            self._heard(news)
        return self._gone(self.canary.target, shared, until)

    def _gone(self, target: Target, shared: Shared, until: Deadline | None) -> str:
        lost = [result for result in self.results if result.verdict == Verdict.UNREACHABLE]
        if lost:
            unrun = sum(result.unrun for result in lost)
            return f"the server is gone since {lost[0].check.id}; {unrun} checks were not run"
        last = self.results[-1]
        if last.verdict != Verdict.FAIL:  # then it lived to give the last answer
            return ""
        gone = whereabouts(target, shared, until)
        return gone and f"the server is gone since {last.check.id}: {gone}"

    def _heard(self, news: Check | Result) -> None:
        if isinstance(news, Check):
            self.running.append(news.id)
            self.report.begun(news)
            return
        if news.check.id in self.running:
            self.running.remove(news.check.id)
        self.results.append(news)
        self.report.result(news)

    def _where(self) -> str:
        during = f", during {', '.join(self.running)}" if self.running else ""
        return f"after {len(self.results)} of {len(self.checks)} checks{during}"
