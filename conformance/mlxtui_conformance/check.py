"""A plain function with its claim becomes a Check; the ways a check can end.

Knows nothing of HTTP, of reporting, or of which checks exist.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .context import Context
    from .wire import Exchange

Run = Callable[["Context"], None]


class Level(StrEnum):
    """How much hangs on a check: only a failed `must` decides the exit code."""

    MUST = "must"
    SHOULD = "should"
    OPT = "opt"


class Verdict(StrEnum):
    """What one check found out."""

    PASS = "pass"
    FAIL = "fail"
    UNSUPPORTED = "unsupported"  # the server said so itself, with a clean 4xx
    INCONCLUSIVE = "inconclusive"  # the model did not play along, so nothing was proven
    UNREACHABLE = "unreachable"  # the target died before or during the check


class Fail(Exception):
    """The server broke the clause: what was expected, and what came back instead."""

    def __init__(self, expected: str, got: str, exchange: Exchange | None = None) -> None:
        super().__init__(f"expected {expected}; got {got}")
        self.expected = expected
        self.got = got
        self.exchange = exchange  # the guilty one, when it is not the last


class Unsupported(Exception):
    """The server refused the feature honestly."""


class Inconclusive(Exception):
    """The model did not do what the check needs in order to see the protocol."""


@dataclass(frozen=True, slots=True)
class Check:
    """One claim about an endpoint.

    `run` returns when the claim holds and raises Fail, Unsupported or Inconclusive otherwise.
    `asks_model` marks checks that need the model's obedience; they make up the capability figure.
    `alone` marks checks that measure the server, so that no other check may run beside them.
    """

    id: str
    level: Level
    clause: str
    meaning: str
    details: str
    asks_model: bool
    alone: bool
    run: Run


def check(
    id: str, level: Level, clause: str, *, asks_model: bool = False, alone: bool = False
) -> Callable[[Run], Check]:
    """Turn a function into a Check; the first line of its docstring is the meaning."""

    def wrap(run: Run) -> Check:
        meaning, _, details = (inspect.getdoc(run) or "").partition("\n")
        return Check(id, level, clause, meaning, details.strip(), asks_model, alone, run)

    return wrap
