"""Options go in; a printed report, files and an exit code come out. Knows nothing of argument parsing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from itertools import zip_longest
from pathlib import Path
from typing import TextIO

from .changes import Verdicts, changes
from .check import Check
from .explain import explain, listing
from .junit import junit
from .markdown import markdown
from .options import Options
from .record import recorded
from .report import TextReport
from .report_json import JsonLines
from .results import INTERRUPTED, Run
from .saved import load, save
from .session import Session
from .suite import PROFILES, NoSuchCheck, chosen
from .target import unfit
from .visible import visible

UNREAD = 141  # SIGPIPE's, as shells have it


class Impossible(Exception):
    """The options ask for what can't be done: one line, for the user."""


def main(options: Options, out: TextIO | None = None, err: TextIO | None = None) -> int:
    """Do what the options say and return the exit code; `out` and `err` default to the standard
    streams. An interrupt prints what is known so far."""
    out, err = out or sys.stdout, err or sys.stderr
    if options.until_eof:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs begin with it ignored
        threading.Thread(target=_interrupt_at_eof, daemon=True).start()
    try:
        if options.explain is not None:
            explain(options.explain, out)
            return 0
        checks = _wanted(options)
        if options.list_only:
            listing(checks, out, options.json)
            return 0
        if not options.urls or not checks:
            raise Impossible("nothing to check: give a URL and leave some checks")
        if reason := next(filter(None, map(unfit, options.urls)), ""):
            raise Impossible(reason)
        return _checked(checks, options, out, err)
    except NoSuchCheck as pattern:
        print(f"no check matches {str(pattern)!r}; --list shows them all", file=err)
        return 2
    except Impossible as reason:
        print(reason, file=err)
        return 2
    except BrokenPipeError:  # `| head` has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        return UNREAD


def _interrupt_at_eof() -> None:
    """Whoever holds the other end of our standard input can't leave us behind, not even by dying."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGINT)


def _wanted(options: Options) -> tuple[Check, ...]:
    if options.profile not in PROFILES:
        raise Impossible(f"no profile {options.profile!r}; there are {', '.join(PROFILES)}")
    return chosen(options.select, options.skip, options.profile)


def _checked(checks: tuple[Check, ...], options: Options, out: TextIO, err: TextIO) -> int:
    before = _ready(options)
    report = JsonLines(options, out) if options.json else TextReport(options, out, len(options.urls) > 1)
    runs: list[Run] = []
    models = options.models * len(options.urls) if len(options.models) == 1 else options.models
    for url, model in zip_longest(options.urls, models):
        runs.append(Session(url, model, checks, options, report).go())
        if runs[-1].canary is None:
            print(visible(runs[-1].trouble), file=err)
        if runs[-1].interrupted:
            break
    _write(runs, options)
    if len(runs) > 1:
        report.compared(runs)
    codes = {run.exit_code for run in runs}
    if before is not None and runs[0].canary is not None:
        found = changes(runs[0], before)
        report.changed(found)
        codes = codes - {1} | {int(bool(found.worse))}
    return next((code for code in (2, 1, INTERRUPTED) if code in codes), 0)


def _ready(options: Options) -> Verdicts | None:
    """The baseline, and the certainty that the files can be written: before a minute of checks, not after."""
    if len(options.models) not in (0, 1, len(options.urls)):
        raise Impossible("--model goes once, or once for each URL")
    for name in ("save", "baseline"):
        if getattr(options, name) and len(options.urls) > 1:
            raise Impossible(f"--{name} takes one URL")
    for name in ("junit", "markdown", "save", "record", "baseline"):
        file: Path | None = getattr(options, name)
        try:
            if file is not None and name != "baseline":
                file.open("a", encoding="utf-8").close()
            elif file is not None:
                return load(file)
        except (OSError, ValueError) as error:
            raise Impossible(f"--{name} {file}: {error}") from error
    return None


def _write(runs: list[Run], options: Options) -> None:
    if options.junit:
        options.junit.write_text(junit(runs, options), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(markdown(runs, options), encoding="utf-8")
    if options.save and runs[0].judged:  # or a good baseline would give way to one that nothing is worse than
        options.save.write_text(save(runs[0], options), encoding="utf-8")
    if options.record:
        lines = (line for run in runs if run.canary for r in run.results for line in recorded(r, run.canary.target))
        options.record.write_text("".join(lines), encoding="utf-8")
