"""The command line of `python -m mlxtui_conformance` becomes Options. Knows nothing of what a run does."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .app import main
from .options import Options
from .suite import PROFILES


def parser() -> argparse.ArgumentParser:
    """Every flag, with its default taken from Options."""
    usual = Options()
    cli = argparse.ArgumentParser(prog="mlxtui_conformance", description="Check an OpenAI-compatible endpoint.")
    add = cli.add_argument
    add("url", nargs="?", default="", help="http://host:port, or the API root when it is not /v1")
    add("--api-key", default=os.environ.get("OPENAI_API_KEY"), help="default: $OPENAI_API_KEY")
    add("--model", help="default: the first one listed")
    add("--profile", default=usual.profile, choices=list(PROFILES), help="a set of checks; --list tells what is in it")
    add("--select", action="append", default=[], help="id, start of ids, level or glob; repeatable")
    add("--skip", action="append", default=[], help="the same, to leave out")
    add("--timeout", type=float, default=usual.timeout, help="seconds per check")
    add("--warmup", type=float, default=usual.warmup, help="seconds for the very first token")
    add("--concurrency", type=int, default=usual.concurrency, help="checks at a time")
    add("--json", action="store_true", help="one JSON object per line")
    add("--list", action="store_true", dest="list_only", help="show the checks and stop")
    add("--explain", metavar="ID", help="tell what one check means and stop")
    return cli


def options(arguments: Sequence[str]) -> Options:
    """Options from arguments; a comma may separate several patterns."""
    given = vars(parser().parse_args(arguments))
    for name in ("select", "skip"):
        given[name] = tuple(p for entry in given[name] for p in entry.split(",") if p)
    return Options(**given)


if __name__ == "__main__":
    sys.exit(main(options(sys.argv[1:])))
