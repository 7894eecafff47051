"""The journal: every reader gets every entry, in its own batches, and then the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from mlxtui.errors import ApiError, Cancelled
from mlxtui.server.journal import Journal


def scene(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), 10))

    return run


async def read(journal: Journal[int], at: int = 0) -> list[int]:
    return [entry async for batch in journal.follow(at) for entry in batch]


async def written(journal: Journal[int], error: ApiError | None = None) -> None:
    """One entry after the other, the last with the end."""
    for entry in range(3):
        journal.add([entry])
        await asyncio.sleep(0)
    journal.add([3])
    journal.end(error)


@scene
async def test_every_reader_gets_what_it_asked_for_whenever_it_comes() -> None:
    journal = Journal[int]()
    early, later, _ = await asyncio.gather(read(journal), read(journal, 2), written(journal))
    assert (early, later, await read(journal)) == ([0, 1, 2, 3], [2, 3], [0, 1, 2, 3])


@scene
async def test_a_reader_that_left_is_forgotten() -> None:
    journal = Journal[int]([1])
    reader = journal.follow()
    assert await anext(reader) == (1,)
    await reader.aclose()
    assert not journal._readers


@scene
async def test_an_error_comes_after_the_last_entry() -> None:
    journal, got = Journal[int](), []

    async def follow() -> None:
        async for batch in journal.follow():
            got.extend(batch)

    reading = asyncio.create_task(follow())
    await written(journal, Cancelled("enough"))
    with pytest.raises(Cancelled):
        await reading
    assert got == [0, 1, 2, 3]
    await journal.over()


@scene
async def test_what_ends_before_it_begins_says_why() -> None:
    journal = Journal[int]()
    begun = asyncio.create_task(journal.begun())
    journal.end(Cancelled("enough"))
    with pytest.raises(Cancelled):
        await begun


@scene
async def test_silence_gives_an_empty_batch_and_then_goes_on() -> None:
    journal = Journal[int]()
    reader = journal.follow(silence=0.001)
    assert await anext(reader) == ()
    journal.add([1])
    while not (batch := await anext(reader)):
        pass
    assert batch == (1,)
    await reader.aclose()


@scene
async def test_who_waits_for_what_is_far_ahead_is_not_told_of_what_comes_before() -> None:
    journal = Journal[int]()
    writing = asyncio.create_task(written(journal))
    assert [batch async for batch in journal.follow(3)] == [(3,)]
    await writing
