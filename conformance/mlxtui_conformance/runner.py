"""Checks and a Target go in; a Result for each comes out as it ends, and the three figures of a run.

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
from .check import Check, Fail, Inconclusive, Level, Unsupported, Verdict
from .context import Context, Shared
from .shapes import show
from .target import Target
from .wire import Exchange

REVIVE = 15.0  # seconds a server gets for one token after a check ran out of time


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended. `expected` and `got` are set for a fail, `got` for the other troubles;
    `request` and `response` show the last exchange of a check that did not pass."""

    check: Check
    verdict: Verdict
    seconds: float
    expected: str = ""
    got: str = ""
    request: str = ""
    response: str = ""
    notes: tuple[str, ...] = ()

    @property
    def unrun(self) -> bool:
        """The target was gone before this check's turn."""
        return self.verdict == Verdict.UNREACHABLE and not self.request


@dataclass(frozen=True, slots=True)
class Figures:
    """Three figures never blended, each (held, of): what is there, which musts hold of those that
    could be judged, and how often the model did what a check needed."""

    coverage: tuple[int, int]
    conformance: tuple[int, int]
    capability: tuple[int, int]


def figures(results: Sequence[Result]) -> Figures:
    reached = [r for r in results if r.verdict != Verdict.UNREACHABLE]
    there = [r for r in reached if r.verdict != Verdict.UNSUPPORTED]
    judged = [r for r in there if r.verdict != Verdict.INCONCLUSIVE]
    musts = [r for r in judged if r.check.level == Level.MUST]
    held = [r for r in musts if r.verdict == Verdict.PASS]
    asked = [r for r in there if r.check.asks_model or r.verdict == Verdict.INCONCLUSIVE]
    obeyed = [r for r in asked if r.verdict != Verdict.INCONCLUSIVE]
    return Figures((len(there), len(reached)), (len(held), len(musts)), (len(obeyed), len(asked)))


def exit_code(results: Sequence[Result]) -> int:
    """2 when the target died, 1 when a must failed, else 0."""
    if any(result.verdict == Verdict.UNREACHABLE for result in results):
        return 2
    broken = (r.verdict == Verdict.FAIL and r.check.level == Level.MUST for r in results)
    return 1 if any(broken) else 0


def run_check(check: Check, target: Target, shared: Shared) -> Result:
    """One check to its verdict. Raises nothing a server can cause."""
    begun = time.monotonic()
    with Context(target, shared) as ctx:
        found = _judge(lambda: check.run(ctx), target, shared)
        seconds = time.monotonic() - begun
        request = response = ""
        if found.verdict != Verdict.PASS:
            request, response = _shown(found.exchange or _last(ctx))
        return Result(check, found.verdict, seconds, found.expected, found.got, request, response, tuple(ctx.notes))


@dataclass(frozen=True, slots=True)
class _Found:
    verdict: Verdict
    expected: str = ""
    got: str = ""
    exchange: Exchange | None = None


def _last(ctx: Context) -> Exchange | None:
    return ctx.recorder.exchanges[-1] if ctx.recorder.exchanges else None


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
    try:
        first_token(target, shared, REVIVE)  # a refusal is a sign of life as well
    except Unusable as gone:
        return _Found(Verdict.UNREACHABLE, "", f"{got}; {gone}")
    return _Found(Verdict.FAIL, expected, got)


def _shown(exchange: Exchange | None, limit: int = 2000) -> tuple[str, str]:
    if exchange is None:
        return "", ""
    sent = exchange.sent if len(exchange.sent) <= limit else f"{exchange.sent[:limit]}…"
    answer = bytes(exchange.received[:limit]).decode("utf-8", "backslashreplace")
    more = "…" if len(exchange.received) > limit else ""
    status = "no answer" if exchange.status is None else f"{exchange.status} "
    return (
        f"{exchange.method} {exchange.url} {sent}".rstrip(),
        f"{status}{exchange.content_type} {answer}{more}".rstrip(),
    )


def run(checks: Sequence[Check], target: Target, shared: Shared, concurrency: int = 1) -> Iterator[Result]:
    """Results as they come in; checks that measure run last and by themselves.

    Once the target is gone the rest is unreachable, unrun. The checks run in daemon threads, so
    that an interrupt never waits for a silent server.
    """
    gone = threading.Event()
    together = [check for check in checks if not check.alone]
    alone = [check for check in checks if check.alone]
    for group, width in ((together, concurrency), (alone, 1)):
        waiting: queue.SimpleQueue[Check] = queue.SimpleQueue()
        done: queue.SimpleQueue[Result] = queue.SimpleQueue()
        for check in group:
            waiting.put(check)
        for _ in range(max(1, min(width, len(group)))):
            threading.Thread(target=_work, args=(waiting, done, gone, target, shared), daemon=True).start()
        for _ in group:
            yield done.get()


def _work(
    waiting: queue.SimpleQueue[Check],
    done: queue.SimpleQueue[Result],
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
            done.put(Result(check, Verdict.UNREACHABLE, 0.0, got="not run: the target is gone"))
            continue
        try:
            result = run_check(check, target, shared)
        except Exception as error:  # a worker that dies would leave the run waiting for ever
            result = Result(check, Verdict.INCONCLUSIVE, 0.0, got=f"the suite itself broke: {error!r}")
        if result.verdict == Verdict.UNREACHABLE:
            gone.set()
        done.put(result)
