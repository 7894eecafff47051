"""The bus: a snapshot first, then events; slow readers skip ahead, the publisher never waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from mlxtui.bus import Bus, Item, Numbered, Snapshot, Subscription
from mlxtui.events import Logged
from mlxtui.fold import fold
from mlxtui.state import State


def logged(n: int) -> Logged:
    return Logged(float(n), "info", str(n))


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 10))


def replayed(items: list[Item]) -> State:
    state = State()
    for item in items:
        match item:
            case Snapshot():
                state = State.from_json(item.state)
            case Numbered():
                fold(state, item.event)
    return state


async def rest(subscription: Subscription) -> list[Item]:
    return [item async for batch in subscription for item in batch]


def test_a_new_subscriber_gets_a_snapshot_then_events() -> None:
    async def scene() -> None:
        bus = Bus(last_id=0)
        bus.publish(logged(1))
        subscription = bus.subscribe()
        assert await anext(subscription) == [Snapshot(1, bus.state.to_json())]
        bus.publish(logged(2))
        bus.publish(logged(3))
        assert await anext(subscription) == [Numbered(2, logged(2)), Numbered(3, logged(3))]

    run(scene())


def test_a_returning_subscriber_gets_what_it_missed() -> None:
    async def scene() -> None:
        bus = Bus(last_id=0)
        for n in range(1, 6):
            bus.publish(logged(n))
        assert await anext(bus.subscribe(3)) == [Numbered(4, logged(4)), Numbered(5, logged(5))]
        up_to_date = bus.subscribe(5)
        bus.publish(logged(6))
        assert await anext(up_to_date) == [Numbered(6, logged(6))]

    run(scene())


@pytest.mark.parametrize("last_id", [0, 1, 99])
def test_an_id_out_of_reach_gets_a_snapshot(last_id: int) -> None:
    """Too old for the ring, or of another server."""

    async def scene() -> None:
        bus = Bus(ring=2, last_id=0)
        for n in range(1, 6):
            bus.publish(logged(n))
        assert [type(item) for item in await anext(bus.subscribe(last_id))] == [Snapshot]

    run(scene())


def test_ids_of_a_later_server_are_higher() -> None:
    assert Bus().last_id > 1_700_000_000_000


def test_a_slow_subscriber_skips_ahead_by_a_snapshot() -> None:
    async def scene() -> None:
        bus = Bus(ring=4, last_id=0)
        slow, quick = bus.subscribe(), bus.subscribe()
        seen = await anext(slow) + await anext(quick)
        got = list(seen)
        for n in range(1, 21):
            bus.publish(logged(n))
            got += await anext(quick)
        assert await anext(slow) == [Snapshot(20, bus.state.to_json())]
        assert replayed(got) == bus.state
        assert sum(isinstance(item, Numbered) for item in got) == 20

    run(scene())


def test_closing_wakes_subscribers_after_the_last_event() -> None:
    async def scene() -> None:
        bus = Bus(last_id=0)
        waiting = asyncio.create_task(rest(bus.subscribe()))
        late = bus.subscribe(0)
        await asyncio.sleep(0)
        bus.publish(logged(1))
        bus.close()
        assert replayed(await waiting) == bus.state
        assert await rest(late) == [Numbered(1, logged(1))]
        assert await rest(bus.subscribe(1)) == []

    run(scene())


def test_threads_publish_too() -> None:
    async def scene() -> None:
        bus = Bus(last_id=0)
        threads = [threading.Thread(target=bus.publish_threadsafe, args=(logged(n),)) for n in range(8)]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        await asyncio.sleep(0)
        assert sorted(line.message for line in bus.state.log) == [str(n) for n in range(8)]
        assert bus.last_id == 8

    run(scene())


def test_a_bus_without_a_loop_says_so() -> None:
    with pytest.raises(RuntimeError, match="no event loop"):
        Bus().publish_threadsafe(logged(1))


def test_every_iteration_suspends() -> None:
    """Else a reader that has left would never be noticed."""

    async def scene() -> None:
        bus = Bus(last_id=0)
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(turn())
        subscription = bus.subscribe()
        for n in range(1, 5):
            bus.publish(logged(n))
            await anext(subscription)
        other.cancel()
        assert turns >= 4

    run(scene())


def test_a_closed_subscription_is_forgotten() -> None:
    async def scene() -> None:
        bus = Bus()
        with bus.subscribe() as subscription:
            assert bus._subscribers == {subscription}
        assert not bus._subscribers

    run(scene())


def test_pace_gathers_a_burst_into_one_batch() -> None:
    async def scene() -> None:
        bus = Bus(last_id=0)
        subscription = bus.subscribe(pace=0.001)
        await anext(subscription)
        batch = asyncio.create_task(anext(subscription))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        bus.publish(logged(1))
        bus.publish(logged(2))
        assert len(await batch) == 2

    run(scene())


def test_silence_brings_an_empty_batch() -> None:
    async def scene() -> None:
        bus = Bus(last_id=0)
        subscription = bus.subscribe(silence=0.001)
        assert await anext(subscription) == [Snapshot(0, bus.state.to_json())]
        assert await anext(subscription) == []
        bus.publish(logged(1))
        assert await anext(subscription) == [Numbered(1, logged(1))]

    run(scene())
