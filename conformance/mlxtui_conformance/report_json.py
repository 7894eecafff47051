"""Results become JSON, an object on each line with a "kind": start, result, end. Knows nothing of terminals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import TracebackType
from typing import TextIO

from .canary import Canary
from .check import Verdict
from .options import Options
from .report import alone
from .runner import Result, figures


class JsonReport:
    """The same calls as TextReport, another language."""

    def __init__(self, options: Options, out: TextIO) -> None:
        self.options = options
        self.out = out

    def __enter__(self) -> JsonReport:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.out.flush()

    def started(self, canary: Canary) -> None:
        self._line(
            kind="start",
            base=canary.target.base,
            model=canary.target.model,
            context=canary.target.context,
            endpoints=canary.endpoints,
            warnings=canary.warnings,
        )

    def result(self, result: Result) -> None:
        line: dict[str, object] = {
            "kind": "result",
            "id": result.check.id,
            "level": result.check.level.value,
            "verdict": result.verdict.value,
            "seconds": round(result.seconds, 4),
            "meaning": result.check.meaning,
            "clause": result.check.clause,
            "notes": result.notes,
        }
        if result.verdict != Verdict.PASS:
            line |= {
                "expected": result.expected,
                "got": result.got,
                "request": result.request,
                "response": result.response,
                "alone": alone(self.options, result.check),
            }
        self._line(**line)

    def finished(self, results: Sequence[Result], code: int, interrupted: bool) -> None:
        found = figures(results)
        self._line(
            kind="end",
            coverage=found.coverage,
            conformance=found.conformance,
            capability=found.capability,
            verdicts={v.value: sum(r.verdict == v for r in results) for v in Verdict},
            interrupted=interrupted,
            exit=code,
        )

    def _line(self, **values: object) -> None:
        self.out.write(json.dumps(values, ensure_ascii=False) + "\n")
        self.out.flush()
