"""The client against a real socket: folds the feed, survives the server, says plainly what is wrong."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from mlxtui.answer import Answer, Call
from mlxtui.bus import Bus
from mlxtui.client import LISTED, Link, ServerClient
from mlxtui.events import Event, Logged, RequestFinished, RequestReceived, ServerStarted
from mlxtui.reach import NotThere, ServerUnreachable, skew
from mlxtui.state import State
from tests.fake_server import FakeServer

FAST = (0.001, 0.01)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 20))


def started(version: str = "0.1.0") -> ServerStarted:
    return ServerStarted(1.0, version, "http://x", 1, 32)


@asynccontextmanager
async def client_of(server: FakeServer, key: str | None = None) -> AsyncIterator[ServerClient]:
    client = ServerClient(server.url, key, backoff=FAST)
    try:
        yield client
    finally:
        await client.close()


async def until(client: ServerClient, wanted: Link | Event) -> None:
    """Follow the feed up to this change."""
    async with aclosing(client.follow()) as changes:
        async for change in changes:
            if change == wanted:
                return


def test_the_feed_is_folded_into_a_state() -> None:
    async def scene() -> None:
        async with FakeServer() as server, client_of(server) as client:
            server.bus.publish(started())
            assert client.link == Link("connecting")
            async with aclosing(client.follow()) as changes:
                assert await anext(changes) == Link("connected")
                assert client.state == server.bus.state
                event = RequestReceived(2.0, "a", "chat", "curl", "m", True)
                server.bus.publish(event)
                assert await anext(changes) == event
                assert client.state == server.bus.state

    run(scene())


def test_a_broken_feed_goes_on_where_it_was() -> None:
    """The server does not send again what was already folded."""

    async def scene() -> None:
        async with FakeServer() as server, client_of(server) as client:
            server.bus.publish(started())
            async with aclosing(client.follow()) as changes:
                assert await anext(changes) == Link("connected")
                await server.stop()
                assert (await anext(changes)).status == "gone"  # type: ignore[union-attr]
                server.bus.publish(Logged(2.0, "info", "while you were away"))
                await server.start(server.port)
                async for change in changes:
                    if isinstance(change, Logged):
                        break
                assert client.link == Link("connected")
                assert client.state == server.bus.state
            assert server.seen[-1][2]["last-event-id"] == str(server.bus.last_id - 1)

    run(scene())


def test_a_new_server_at_the_same_address_brings_its_own_state() -> None:
    async def scene() -> None:
        async with FakeServer() as server, client_of(server) as client:
            server.bus.publish(started())
            async with aclosing(client.follow()) as changes:
                await anext(changes)
                await server.stop()
                server.bus = Bus(last_id=server.bus.last_id + 10_000)
                server.bus.publish(ServerStarted(9.0, "0.1.0", "http://x", 2, 32))
                await server.start(server.port)
                async for _ in changes:
                    if client.link.status == "connected" and client.state.server.pid == 2:
                        break
                assert client.state == server.bus.state

    run(scene())


def test_finished_requests_that_a_snapshot_no_longer_brings_are_remembered() -> None:
    async def scene() -> None:
        async with FakeServer() as server, client_of(server) as client:
            server.bus = Bus(ring=6)
            server.bus.state.finished = deque(maxlen=2)
            server.bus.publish(started())
            async with aclosing(client.follow()) as changes:
                await anext(changes)
                for number in range(3):
                    last = ends(server, number)
                while await anext(changes) != last:
                    pass
                await server.stop()
                for number in (3, 4, 5, 6):
                    ends(server, number)
                await server.start(server.port)
                while client.link.status != "connected" or len(client.state.finished) < 5:
                    await anext(changes)
            assert [row.id for row in client.state.finished] == ["0", "1", "2", "5", "6"]
            assert client.state.finished.maxlen == LISTED

    run(scene())


def ends(server: FakeServer, number: int) -> Event:
    server.bus.publish(RequestReceived(2.0, str(number), "chat", "curl", "m", True))
    end = RequestFinished(3.0, str(number), 200, "stop", None, 1, 0, 1, 0, 0.1, 1.0)
    server.bus.publish(end)
    return end


def test_nobody_there_is_a_state_and_not_an_error() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            pass
        async with client_of(server) as client, aclosing(client.follow()) as changes:
            for _ in range(3):
                assert await anext(changes) == Link("connecting", "nothing answers there")

    run(scene())


def test_a_missing_key_is_said() -> None:
    async def scene() -> None:
        async with FakeServer(api_key="secret") as server:
            async with client_of(server) as client, aclosing(client.follow()) as changes:
                link = await anext(changes)
                assert isinstance(link, Link)
                assert "--api-key" in link.detail
            async with client_of(server, "secret") as client:
                await until(client, Link("connected"))

    run(scene())


def test_a_server_of_another_make_is_a_state_and_not_an_error() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            client = ServerClient(f"{server.url}/other", backoff=FAST)
            async with aclosing(client.follow()) as changes:
                assert await anext(changes) == Link("connecting", "there is no such request")
            await client.close()

    run(scene())


def test_another_version_is_said_and_served_where_it_can_be() -> None:
    async def scene() -> None:
        async with FakeServer() as server, client_of(server) as client:
            server.bus.publish(started("9.9.9"))
            await until(client, Link("connected", "the server is mlxtui 9.9.9, this is 0.1.0"))
            future = State().to_json() | {"server": {"version": "9.9.9", "colour": "blue"}}
            server.raw_events = [f"event: snapshot\nid: 1\ndata: {json.dumps(future)}\n\n"]
            async with aclosing(client.follow()) as changes:
                async for change in changes:
                    if isinstance(change, Link) and change.status == "gone":
                        assert "use the same version for both" in change.detail
                        break

    run(scene())


@pytest.mark.parametrize("data", ["[]", "{", "42", '{"type": "moon_landing"}'])
def test_a_foreign_feed_never_crashes_the_client(data: str) -> None:
    async def scene() -> None:
        async with FakeServer() as server, client_of(server) as client:
            server.raw_events = [f"event: x\nid: 1\ndata: {data}\n\n"]
            server.bus.publish(started())
            async with aclosing(client.follow()) as changes:
                link = await anext(changes)
                assert isinstance(link, Link)
                if "moon" in data:
                    assert link == Link("connected")
                else:
                    assert link.detail

    run(scene())


def test_cancel_inspect_health_shutdown() -> None:
    async def scene() -> None:
        async with FakeServer() as server, client_of(server) as client:
            server.bus.publish(RequestReceived(2.0, "a b/c", "chat", "curl", "m", True))
            server.bodies["x"] = {"id": "x", "request": {"model": "m"}}
            assert (await client.health())["status"] == "ok"
            assert (await client.inspect("x"))["request"] == {"model": "m"}
            with pytest.raises(NotThere, match="no such request"):
                await client.cancel("a b/c")
            server.bus.publish(RequestReceived(2.0, "a", "chat", "curl", "m", True))
            await client.cancel("a")
            assert server.cancelled == ["a"]
            await client.shutdown()
            assert server.shut_down.is_set()

    run(scene())


def test_an_answer_grows_while_it_streams() -> None:
    async def scene() -> None:
        async with FakeServer() as server, client_of(server) as client:
            deltas = server.deltas["x"] = asyncio.Queue()
            seen = []
            async with aclosing(client.output("x")) as answers:
                await anext(answers)
                for delta in [
                    {"channel": "reasoning", "text": "hm"},
                    {"channel": "content", "text": "Par"},
                    {"channel": "content", "text": "is"},
                    {"channel": "tool", "index": 1, "name": "f", "text": "{"},
                    {"channel": "tool", "index": 1, "text": "}"},
                    {"channel": "smell", "text": "?"},
                ]:
                    deltas.put_nowait(delta)
                    answer = await anext(answers)
                    seen.append(answer.content)
                deltas.put_nowait(None)
                assert [a async for a in answers] == []
            assert seen[:3] == ["", "Par", "Paris"]
            assert answer == Answer("hm", "Paris", [Call(), Call("", "f", "{}")])
            with pytest.raises(NotThere):
                await anext(client.output("gone"))

    run(scene())


@pytest.mark.parametrize(
    "output",
    [
        "said",
        [],
        {"content": ["a"]},
        {"tool_calls": 3},
        {"tool_calls": ["f"]},
        {"tool_calls": [{"arguments": {"a": 1}}]},
    ],
    ids=str,
)
def test_an_output_of_another_shape_is_a_sentence_too(output: Any) -> None:
    with pytest.raises(ValueError, match="not an answer of this version of mlxtui"):
        Answer.from_json(output)


@pytest.mark.parametrize(
    "delta",
    [
        "text",
        {"channel": "content", "text": 3},
        {"channel": "tool", "index": "first", "text": ""},
        {"channel": "tool", "index": [1], "name": "f"},
        {"channel": "tool", "index": 0, "name": {"f": 1}},
    ],
    ids=str,
)
def test_a_delta_of_another_shape_is_a_sentence_too(delta: Any) -> None:
    async def scene() -> None:
        async with FakeServer() as server, client_of(server) as client:
            server.deltas["x"] = asyncio.Queue()
            server.deltas["x"].put_nowait(delta)
            async with aclosing(client.output("x")) as answers:
                await anext(answers)
                with pytest.raises(ServerUnreachable, match="not an answer of this version of mlxtui"):
                    await anext(answers)

    run(scene())


MODEL: dict[str, Any] = {"id": "m", "name": "m", "source": "hub", "path": "/m", "size_bytes": 1, "weights_bytes": 1}
MODEL |= {"architecture": "", "quantisation": "", "context_length": None, "fit": "fits"}
HIT: dict[str, Any] = {"id": "m", "weights_bytes": 0, "fit": None, "downloads": 0, "updated": ""}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"models": None},
        {"models": ["m"]},
        {"models": [{"id": "m"}]},
        {"models": [MODEL | {"fit": "hardly"}]},
        {"models": [MODEL | {"source": "cloud"}]},
        {"models": [HIT | {"fit": "hardly"}]},
    ],
    ids=str,
)
def test_an_answer_of_another_shape_is_a_sentence_too(answer: dict[str, Any]) -> None:
    async def scene() -> None:
        async with FakeServer() as server, client_of(server) as client:
            server.replies = {f"GET /mlxtui/models{path}": (200, answer) for path in ("", "/search?q=m")}
            for asked in (client.models(), client.search_hub("m")):
                with pytest.raises(ServerUnreachable, match="use the same version for both"):
                    await asked

    run(scene())


def test_a_url_is_forgiven_its_missing_scheme() -> None:
    assert ServerClient("localhost:8080/").url == "http://localhost:8080"
    with pytest.raises(ServerUnreachable, match="is not a URL"):
        ServerClient("http://[::bad")


def test_clocks_that_differ_are_noticed() -> None:
    date = "Thu, 01 Jan 1970 00:01:00 GMT"
    assert skew(date, 60.0) == 0
    assert skew(date, 0.0) == 60.5
    assert skew(None, 60.0) == skew("yesterday", 60.0) == 0
