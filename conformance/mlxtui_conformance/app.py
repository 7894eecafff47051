"""Options go in; a printed report and an exit code come out. Knows nothing of argument parsing.

0: all musts hold. 1: a must failed. 2: the target died, was never there, or there was nothing to run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TextIO

from .canary import Unusable, examine
from .check import Check
from .context import Shared
from .options import Options
from .report import TextReport
from .report_json import JsonReport
from .runner import Result, exit_code, run
from .suite import AREAS, CHECKS, PROFILES, NoSuchCheck, chosen
from .target import Limits
from .wire import transport

INTERRUPTED = 130  # as shells have it


def main(options: Options, out: TextIO | None = None, err: TextIO | None = None) -> int:
    """Do what the options say and return the exit code; `out` and `err` default to the standard
    streams. An interrupt prints what is known so far."""
    out, err = out or sys.stdout, err or sys.stderr
    try:
        if options.explain is not None:
            return _explain(options.explain, out)
        if options.profile not in PROFILES:
            print(f"no profile {options.profile!r}; there are {', '.join(PROFILES)}", file=err)
            return 2
        checks = chosen(options.select, options.skip, options.profile)
    except NoSuchCheck as pattern:
        print(f"no check matches {str(pattern)!r}; --list shows them all", file=err)
        return 2
    if options.list_only:
        return _list(checks, out)
    if not options.url or not checks:
        print("nothing to check: give a URL and leave some checks", file=err)
        return 2
    return _checked(checks, options, out, err)


def _checked(checks: tuple[Check, ...], options: Options, out: TextIO, err: TextIO) -> int:
    wire = transport()
    results: list[Result] = []
    interrupted = False
    report = JsonReport(options, out) if options.json else TextReport(options, len(checks), out)
    with report:
        try:
            for result in _results(checks, options, Shared(wire), report):
                results.append(result)
                report.result(result)
            wire.close()
        except Unusable as reason:
            wire.close()
            print(reason, file=err)
            return 2
        except KeyboardInterrupt:
            interrupted = True  # a check may still be on the wire: the end of the process ends it
    code = exit_code(results) or (INTERRUPTED if interrupted else 0)
    report.finished(results, code, interrupted)
    return code


def _results(
    checks: tuple[Check, ...], options: Options, shared: Shared, report: TextReport | JsonReport
) -> Iterator[Result]:
    limits = Limits(check=options.timeout)
    canary = examine(options.url, shared, limits, options.api_key, options.model, options.warmup)
    report.started(canary)
    yield from run(checks, canary.target, shared, options.concurrency)


def _list(checks: tuple[Check, ...], out: TextIO) -> int:
    wanted = set(checks)
    for area, members in AREAS:
        shown = [check for check in members if check in wanted]
        if shown:
            print(area, file=out)
        for check in shown:
            print(f"  {check.level.value:<6} {check.id:<29} {check.meaning}", file=out)
    print("Profiles", file=out)
    for name, profile in PROFILES.items():
        print(f"  {name:<10} {len(chosen((), (), name)):>3} checks: {profile.meaning}", file=out)
    return 0


def _explain(id: str, out: TextIO) -> int:
    found = next((check for check in CHECKS if check.id == id), None)
    if found is None:
        raise NoSuchCheck(id)
    print(f"{found.id}  ({found.level.value})\n\n{found.meaning}", file=out)
    if found.details:
        print(f"\n{found.details}", file=out)
    print(f"\nClause: {found.clause}", file=out)
    if found.asks_model:
        print("Needs the model's help: without it the verdict is inconclusive.", file=out)
    return 0
