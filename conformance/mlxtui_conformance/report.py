"""Results become lines for a person: live on a terminal, plain in a pipe.

Knows nothing of HTTP or of how a verdict came about.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from .canary import Canary, describe
from .changes import Changes
from .check import Check, Level, Verdict
from .comparison import table
from .curl import curl
from .live import Board
from .looks import LOOKS
from .options import Options
from .results import Figures, Result, Run, figures
from .target import Target
from .visible import visible

WIDTH = 400  # columns for what was sent and what came back
PASTED = 1500  # characters of a curl line that are still shown


def alone(options: Options, url: str, target: Target, check: Check) -> str:
    """The command that runs one check by itself. Keys and header values stay out of it."""
    words = [url, "--select", check.id]
    if options.models:
        words += ["--model", target.model]
    if options.insecure:
        words.append("--insecure")
    for name, _ in options.headers:
        words += ["--header", f"{name}: …"]
    key = " --api-key …" if options.api_key else ""
    return f"{options.program} {shlex.join(words)}{key}"


class TextReport:
    """Prints while a run goes on, in the order of the suite; with `brief`, one line when a run is over."""

    def __init__(self, options: Options, out: TextIO, brief: bool) -> None:
        self.options = options
        self.brief = brief
        self.console = Console(file=out, highlight=False, soft_wrap=True)

    def started(self, url: str, canary: Canary, checks: Sequence[Check]) -> None:
        self.url = url
        self.target = canary.target
        self.console.print(Text(visible(describe(canary))))
        for warning in canary.warnings:
            self.console.print(Text(f"! {visible(warning)}", style="yellow"))
        self.board = Board(self.console, len(checks))
        self.order = [check.id for check in checks]
        self.early: dict[str, Result] = {}

    def begun(self, check: Check) -> None:
        self.board.begun(check)

    def result(self, result: Result) -> None:
        self.board.ended(result.check, result.verdict)
        self.early[result.check.id] = result
        while self.order and self.order[0] in self.early:
            self._told(self.early.pop(self.order.pop(0)))

    def finished(self, run: Run) -> None:
        if run.canary is None:
            return
        self.board.close()
        for result in self.early.values():  # those that waited for one that never ended
            self._told(result)
        if run.trouble:
            self.console.print(Text(visible(run.trouble), style="yellow"))
        for line in [counted(run)] if self.brief else summary(run):
            self.console.print(line)

    def compared(self, runs: Sequence[Run]) -> None:
        for line in table(runs):
            self.console.print(line)

    def changed(self, found: Changes) -> None:
        """What is different since the baseline, which decides the exit code."""
        for change in found.worse:
            self.console.print(Text(f"worse than before   {change}", style="bold red"))
        for change in found.better:
            self.console.print(Text(f"better than before  {change}", style="green"))
        if not found.worse:
            self.console.print(Text("nothing is worse than in the baseline"))

    def _told(self, result: Result) -> None:
        if self.brief or result.unrun:
            return  # one line for the check that saw the target go is enough
        if self.console.is_terminal:  # a row is a row; what is cut off is in --explain
            self.console.print(row(result), soft_wrap=False, no_wrap=True, overflow="ellipsis")
        else:
            self.console.print(row(result))
        for line in details(result, self.target, alone(self.options, self.url, self.target, result.check)):
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


def details(result: Result, target: Target, again: str) -> list[Text]:
    """The lines under a row: all there is to know for a fail, the reason for other troubles."""
    return [Text.assemble((f"    {name:<10}", "dim"), visible(text)) for name, text in told(result, target, again)]


def told(result: Result, target: Target, again: str) -> list[tuple[str, str]]:
    """What there is to know of a result beyond its row, each with its name."""
    lines = [("note", note) for note in result.notes]
    if result.verdict != Verdict.FAIL:
        return [*lines, *([("because", result.got)] if result.got else [])]
    request, answer = result.shown.brief() if result.shown else ("", "")
    command = curl(result.shown, target)
    asked = ("curl", command) if command and len(command) <= PASTED else ("request", _short(request))
    return [
        *lines,
        ("expected", result.expected),
        ("came back", result.got),
        asked,
        ("answer", _short(answer)),
        ("clause", result.check.clause),
        ("alone", again),
    ]


def summary(run: Run) -> list[Text]:
    return [
        Text(""),
        *(Text(line, style="bold red") for line in failed(run)),
        counted(run),
        *(Text(line) for line in spelled(figures(run.results))),
    ]


def counted(run: Run) -> Text:
    """How many checks ended how."""
    counts = {verdict: len(run.of(verdict)) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    return Text(f"{len(run.results)} checks: {told}" if told else "no check ran")


def failed(run: Run) -> list[str]:
    """The failed checks by level: what is left to do, without scrolling back."""
    found = ((level, [r.check.id for r in run.of(Verdict.FAIL, level)]) for level in Level)
    return [f"failed {level.value}: {' '.join(ids)}" for level, ids in found if ids]


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
