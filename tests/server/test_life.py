"""The life of an exchange: silence, clients that leave, a full queue, a server that stops. Gates instead of sleeps."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from openai import APIError

from mlxtui.engine.interface import Job
from mlxtui.events import RequestFinished, RequestQueued, RequestReceived
from mlxtui.settings import Settings
from mlxtui.types import Finish, Started, Text
from tests.server.serving import CHAT, HELLO, Gate, Served, chat, run, serving, sse
from tests.server.test_errors import assert_error

PIECES = ("one", " two", " three")


@asynccontextmanager
async def gated(at: int = 1, settings: Settings | None = None) -> Any:
    """A server whose jobs stop before piece `at`, with its gate."""
    gate = Gate(at)
    async with serving(PIECES, pace=gate, settings=settings) as served:
        yield served, gate


async def first_line(response: httpx2.Response) -> Any:
    """The response's lines, after the first one that is not empty."""
    lines = response.aiter_lines()
    async for line in lines:
        if line:
            return line, lines
    raise AssertionError("the stream ended at once")


def test_silence_is_filled_with_comments_that_clients_skip() -> None:
    async def main() -> None:
        async with gated(settings=Settings(heartbeat=0.05)) as (served, gate), served.openai() as client:
            async with served.http() as http, http.stream("POST", CHAT, json=chat(stream=True)) as response:
                lines = response.aiter_lines()
                seen = [line async for line in _until(lines, ": keepalive", 2)]
                gate.open.set()
                rest = [line async for line in lines if line.startswith("data:")]
            assert json.loads(seen[0].removeprefix("data: "))["choices"][0]["delta"]["role"] == "assistant"
            assert rest[-1] == "data: [DONE]"
            stream = await client.chat.completions.create(**HELLO, stream=True)
            text = [chunk.choices[0].delta.content or "" async for chunk in stream]
            assert "".join(text) == "one two three"

    async def _until(lines: Any, wanted: str, count: int) -> Any:
        async for line in lines:
            if line:
                yield line
            count -= line == wanted
            if not count:
                return

    run(main())


async def assert_cancelled(served: Served, gate: Gate) -> None:
    finished = await served.event(RequestFinished)
    await gate.left.wait()
    assert (finished.status, finished.outcome) == (499, "cancelled")
    assert served.engine.live == {}
    assert served.ledger.live() == []
    assert served.bus.state.count("queued", "prefill", "decode") == 0


def test_a_client_that_leaves_a_stream_ends_its_job() -> None:
    async def main() -> None:
        async with gated() as (served, gate), served.http() as http:
            async with http.stream("POST", CHAT, json=chat(stream=True)) as response:
                await first_line(response)
                await gate.reached.wait()
                assert len(served.engine.live) == 1
            await assert_cancelled(served, gate)

    run(main())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("at", [-1, 0, 2], ids=["queued", "prefill", "decode"])
def test_a_client_that_leaves_while_it_waits_ends_its_job(at: int, stream: bool) -> None:
    async def main() -> None:
        async with gated(at) as (served, gate), served.http() as http:
            asking = asyncio.create_task(http.post(CHAT, json=chat(stream=stream)))
            await gate.reached.wait()
            asking.cancel()
            await asyncio.wait([asking])
            await assert_cancelled(served, gate)

    run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_as_soon_as_it_has_asked_ends_its_job(stream: bool) -> None:
    body = json.dumps(chat(stream=stream)).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

    async def main() -> None:
        async with gated() as (served, _):
            with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as asking:
                asking.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            finished = await served.event(RequestFinished)
        assert (finished.status, finished.outcome) == (499, "cancelled")

    run(main())


def test_a_client_that_leaves_after_the_last_byte_has_cancelled_nothing() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            async with http.stream("POST", CHAT, json=chat(stream=True)) as response:
                async for line in response.aiter_lines():
                    if line == "data: [DONE]":
                        break
            finished = await served.event(RequestFinished)
        assert (finished.status, finished.outcome) == (200, "stop")

    run(main())


def test_what_is_kept_of_an_answer_is_its_text_not_its_tokens() -> None:
    async def main() -> None:
        async with serving(PIECES) as served, served.http() as http:
            await http.post(CHAT, json=chat())
            finished = await served.event(RequestFinished)
            exchange = served.ledger.get(finished.id)
            assert exchange
            [batch] = [batch async for batch in exchange.follow()]
            assert [type(delta) for delta in batch] == [Started, Text, Finish]
            assert batch[1] == Text("one two three")

    run(main())


def test_others_go_on_when_one_leaves() -> None:
    async def main() -> None:
        async with gated() as (served, gate), served.http() as http:
            leaving = asyncio.create_task(http.post(CHAT, json=HELLO))
            await served.event(RequestQueued)
            staying = asyncio.create_task(http.post(CHAT, json=HELLO))
            await served.event(RequestQueued, 2)
            leaving.cancel()
            await served.event(RequestFinished)
            gate.open.set()
            answer = (await staying).json()
        assert answer["choices"][0]["message"]["content"] == "one two three"

    run(main())


def test_a_choice_that_is_over_frees_its_slot_while_the_others_go_on() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def pace(job: Job, number: int, dt: float) -> None:
            if number == (1 if job.id.endswith(".1") else 2):
                await gate.wait()

        async with (
            serving(PIECES, pace=pace) as served,
            served.http() as http,
            http.stream("POST", CHAT, json=chat(stream=True, n=2, stop=" two")) as response,
        ):
            lines = response.aiter_lines()
            async for line in lines:
                if '"finish_reason":"stop"' in line.replace(" ", ""):
                    break
            assert [job.rpartition(".")[2] for job in served.engine.live] == ["1"]
            gate.set()
            rest = [line async for line in lines if line.startswith("data:")]
        assert rest[-1] == "data: [DONE]"
        assert json.loads(rest[-2].removeprefix("data: "))["choices"][0]["index"] == 1

    run(main())


def test_many_streams_at_once_stay_apart() -> None:
    async def main() -> None:
        async with serving(("a", "b", "c"), settings=Settings(max_running=16)) as served, served.http() as http:

            async def one() -> list[Any]:
                async with http.stream("POST", CHAT, json=chat(stream=True)) as response:
                    return await sse(response)

            streams = await asyncio.gather(*(one() for _ in range(16)))
        assert len({events[0]["id"] for events in streams}) == 16
        for *chunks, done in streams:
            assert done == "[DONE]"
            assert len({chunk["id"] for chunk in chunks}) == 1
            assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == "abc"

    run(main())


def test_a_full_queue_answers_429_and_takes_requests_again_later() -> None:
    async def main() -> None:
        settings = Settings(max_running=1, max_queued=1)
        async with gated(settings=settings) as (served, gate), served.http() as http:
            waiting = [asyncio.create_task(http.post(CHAT, json=HELLO)) for _ in range(2)]
            await served.event(RequestQueued, 2)
            for stream in (False, True):
                refused = await http.post(CHAT, json=chat(stream=stream))
                error = assert_error(refused, 429, None, "rate_limit_exceeded")
                assert "--max-queued" in error["message"]
                assert int(refused.headers["retry-after"]) >= 1
            gate.open.set()
            assert [(await task).status_code for task in waiting] == [200, 200]
            assert (await http.post(CHAT, json=HELLO)).status_code == 200

    run(main())


def test_what_can_never_fit_the_queue_is_no_matter_of_waiting() -> None:
    async def main() -> None:
        settings = Settings(max_running=1, max_queued=1)
        async with gated(settings=settings) as (served, _), served.http() as http:
            for stream in (False, True):
                refused = await http.post(CHAT, json=chat(stream=stream, n=3))
                assert "3 answers" in assert_error(refused, 400, "n", "invalid_value")["message"]

    run(main())


def test_a_stopping_server_ends_streams_in_band_and_takes_nothing_new() -> None:
    async def main() -> None:
        async with gated() as (served, gate), served.http() as http:
            async with http.stream("POST", CHAT, json=chat(stream=True)) as response:
                await gate.reached.wait()
                plain = asyncio.create_task(http.post(CHAT, json=HELLO))
                await served.event(RequestQueued, 2)
                await served.ledger.drain(0)
                *_, error, done = await sse(response)
            assert (error["error"]["code"], done) == ("shutting_down", "[DONE]")
            assert_error(await plain, 503, None, "shutting_down")
            refused = await http.post(CHAT, json=HELLO)
            assert_error(refused, 503, None, "shutting_down")
            assert "retry-after" in refused.headers
            assert_error(await http.get("/ready"), 503)

    run(main())


def test_the_official_client_raises_what_ends_a_stream() -> None:
    async def main() -> None:
        async with gated() as (served, gate), served.openai() as client:
            stream = await client.chat.completions.create(**HELLO, stream=True)
            await gate.reached.wait()
            await served.ledger.drain(0)
            with pytest.raises(APIError) as raised:
                async for _ in stream:
                    pass
        assert raised.value.code == "shutting_down"

    run(main())


def test_a_stopping_server_lets_answers_finish_within_the_grace() -> None:
    async def main() -> None:
        async with gated() as (served, gate), served.http() as http:
            async with http.stream("POST", CHAT, json=chat(stream=True)) as response:
                await gate.reached.wait()
                draining = asyncio.create_task(served.ledger.drain(15))
                await asyncio.sleep(0)
                gate.open.set()
                *_, last, done = await sse(response)
            await draining
        assert (last["choices"][0]["finish_reason"], done) == ("stop", "[DONE]")

    run(main())


def test_every_request_has_one_beginning_and_one_end() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            ids = set()
            for body in (HELLO, chat(stream=True), chat(temperature=9), chat(model="other")):
                response = await http.post(CHAT, json=body)
                ids.add(response.headers["x-request-id"].removeprefix("req_"))
            await served.event(RequestFinished, 4)
            for kind in (RequestReceived, RequestFinished):
                assert {e.id for e in served.events if isinstance(e, kind)} == ids
                assert sum(isinstance(e, kind) for e in served.events) == 4

    run(main())


def test_pipelined_requests_are_answered_in_order() -> None:
    async def main() -> None:
        async with serving() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
            one = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
            writer.write(one + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n").replace(b"health", b"nope"))
            answer = (await reader.read()).decode()
            writer.close()
            await writer.wait_closed()
        assert answer.index("HTTP/1.1 200") < answer.index("HTTP/1.1 404")

    run(main())
