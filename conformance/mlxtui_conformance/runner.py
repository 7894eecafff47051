"""Checks and a Target go in; each Check comes out as it begins and its Result as it ends.

Knows nothing of how results are shown.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx2
import pydantic
from openai import APIConnectionError, APIResponseValidationError, APIStatusError, APITimeoutError

from .canary import Unusable, first_token
from .check import Check, Fail, Inconclusive, Unsupported, Verdict
from .context import Context, Shared
from .results import Result
from .shapes import show
from .target import Target
from .wire import Deadline, Exchange

REVIVE = 15.0  # seconds, at least, that a server gets for one token after a check ran out of time


def run_check(check: Check, target: Target, shared: Shared) -> Result:
    """One check to its verdict. Raises nothing a server can cause."""
    begun = time.monotonic()
    with Context(target, shared) as ctx:
        found = _judge(lambda: check.run(ctx), target, shared)
        seconds = time.monotonic() - begun
        exchanges = tuple(ctx.recorder.exchanges)
        shown = None if found.verdict == Verdict.PASS else found.exchange or next(reversed(exchanges), None)
        return Result(check, found.verdict, seconds, found.expected, found.got, shown, exchanges, tuple(ctx.notes))


@dataclass(frozen=True, slots=True)
class _Found:
    verdict: Verdict
    expected: str = ""
    got: str = ""
    exchange: Exchange | None = None


def _judge(run: Callable[[], None], target: Target, shared: Shared) -> _Found:
    try:
        run()
    except Fail as fail:
        return _Found(Verdict.FAIL, fail.expected, fail.got, fail.exchange)
    except Unsupported as why:
        return _Found(Verdict.UNSUPPORTED, "", str(why))
    except Inconclusive as why:
        return _Found(Verdict.INCONCLUSIVE, "", str(why))
    except Exception as error:
        return _stumbled(error, target, shared)
    return _Found(Verdict.PASS)


def _stumbled(error: Exception, target: Target, shared: Shared) -> _Found:
    """What an exception of the clients says about the server."""
    match error:
        case APIResponseValidationError():
            return _Found(Verdict.FAIL, "an answer that validates strictly", _complaint(error))
        case APIStatusError():
            return _Found(Verdict.FAIL, "an answer", f"{error.status_code}: {error.message}")
        case json.JSONDecodeError() | UnicodeDecodeError():
            return _Found(Verdict.FAIL, "a JSON body", str(error))
        case APITimeoutError() | httpx2.TimeoutException() | TimeoutError():
            limit = f"an answer within {target.limits.check:g} s"
            return _dead_or(target, shared, limit, str(error) or "silence")
        case APIConnectionError() | httpx2.TransportError() | OSError():
            broke = f"the connection broke: {error.__cause__ or error!r}"
            return _dead_or(target, shared, "a whole answer", broke)
    # A check that stumbles over an answer has not shown that the answer is wrong.
    return _Found(Verdict.INCONCLUSIVE, "", f"the check itself broke: {error!r}")


def _complaint(error: APIResponseValidationError) -> str:
    cause = error.__cause__
    if not isinstance(cause, pydantic.ValidationError):
        return error.message
    where = cause.errors(include_url=False, include_input=True)[0]
    trail = ".".join(str(part) for part in where["loc"])
    return f"{cause.title}.{trail}: {where['msg']}, in {show(where['input'])}"


def _dead_or(target: Target, shared: Shared, expected: str, got: str) -> _Found:
    """After silence: a server that still gives a token failed the check, any other is gone."""
    if gone := whereabouts(target, shared):
        return _Found(Verdict.UNREACHABLE, "", f"{got}; {gone}")
    return _Found(Verdict.FAIL, expected, got)


def whereabouts(target: Target, shared: Shared, until: Deadline | None = None) -> str:
    """Why a server is taken for gone, or nothing where it answers.

    Raises:
        TimeIsUp: `until` passed before it was known.
    """
    # A server without cancellation may still be at work on what was given up.
    patience = max(REVIVE, target.limits.check)
    try:
        first_token(target, shared, patience if until is None else min(patience, until.left()))
    except Unusable as gone:
        if until is not None and until.left() <= 0:
            raise TimeIsUp from gone
        return str(gone)
    return ""  # a refusal is a sign of life as well


class TimeIsUp(Exception):
    """The whole run took longer than it may."""


def in_order(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Checks as they are begun: those that measure come last, by themselves."""
    return tuple(sorted(checks, key=lambda check: check.alone))


def run(
    checks: Sequence[Check], target: Target, shared: Shared, concurrency: int = 1, until: Deadline | None = None
) -> Iterator[Check | Result]:
    """Each Check as it begins and its Result as it ends; checks that measure run last and by themselves.

    Once the target is gone the rest is unreachable, unrun. The checks run in daemon threads, so
    that neither an interrupt nor the end of the time waits for a silent server.

    Raises:
        TimeIsUp: once `until` has passed.
    """
    gone = threading.Event()
    groups = ([check for check in checks if not check.alone], concurrency), ([c for c in checks if c.alone], 1)
    for group, width in groups:
        waiting: queue.SimpleQueue[Check] = queue.SimpleQueue()
        told: queue.SimpleQueue[Check | Result] = queue.SimpleQueue()
        for check in group:
            waiting.put(check)
        for _ in range(max(1, min(width, len(group)))):
            threading.Thread(target=_work, args=(waiting, told, gone, target, shared), daemon=True).start()
        left = len(group)
        while left:
            news = _next(told, until)
            left -= isinstance(news, Result)
            yield news


def _next(told: queue.SimpleQueue[Check | Result], until: Deadline | None) -> Check | Result:
    try:
        return told.get(timeout=None if until is None else max(0.0, until.left()))
    except queue.Empty as silence:
        raise TimeIsUp from silence


def _work(
    waiting: queue.SimpleQueue[Check],
    told: queue.SimpleQueue[Check | Result],
    gone: threading.Event,
    target: Target,
    shared: Shared,
) -> None:
    while True:
        try:
            check = waiting.get_nowait()
        except queue.Empty:
            return
        if gone.is_set():
            told.put(Result(check, Verdict.UNREACHABLE, 0.0, got="not run: the target is gone"))
            continue
        told.put(check)
        try:
            result = run_check(check, target, shared)
        except Exception as error:  # a worker that dies would leave the run waiting for ever
            result = Result(check, Verdict.INCONCLUSIVE, 0.0, got=f"the suite itself broke: {error!r}")
        if result.verdict == Verdict.UNREACHABLE:
            gone.set()
        told.put(result)
