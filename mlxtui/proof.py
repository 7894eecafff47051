"""A run of the conformance suite as it is known so far: its JSON lines come in, what stands for each check goes out.

Knows neither the suite nor how it is run or shown. What the lines say comes in part from the server that is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PROFILES = ("all", "chat", "responses", "agents")
WAITING, RUNNING, PASS, FAIL = "waiting", "running", "pass", "fail"


@dataclass(slots=True)
class Probe:
    """One check: `verdict` is the suite's word once it has ended."""

    id: str
    level: str = ""
    meaning: str = ""
    verdict: str = WAITING
    seconds: float | None = None
    clause: str = ""
    expected: str = ""
    got: str = ""
    request: str = ""
    response: str = ""
    again: str = ""
    """A command that runs this check alone."""
    notes: tuple[str, ...] = ()

    @property
    def troubled(self) -> bool:
        return self.verdict not in (WAITING, RUNNING, PASS)


@dataclass(slots=True)
class Proof:
    """`trouble` says why there was nothing to check, or what stopped it; `ended`: no more will come."""

    url: str
    profile: str
    model: str = ""
    warnings: tuple[str, ...] = ()
    probes: dict[str, Probe] = field(default_factory=dict)
    ended: bool = False
    interrupted: bool = False
    trouble: str = ""

    def take(self, line: Mapping[str, Any]) -> None:
        """One line; kinds that are not known change nothing."""
        match line.get("kind"):
            case "start":
                self.model = _text(line.get("model"))
                self.warnings = _texts(line.get("warnings"))
                for each in line.get("checks") or ():
                    self._probe(each)
            case "begin":
                self._probe(line).verdict = RUNNING
            case "result":
                self._result(line)
            case "end":
                self.interrupted = bool(line.get("interrupted"))
                self.trouble = _text(line.get("trouble"))

    def _probe(self, told: Mapping[str, Any]) -> Probe:
        probe = self.probes.setdefault(_text(told.get("id")), Probe(_text(told.get("id"))))
        probe.level, probe.meaning = (
            _text(told.get("level")) or probe.level,
            _text(told.get("meaning")) or probe.meaning,
        )
        return probe

    def _result(self, told: Mapping[str, Any]) -> None:
        probe = self._probe(told)
        for name in ("verdict", "clause", "expected", "got", "request", "response"):
            setattr(probe, name, _text(told.get(name)))
        probe.again = _text(told.get("alone"))
        probe.notes = _texts(told.get("notes"))
        seconds = told.get("seconds")
        probe.seconds = float(seconds) if isinstance(seconds, int | float) else None

    def end(self, trouble: str = "") -> None:
        """The run is over, whatever came of it; what had no turn stays waiting."""
        self.ended, self.trouble = True, trouble or self.trouble
        for probe in self.probes.values():
            if probe.verdict == RUNNING:
                probe.verdict = WAITING

    def counts(self) -> dict[str, int]:
        """How many checks stand where, in the order they are first found."""
        found: dict[str, int] = {}
        for probe in self.probes.values():
            found[probe.verdict] = found.get(probe.verdict, 0) + 1
        return found

    def broken(self) -> list[str]:
        """The musts that failed."""
        return [probe.id for probe in self.probes.values() if probe.verdict == FAIL and probe.level == "must"]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, value)) if isinstance(value, list) else ()
