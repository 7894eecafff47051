"""What scenarios do with an endpoint: ask, hold a stream, wait until it has begun, read /health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from mlxtui.bench.answer import Answer, arrivals, read_answer
from mlxtui.bench.prompts import Messages
from mlxtui.bench.wire import Connection, RequestFailed, Target, connection, get, request

_Kind = TypeVar("_Kind")
ENDED = "a stream that should have gone on ended by itself: use a model that goes on for long"
POLL = 0.002  # seconds between two looks at /health: finer than a decode step, and no load


def chat(target: Target, messages: Messages, max_tokens: int, *, stream: bool = True) -> bytes:
    """A greedy request for so many tokens, as bytes."""
    body = {"model": target.model, "messages": messages, "max_tokens": max_tokens, "temperature": 0}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return request(target, f"{target.base}/chat/completions", body)


async def ask(target: Target, messages: Messages, max_tokens: int, *, stream: bool = True) -> Answer:
    """One request on a connection of its own.

    Raises:
        RequestFailed: there is no answer, or it is an error.
    """
    content = chat(target, messages, max_tokens, stream=stream)
    async with connection(target) as opened:
        opened.send(content)
        return await whole(opened)


async def whole(opened: Connection) -> Answer:
    """The answer to what was sent, parsed once its last byte has come."""
    await opened.until()
    return read_answer(opened.response.status, opened.sent, opened.reads)


async def ask_together(target: Target, prompts: Sequence[Messages], max_tokens: int) -> list[Answer]:
    """All at once, each on its own connection; none is parsed before the last one has ended."""
    async with AsyncExitStack() as stack:
        lines = await together(stack.enter_async_context(connection(target)) for _ in prompts)
        contents = [chat(target, messages, max_tokens) for messages in prompts]
        for line, content in zip(lines, contents, strict=True):
            line.send(content)
        await together(line.until() for line in lines)
        return await together(whole(line) for line in lines)


async def together(work: Iterable[Coroutine[Any, Any, _Kind]]) -> list[_Kind]:
    """
    Raises:
        RequestFailed: some failed; says how many, and why the first one did.
    """
    done = await asyncio.gather(*work, return_exceptions=True)
    failed = [result for result in done if isinstance(result, BaseException)]
    if not failed:
        return [result for result in done if not isinstance(result, BaseException)]
    if isinstance(failed[0], RequestFailed) and len(done) > 1:
        raise RequestFailed(f"{len(failed)} of {len(done)} requests failed: {failed[0]}") from failed[0]
    raise failed[0]


@asynccontextmanager
async def held(target: Target, messages: Messages, max_tokens: int) -> AsyncIterator[Connection]:
    """A stream that somebody reads until the block ends; then its client is gone."""
    content = chat(target, messages, max_tokens)
    async with connection(target) as opened:
        opened.send(content)
        yield opened


async def spoken(stream: Connection, pieces: int = 1, since: float = 0.0) -> list[float]:
    """When pieces of text came, once there are so many, the last of them no earlier than `since`.

    Raises:
        RequestFailed: the stream ended before.
    """
    while len(times := arrivals(stream.reads)) < pieces or times[-1] < since:
        if not await stream.until(len(stream.reads) + 1):
            await whole(stream)  # an error says more than that it ended
            raise RequestFailed(ENDED)
    return times


async def running(target: Target) -> int | None:
    """How many requests run there, as /health counts them; None where it does not."""
    status, body = await get(target, f"{target.root}/health")
    count = body.get("running") if status == 200 and isinstance(body, dict) else None
    return count if isinstance(count, int) else None


async def freed(target: Target, before: int) -> float:
    """When (monotonic seconds) /health said that no more run than `before`."""
    while True:  # nobody tells us: it has to be asked
        count, now = await running(target), time.monotonic()
        if count is None or count <= before:
            return now
        await asyncio.sleep(POLL)
