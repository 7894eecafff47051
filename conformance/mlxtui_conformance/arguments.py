"""A command line becomes Options: the one list of flags, also of `mlxtui check`. Knows nothing of what a run does."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from .options import Header, Options
from .suite import PROFILES

HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")  # RFC 9110 §5.1, §5.5
EXITS = """exit codes:
  0    every must holds; what is unsupported or inconclusive does not count against a server
  1    a must failed; with --baseline: something is worse than it was then
  2    no server, or it hangs, died, or --total was over; or the command line is wrong
  130  interrupted; what was known by then is told"""


def parser(program: str, without: str) -> argparse.ArgumentParser:
    """Every flag, with its default taken from Options; `without` says what is checked without a URL."""
    cli = argparse.ArgumentParser(
        prog=program,
        description="Check what OpenAI-compatible endpoints promise, through the official client.",
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    about = f"http://host:port, or the API root when it is not /v1; several are compared{without}"
    cli.add_argument("urls", nargs="*", metavar="URL", help=about)
    _about_the_server(cli.add_argument_group("the server"))
    _about_the_checks(cli.add_argument_group("the checks"))
    _about_the_report(cli.add_argument_group("the report"))
    return cli


def _about_the_server(group: argparse._ArgumentGroup) -> None:
    usual, add = Options(), group.add_argument
    key = os.environ.get("OPENAI_API_KEY")
    add("--api-key", metavar="KEY", default=key, help="default: $OPENAI_API_KEY")
    add("--header", metavar="'NAME: VALUE'", action="append", type=header, default=[], dest="headers",
        help="sent with every request; repeatable")  # fmt: skip
    add("--insecure", action="store_true", help="take any TLS certificate")
    add("--model", metavar="ID", action="append", default=[], dest="models",
        help="the first one listed unless given; once, or once for each URL")  # fmt: skip
    add("--warmup", metavar="S", type=_seconds, default=usual.warmup, help="for the very first token (%(default)g)")


def _about_the_checks(group: argparse._ArgumentGroup) -> None:
    usual, add = Options(), group.add_argument
    add("--profile", default=usual.profile, choices=list(PROFILES), help="a set of checks (%(default)s)")
    add("--select", metavar="WHAT", action="append", default=[], help="an id, its start, a level or a glob; repeatable")
    add("--skip", metavar="WHAT", action="append", default=[], help="the same, to leave out")
    add("--timeout", metavar="S", type=_seconds, default=usual.timeout, help="for each check (%(default)g)")
    add("--total", metavar="S", type=_seconds, help="for a whole run (no limit)")
    add("--concurrency", metavar="N", type=_count, default=usual.concurrency, help="checks at a time (%(default)s)")
    add("--list", action="store_true", dest="list_only", help="show the checks and the profiles, and stop")
    add("--explain", metavar="ID", help="tell what one check means, and stop")


def _about_the_report(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--json", action="store_true", help="a JSON object a line, at once, for whatever happens")
    add("--junit", metavar="FILE", type=Path, help="JUnit XML: a failed must is a failure, all else that is not"
        " a pass is skipped with its reason")  # fmt: skip
    add("--markdown", metavar="FILE", type=Path, help="for a pull request or a job summary")
    add("--save", metavar="FILE", type=Path, help="the whole run as one JSON object, for --baseline")
    add("--baseline", metavar="FILE", type=Path, help="a saved run: only what got worse decides the exit code")
    add("--record", metavar="FILE", type=Path, help="a JSON line for every exchange on the wire; keys are left out")
    add("--until-eof", action="store_true", help="end, as after an interrupt, once standard input closes")


def header(text: str) -> Header:
    found = HEADER.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not 'Name: value'")
    return found[1], found[2].strip()


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return count


def options(arguments: Sequence[str], program: str = Options().program, without: str = "") -> Options:
    """Options from arguments; a comma may separate several patterns.

    Raises:
        SystemExit: 2 after a complaint on standard error, 0 after --help.
    """
    given = vars(parser(program, without).parse_intermixed_args(arguments))
    for name in ("select", "skip"):
        given[name] = tuple(p for entry in given[name] for p in entry.split(",") if p)
    given |= {name: tuple(given[name]) for name in ("urls", "headers", "models")}
    return Options(**given, program=program)
