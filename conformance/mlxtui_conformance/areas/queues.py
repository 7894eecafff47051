"""Checks on requests that wait, that are too many, and on connections that end rudely.

Bare connections are needed: a client library waits for answers, and closes politely.
"""

from __future__ import annotations

import re
import select
import socket
import time
from contextlib import ExitStack, closing

from ..check import Level, Unsupported, check
from ..context import Context
from ..shapes import cooperation, require
from ..sockets import dial, noted, reset
from ..talk import body, tell
from .concurrency import counter, endless, long_answer, settled

CROWD = 200  # requests at once; macOS lets a process open 256 files
BATCH = 4
PATIENCE = 10.0  # seconds in which a crowded server looks at everyone


@check(
    "concurrency.queued-leaves",
    Level.SHOULD,
    "practice: what nobody waits for must not be computed",
    asks_model=True,
    alone=True,
)
def queued_leaves(ctx: Context) -> None:
    """A client that leaves while its request waits takes the request out of the queue.

    Seen in /health, from servers that count there what is running and what is queued.
    """
    endless(ctx)
    with ExitStack() as crowd:
        last, waiting = _queued(ctx, crowd)
        last.close()
        left = settled(ctx, "queued", waiting - 1)
        require(left is not None and left < waiting, f"{waiting - 1} queued in /health after one left", left)
    settled(ctx, "running", 0)


def _queued(ctx: Context, crowd: ExitStack) -> tuple[socket.socket, int]:
    """Ask for long answers, and read none, until some have to wait: the last of them, and how many."""
    for count in range(BATCH, CROWD, BATCH):
        for _ in range(BATCH):
            last = crowd.enter_context(closing(dial(ctx, long_answer(ctx), ctx.target.limits.check)))
        _counted(ctx, count)
        if waiting := settled(ctx, "queued", 0):  # else they were only on their way to a slot
            return last, waiting
    raise Unsupported(f"no queue with {CROWD} requests at once")


def _counted(ctx: Context, wanted: int) -> None:
    """Wait until /health knows of that many requests."""
    until = time.monotonic() + PATIENCE
    while True:
        running, queued = counter(ctx, "running"), counter(ctx, "queued")
        if running is None or queued is None:
            raise Unsupported("no counts of running and queued in /health")
        if running + queued == wanted:
            return
        cooperation(time.monotonic() < until, "the answers end, or are refused, before there is a queue")


@check(
    "concurrency.reset-after-done",
    Level.SHOULD,
    "real clients close as soon as they read [DONE]",
    alone=True,
)
def reset_after_done(ctx: Context) -> None:
    """A connection reset right after [DONE] is no failure: it is not counted as one, and nothing suffers.

    Seen in /metrics, from servers that count failed or cancelled requests there.
    """
    before = _failures(ctx)
    for _ in range(3):
        connection = dial(ctx, body(ctx, max_completion_tokens=2, stream=True), ctx.target.limits.check)
        noted(ctx, "(reset after [DONE])")
        read = b""
        while b"[DONE]" not in read and (part := connection.recv(4096)):
            read += part
        reset(connection)
    tell(ctx, body(ctx, max_completion_tokens=1))
    if before is None:
        raise Unsupported("no counters in /metrics; the server went on")
    after = _failures(ctx)
    require(after == before, f"{before:g} failures in /metrics as before", after)


FAILED = re.compile(r"(?im)^(?!#)(?=.*(?:error|fail|abort|cancel|disconnect)).*\s([0-9.e+]+)\s*$")


def _failures(ctx: Context) -> float | None:
    """The sum of all counters that speak of failures or of clients that left; those with labels come up when needed."""
    reply = ctx.get(f"{ctx.target.root}/metrics")
    if reply.status != 200 or b"_total" not in reply.body:
        return None
    return sum(map(float, FAILED.findall(reply.body.decode("utf-8", "replace"))))


@check(
    "concurrency.queue-full",
    Level.SHOULD,
    "RFC 6585 §4: 429 with Retry-After; SDK: retries 429",
    asks_model=True,
    alone=True,
)
def queue_full(ctx: Context) -> None:
    """More requests than the server will keep waiting are a 429 with Retry-After, at once."""
    endless(ctx)
    exchange = noted(ctx, f"(up to {CROWD} long answers asked for at once)")
    with ExitStack() as crowd:
        answer = _turned_away(ctx, crowd)
    settled(ctx, "running", 0)
    if not answer:
        raise Unsupported(f"{CROWD} requests at once were all taken")
    exchange.received += answer
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    require(" 429 " in head.partition("\r\n")[0], "429 for one too many", head)
    require(re.search(r"(?im)^retry-after: *\d", head) is not None, "a Retry-After with the 429", head)


def _turned_away(ctx: Context, crowd: ExitStack) -> bytes:
    """Ask for long answers until one request is refused: what it gets, or nothing when none is."""
    waiting: list[socket.socket] = []
    for _ in range(CROWD):
        waiting.append(crowd.enter_context(closing(dial(ctx, long_answer(ctx), ctx.target.limits.check))))
        if answer := _refusal(waiting, 0):
            return answer
    return _refusal(waiting, PATIENCE)


def _refusal(waiting: list[socket.socket], patience: float) -> bytes:
    """The first answer that is not 200; those that are 200 are waited for no more."""
    until = time.monotonic() + patience
    while ready := select.select(waiting, [], [], max(0, until - time.monotonic()))[0]:
        for connection in ready:
            answer: bytes = connection.recv(4096)
            if b" 200 " not in answer.partition(b"\r\n")[0]:
                return answer
            waiting.remove(connection)
    return b""


CHECKS = (queued_leaves, reset_after_done, queue_full)
