"""Results as tables and a picture, for a person; progress on stderr while they come in. Knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mlxtui.bench import figures
from mlxtui.bench.figures import UNKNOWN
from mlxtui.bench.load import THROUGHPUT
from mlxtui.bench.plot import bars
from mlxtui.bench.results import FLOOR, Results, Task
from mlxtui.bench.rounds import Tell
from mlxtui.bench.scenario import Column, Scenario

PIPED = 160  # columns of a table that no terminal holds


@contextmanager
def progress(steps: int, err: TextIO) -> Iterator[Tell]:
    """A line at the bottom of a terminal, nothing in a pipe. Drawn between measurements, so never on their clock."""
    console = Console(file=err)
    columns = (TextColumn("measuring"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    line = Progress(
        *columns,
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        auto_refresh=False,
        disable=not console.is_terminal,
    )
    with line:
        shown = line.add_task("", total=steps)
        begun = iter(range(steps))
        yield lambda what: line.update(shown, completed=next(begun, steps), description=what, refresh=True)


def print_report(results: Results, out: TextIO) -> None:
    console = Console(file=out, highlight=False)
    if not console.is_terminal:
        console = Console(file=out, highlight=False, width=PIPED)
    for endpoint in results.endpoints:
        console.print(Text(f"{endpoint.label}  {endpoint.base}  {endpoint.model}"))
    for scenario, tasks in groupby(results.tasks, key=lambda task: task.scenario):
        rows = [(task, who) for task in tasks for who in contestants(results) if results.of(task, who)]
        if rows:
            console.print()
            console.print(table(results, scenario, rows))
    for line in plot(results, console.width):
        console.print(Text(line))
    for remark in results.remarks():
        console.print(Text(f"! {remark}", style="yellow"), soft_wrap=True)


def contestants(results: Results) -> list[str]:
    return [endpoint.label for endpoint in results.endpoints] + [FLOOR]


def table(results: Results, scenario: Scenario, rows: list[tuple[Task, str]]) -> Table:
    """One scenario: a row for each size and contestant."""
    shown = Table(title=Text(scenario.title, style="bold"), title_justify="left", box=None, pad_edge=False)
    ratios = columns_of_ratios(results, scenario)
    titles = [column.title for column in scenario.columns]
    heads = [*([scenario.size_is] if scenario.size_is else []), "endpoint", titles[0], *ratios, *titles[1:]]
    for head in heads:
        words_of_row = head in ("endpoint", scenario.size_is)
        shown.add_column(head, justify="left" if head == "endpoint" else "right", no_wrap=words_of_row)
    for task, who in rows:
        size = [str(task.size)] if scenario.size_is else []
        first, *others = (cell(results, task, who, column) for column in scenario.columns)
        against = [words(results.ratio(task, who, to)) for to in ratios.values()]
        shown.add_row(*size, who, first, *against, *others)
    return shown


def columns_of_ratios(results: Results, scenario: Scenario) -> dict[str, str]:
    """Title and contestant that the leading figure is put in ratio to."""
    found = {"of floor": FLOOR} if scenario.floor and results.has_floor() else {}
    if len(results.endpoints) > 1:
        found["of first"] = results.endpoints[0].label
    return found


def cell(results: Results, task: Task, who: str, column: Column) -> str:
    samples = results.pooled(task, who, column.figure)
    return column.words(column.summary(samples)) if samples else UNKNOWN


def words(ratio: float | None) -> str:
    return UNKNOWN if ratio is None else figures.ratio(ratio)


def plot(results: Results, width: int) -> list[str]:
    """Tokens a second over the number of clients."""
    groups = []
    for task in results.tasks:
        speeds = [(who, results.by_round(task, who, THROUGHPUT.lead)) for who in contestants(results)]
        rows = [(who, figures.p50(list(found.values()))) for who, found in speeds if found]
        if rows:
            groups.append((str(task.size), rows))
    return ["", "tokens/s over clients", *bars(groups, min(width, 100)), ""] if groups else []
