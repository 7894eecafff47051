"""The order of things: endpoints are made ready, then every task is measured on each of them in every round."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from mlxtui.bench.floor import Floor, started
from mlxtui.bench.load import RATE, THROUGHPUT
from mlxtui.bench.options import BadOption, Options
from mlxtui.bench.prompts import story
from mlxtui.bench.ready import WARM, ready, targets
from mlxtui.bench.results import FLOOR, Outcome, Results, Task
from mlxtui.bench.scenario import Aim, FloorWork, Measured
from mlxtui.bench.strain import DISCONNECT, GAP
from mlxtui.bench.talk import freed
from mlxtui.bench.turns import FOLLOWUP
from mlxtui.bench.wire import RequestFailed

SCENARIOS = (THROUGHPUT, RATE, FOLLOWUP, GAP, DISCONNECT)
SETTLED = 10.0  # seconds
Tell = Callable[[str], None]
"""Called with what is being done next, once for each endpoint and each step."""


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement to come."""

    round: int
    task: Task
    who: str


def chosen(options: Options) -> tuple[Task, ...]:
    """
    Raises:
        BadOption: no scenario has that name.
    """
    unknown = set(options.select) - {scenario.name for scenario in SCENARIOS}
    if unknown:
        names = ", ".join(scenario.name for scenario in SCENARIOS)
        raise BadOption(f"--select knows no {min(unknown)!r}; it takes {names}")
    picked = [scenario for scenario in SCENARIOS if not options.select or scenario.name in options.select]
    return tuple(Task(scenario, size) for scenario in picked for size in scenario.sizes(options))


def planned(tasks: Sequence[Task], labels: Sequence[str], rounds: int, floor: bool) -> list[Step]:
    """All endpoints one right after the other at each task, the floor before them; each round another one begins."""
    steps = []
    for number in range(1, rounds + 1):
        first = (number - 1) % len(labels)
        for task in tasks:
            if floor and task.scenario.floor:
                steps.append(Step(number, task, FLOOR))
            steps += [Step(number, task, who) for who in (*labels[first:], *labels[:first])]
    return steps


async def run(options: Options, results: Results, tell: Tell) -> None:
    """Fill `results`, measurement by measurement.

    Raises:
        Unusable: an endpoint does not answer, before anything is measured.
        FloorUnusable: the same of the floor.
    """
    nonce = options.nonce or secrets.token_hex(4)
    async with AsyncExitStack() as stack:
        floor = None
        if options.floor:
            floor = await stack.enter_async_context(started(options.floor))
            await _warm_up(floor, options, nonce)
        aims: dict[str, Aim] = {}
        for target in targets(options):
            tell(f"making {target.label} ready")
            aims[target.label], endpoint = await ready(options, target, nonce)
            results.endpoints.append(endpoint)
        places = {who: str(place) for place, who in enumerate(aims)}
        for step in planned(results.tasks, list(aims), options.rounds, floor is not None):
            tell(f"round {step.round}: {step.task.name} on {step.who}")
            scenario = step.task.scenario.name
            unique = f"{nonce}.{step.round}.{places.get(step.who, FLOOR)}.{scenario}.{step.task.size}"
            results.outcomes.append(await _measure(options, step, unique, aims.get(step.who) or floor))


async def _warm_up(floor: Floor, options: Options, nonce: str) -> None:
    """What the endpoints get when they are made ready."""
    most = max(options.clients)
    await floor.measure(FloorWork([story(nonce, number) for number in range(most)], WARM, most))


async def _measure(options: Options, step: Step, nonce: str, on: Aim | Floor | None) -> Outcome:
    """A failure is an outcome too: the others go on."""
    try:
        async with asyncio.timeout(options.timeout):
            if isinstance(on, Aim):
                measured = await _on_endpoint(replace(on, nonce=nonce), step.task)
            else:
                measured = await _on_floor(on, options, nonce, step.task)
    except RequestFailed as failed:
        return Outcome(step.round, step.task, step.who, failure=str(failed))
    except TimeoutError:
        return Outcome(
            step.round, step.task, step.who, failure=f"it took longer than {options.timeout:g} s (--timeout)"
        )
    return Outcome(step.round, step.task, step.who, measured.figures, measured.notes)


async def _on_endpoint(aim: Aim, task: Task) -> Measured:
    measured = await task.scenario.run(aim, task.size)
    if aim.idle is None:
        return measured
    try:
        async with asyncio.timeout(SETTLED):  # streams that were left may not disturb whoever comes next
            await freed(aim.target, aim.idle)
    except TimeoutError:
        return Measured(measured.figures, (*measured.notes, "requests that are not ours were still running there"))
    return measured


async def _on_floor(floor: Floor | None, options: Options, nonce: str, task: Task) -> Measured:
    assert floor
    assert task.scenario.floor
    work = task.scenario.floor(options, nonce, task.size)
    done = await floor.measure(work)
    return Measured({task.scenario.lead: [done.tokens / done.seconds]})
