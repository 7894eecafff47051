"""What came out of each measurement, and how measurements are put together. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlxtui.bench.figures import p50, paired_ratio
from mlxtui.bench.scenario import Figures, Scenario

FLOOR = "floor"
"""The bare batch loop's label among the endpoints'."""


@dataclass(frozen=True, slots=True)
class Task:
    """One row of a table: a scenario at one size."""

    scenario: Scenario
    size: int

    @property
    def name(self) -> str:
        return f"{self.scenario.name} {self.size}" if self.scenario.size_is else self.scenario.name


@dataclass(frozen=True, slots=True)
class Outcome:
    """One measurement: figures, or the sentence that says why there are none."""

    round: int
    task: Task
    who: str
    figures: Figures = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the report says of an endpoint before its figures."""

    label: str
    base: str
    model: str
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Results:
    """Grows while measurements go on; complete at any time as far as it goes."""

    tasks: tuple[Task, ...]
    endpoints: list[Endpoint] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def of(self, task: Task, who: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.task == task and outcome.who == who]

    def pooled(self, task: Task, who: str, figure: str) -> list[float]:
        """The samples of all rounds."""
        return [sample for outcome in self.of(task, who) for sample in outcome.figures.get(figure, ())]

    def by_round(self, task: Task, who: str, figure: str) -> dict[int, float]:
        """Of each round that has samples, their median."""
        found = {outcome.round: outcome.figures.get(figure) for outcome in self.of(task, who)}
        return {number: p50(samples) for number, samples in found.items() if samples}

    def ratio(self, task: Task, who: str, to: str) -> float | None:
        """Of the scenario's leading figure, round by round."""
        lead = task.scenario.lead
        return paired_ratio(self.by_round(task, who, lead), self.by_round(task, to, lead))

    def has_floor(self) -> bool:
        return any(outcome.who == FLOOR for outcome in self.outcomes)

    def remarks(self) -> list[str]:
        """Notes and failures, each said once, with whom and what it is about."""
        lines = [f"{endpoint.label}: {note}" for endpoint in self.endpoints for note in endpoint.notes]
        for outcome in self.outcomes:
            failure = (f"not measured: {outcome.failure}",) if outcome.failure else ()
            lines += [f"{outcome.who}: {outcome.task.name}: {line}" for line in (*outcome.notes, *failure)]
        return list(dict.fromkeys(lines))
