"""What the server asks the worker beside its jobs, and the failures that come back as the errors clients see."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import assert_never, cast

from mlxtui.engine.interface import ChatPrompt, Failure, ParsedCall, Spelling
from mlxtui.engine.wire import (
    AskCache,
    CacheTold,
    Declined,
    Detokenize,
    ParseCalls,
    Parsed,
    Question,
    Spell,
    Spelled,
    Tokenize,
    Tokenized,
)
from mlxtui.errors import ApiError, ContextLengthExceeded, EngineFailed, InvalidRequest, NotFound, Unavailable
from mlxtui.kept import Cache, CacheAction
from mlxtui.types import TextPrompt, Tool

Answer = Parsed | Tokenized | Spelled | CacheTold
Asked = Question | AskCache


class Questions:
    """Those that were asked and not yet answered.

    Every question raises ApiError if the worker declines it, or is no more.
    """

    def __init__(self, send: Callable[[Asked], None]) -> None:
        self._send = send
        self._open: dict[int, asyncio.Future[Answer]] = {}
        self._tickets = itertools.count()

    async def calls(self, text: str, tools: tuple[Tool, ...]) -> tuple[ParsedCall, ...]:
        return cast(Parsed, await self._ask(lambda ticket: ParseCalls(ticket, text, tools))).calls

    async def tokens(self, prompt: ChatPrompt | TextPrompt) -> tuple[str, tuple[int, ...]]:
        answer = cast(Tokenized, await self._ask(lambda ticket: Tokenize(ticket, prompt)))
        return answer.text, answer.tokens

    async def text(self, tokens: tuple[int, ...]) -> str:
        return cast(Tokenized, await self._ask(lambda ticket: Detokenize(ticket, tokens))).text

    async def spellings(self, tokens: tuple[int, ...]) -> tuple[Spelling, ...]:
        return cast(Spelled, await self._ask(lambda ticket: Spell(ticket, tokens))).spellings

    async def cache(self, action: CacheAction | None, id: str) -> Cache:
        return cast(CacheTold, await self._ask(lambda ticket: AskCache(ticket, action, id))).cache

    async def _ask(self, question: Callable[[int], Asked]) -> Answer:
        ticket = next(self._tickets)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._open[ticket] = answer
        self._send(question(ticket))
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
