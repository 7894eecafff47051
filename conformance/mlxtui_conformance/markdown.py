"""Runs become Markdown for a pull request or the summary of a CI job. Knows nothing of HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .check import Level, Verdict
from .options import Options
from .report import alone, told
from .results import Result, Run, figures
from .visible import visible

SPECIAL = re.compile(r"([\\`*_\[\]<>|~#])")
SIGNS = {Verdict.FAIL: "❌", Verdict.UNREACHABLE: "💀", Verdict.UNSUPPORTED: "➖", Verdict.INCONCLUSIVE: "❔"}
LENGTH = 300  # characters of a stranger's text in a table


def markdown(runs: Sequence[Run], options: Options) -> str:
    return "\n\n".join(block for run in runs for block in _blocks(run, options)) + "\n"


def _blocks(run: Run, options: Options) -> Iterator[str]:
    yield f"## {escaped(run.url)}"
    if run.trouble:
        yield f"**{escaped(run.trouble)}**"
    if run.canary is None:
        return
    yield f"Model {escaped(run.canary.target.model)}" + "".join(f"; {escaped(w)}" for w in run.canary.warnings)
    yield _figures(run)
    if troubles := [result for result in run.results if result.verdict != Verdict.PASS and not result.unrun]:
        yield _table(troubles)
    for result in run.of(Verdict.FAIL):
        yield _details(result, run, options)


def _figures(run: Run) -> str:
    found = figures(run.results)
    pairs = (("coverage", found.coverage), ("conformance", found.conformance), ("capability", found.capability))
    rows = [f"| {name} | {held} of {of} |" for name, (held, of) in pairs]
    rows += [f"| {verdict.value} | {len(run.of(verdict))} |" for verdict in Verdict if run.of(verdict)]
    return "\n".join(["| | |", "|---|---:|", *rows])


def _table(results: list[Result]) -> str:
    levels = list(Level)
    worst = sorted(results, key=lambda r: (r.verdict != Verdict.FAIL, levels.index(r.check.level)))
    rows = [
        f"| {SIGNS[r.verdict]} {r.verdict.value} | {r.check.level.value} | `{r.check.id}` | {r.check.meaning} "
        f"| {escaped(r.got)} |"
        for r in worst
    ]
    return "\n".join(
        ["| verdict | level | check | what should hold | what came back |", "|---|---|---|---|---|", *rows]
    )


def _details(result: Result, run: Run, options: Options) -> str:
    assert run.canary is not None  # or there were no results
    target = run.canary.target
    lines = told(result, target, alone(options, run.url, target, result.check))
    text = "\n".join(f"{name}: {visible(value)}" for name, value in lines)
    fence = "`" * (3 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"<details><summary><code>{result.check.id}</code></summary>\n\n{fence}text\n{text}\n{fence}\n\n</details>"


def escaped(text: str) -> str:
    """A stranger's words as nothing but words."""
    cut = text if len(text) <= LENGTH else f"{text[:LENGTH]}…"
    return SPECIAL.sub(r"\\\1", visible(cut)).replace("@", "@\u200b")  # nobody is to be notified by a server's words
