"""Results become lines for a person: live on a terminal, plain in a pipe.

Knows nothing of HTTP or of how a verdict came about.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from .canary import Canary, describe
from .check import Check, Level, Verdict
from .options import Options
from .runner import Figures, Result, figures

# Sign, colour: the word is always there too, so nothing hangs on either.
LOOKS: dict[Verdict, tuple[str, str]] = {
    Verdict.PASS: ("✓", "green"),
    Verdict.FAIL: ("✗", "bold red"),
    Verdict.UNSUPPORTED: ("–", "cyan"),
    Verdict.INCONCLUSIVE: ("?", "yellow"),
    Verdict.UNREACHABLE: ("!", "bold magenta"),
}
WIDTH = 400  # columns for what was sent and what came back


def alone(options: Options, check: Check) -> str:
    """The command that runs one check by itself. The key stays out of it."""
    words = [options.url, "--select", check.id]
    if options.model:
        words += ["--model", options.model]
    key = " --api-key …" if options.api_key else ""
    return f"{options.program} {shlex.join(words)}{key}"


class TextReport:
    """Prints while the run goes on; a progress line at the bottom on a terminal only."""

    def __init__(self, options: Options, total: int, out: TextIO) -> None:
        self.options = options
        self.console = Console(file=out, highlight=False, soft_wrap=True)
        self.progress = Progress(
            TextColumn("checking"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task: TaskID = self.progress.add_task("", total=total)

    def __enter__(self) -> TextReport:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def started(self, canary: Canary) -> None:
        self.console.print(Text(describe(canary)))
        for warning in canary.warnings:
            self.console.print(Text(f"! {warning}", style="yellow"))

    def result(self, result: Result) -> None:
        if result.unrun:
            return  # one line for the check that saw the target go is enough
        self.console.print(row(result))
        for line in details(result, self.options):
            self.console.print(line)
        self.progress.update(self.task, advance=1, description=result.check.id)

    def finished(self, results: Sequence[Result], code: int, interrupted: bool) -> None:
        if interrupted:
            self.console.print(Text(f"interrupted after {len(results)} checks", style="yellow"))
        for line in summary(results):
            self.console.print(line)


def row(result: Result) -> Text:
    """One line: sign, verdict, level, id, time, meaning."""
    sign, style = LOOKS[result.verdict]
    return Text.assemble(
        (f"{sign} {result.verdict.value:<12}", style),
        f" {result.check.level.value:<6} ",
        (f"{result.check.id:<29}", "bold"),
        (f" {result.seconds:6.2f} s  ", "dim"),
        result.check.meaning,
    )


def details(result: Result, options: Options) -> list[Text]:
    """The lines under a row: all there is to know for a fail, the reason for other troubles."""
    lines = [("note", note) for note in result.notes]
    if result.verdict == Verdict.FAIL:
        lines += [
            ("expected", result.expected),
            ("came back", result.got),
            ("request", _short(result.request)),
            ("answer", _short(result.response)),
            ("clause", result.check.clause),
            ("alone", alone(options, result.check)),
        ]
    elif result.got:
        lines.append(("because", result.got))
    return [Text.assemble((f"    {name:<10}", "dim"), _oneline(text)) for name, text in lines]


def summary(results: Sequence[Result]) -> list[Text]:
    counts = {v: sum(result.verdict == v for result in results) for v in Verdict}
    told = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    found = figures(results)
    return [
        Text(""),
        *(Text(line, style="bold red") for line in failed(results)),
        Text(f"{len(results)} checks: {told}" if told else "no check ran"),
        *(Text(line) for line in spelled(found)),
    ]


def failed(results: Sequence[Result]) -> list[str]:
    """The failed checks by level: what is left to do, without scrolling back."""
    lines = []
    for level in Level:
        ids = [r.check.id for r in results if r.verdict == Verdict.FAIL and r.check.level == level]
        if ids:
            lines.append(f"failed {level.value}: {' '.join(ids)}")
    return lines


def spelled(found: Figures) -> list[str]:
    """The three figures, each with what it counts."""
    return [
        f"coverage     {_share(found.coverage)} checks found the feature there",
        f"conformance  {_share(found.conformance)} musts hold of those that could be judged",
        f"capability   {_share(found.capability)} times the model did what the check needed",
    ]


def _share(pair: tuple[int, int]) -> str:
    held, of = pair
    percent = f"{held / of:4.0%}" if of else "   –"
    return f"{held:>3} of {of:<3} {percent} "


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"


def _oneline(text: str) -> str:
    return text.replace("\r", "␍").replace("\n", "⏎")
