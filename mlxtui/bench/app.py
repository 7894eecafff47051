"""Options go in; a printed report and an exit code come out. Knows nothing of argument parsing."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TextIO

from mlxtui.bench.options import Options, check, is_loopback
from mlxtui.bench.report import print_report, progress
from mlxtui.bench.report_json import as_json
from mlxtui.bench.results import Results
from mlxtui.bench.rounds import chosen, planned, run

INTERRUPTED = 130  # as shells have it


def main(options: Options, out: TextIO | None = None, err: TextIO | None = None) -> int:
    """Measure, print and return the exit code; `out` and `err` default to the standard streams.

    Raises:
        UserError: nothing can be measured: a wrong option, an endpoint that does not answer, no model for the floor.
    """
    out, err = out or sys.stdout, err or sys.stderr
    check(options)
    results = Results(chosen(options))
    for url in options.urls:
        if not is_loopback(url):
            print(f"mlxtui: this sends load to {url}: be sure that it is yours", file=err)
    interrupted = False
    gc.freeze()  # a collection while streams are read looks at what is new only: it would be seen as a pause of theirs
    try:
        with progress(len(options.urls) + steps(options, results), err) as tell:
            asyncio.run(run(options, results, tell))
    except KeyboardInterrupt:
        interrupted = True
    failed = any(outcome.failure for outcome in results.outcomes)
    code = INTERRUPTED if interrupted else int(failed)
    if options.json:
        print(as_json(options, results, code, interrupted), file=out, flush=True)
        return code
    print_report(results, out)
    if interrupted:
        print(f"interrupted after {len(results.outcomes)} measurements", file=out, flush=True)
    return code


def steps(options: Options, results: Results) -> int:
    return len(planned(results.tasks, options.urls, options.rounds, options.floor is not None))
