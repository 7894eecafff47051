"""What the server asks the worker beside its jobs, and the failures that come back as the errors clients see."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import assert_never

from mlxtui.engine.interface import Failure
from mlxtui.engine.wire import AskCache, CacheTold, Declined, Parsed, Question, Spelled, Tokenized
from mlxtui.errors import ApiError, ContextLengthExceeded, EngineFailed, InvalidRequest, NotFound, Unavailable

Answer = Parsed | Tokenized | Spelled | CacheTold
Asked = Question | AskCache


class Questions:
    """Those that were asked and not yet answered."""

    def __init__(self) -> None:
        self._open: dict[int, asyncio.Future[Answer]] = {}
        self._tickets = itertools.count()

    async def ask(self, send: Callable[[Asked], None], question: Callable[[int], Asked]) -> Answer:
        """The worker's answer to `question(ticket)`.

        Raises:
            ApiError: it declines, or is no more.
        """
        ticket = next(self._tickets)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._open[ticket] = answer
        send(question(ticket))
        try:
            return await answer
        finally:
            self._open.pop(ticket, None)

    def answered(self, answer: Answer | Declined) -> None:
        waiting = self._open.get(answer.ticket)
        if waiting is None or waiting.done():
            return
        if isinstance(answer, Declined):
            waiting.set_exception(error_of(answer.failure))
        else:
            waiting.set_result(answer)

    def abandon(self, error: ApiError) -> None:
        """Nobody is left to answer."""
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(error)


def error_of(failure: Failure) -> ApiError:
    """The failure as an error of the API."""
    match failure.code:
        case "context_length_exceeded":
            return ContextLengthExceeded(failure.message, param=failure.param)
        case "invalid_prompt" | "invalid_constraint":
            return InvalidRequest(failure.message, param=failure.param, code=failure.code)
        case "cache_entry_not_found":
            return NotFound(failure.message, param=failure.param, code=failure.code)
        case "insufficient_memory":
            return Unavailable(failure.message, code="insufficient_memory")
        case "engine_error":
            return EngineFailed(failure.message)
        case _:
            assert_never(failure.code)
