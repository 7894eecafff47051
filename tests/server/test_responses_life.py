"""The life of a response: background, cancel, resume, clients that leave, servers that stop, stores that fail."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import NotFoundError

from mlxtui import recording
from mlxtui.engine.replay import ReplayEngine
from mlxtui.events import RequestFinished, RequestQueued, RequestReceived
from mlxtui.replay import replay
from mlxtui.settings import Settings
from mlxtui.store import responses
from mlxtui.store.database import Store
from tests.server.serving import Gate, Served, run, serving, sse
from tests.server.test_errors import assert_error
from tests.server.test_responses import ASK, RESPONSES, stream

PIECES = ("one", " two", " three")


@asynccontextmanager
async def gated(at: int = 1, **options: Any) -> Any:
    """A server whose jobs stop before piece `at`, with its gate."""
    gate = Gate(at)
    async with serving(PIECES, pace=gate, **options) as served:
        yield served, gate


async def fetched(served: Served, id: str) -> dict[str, Any]:
    async with served.http() as http:
        found: dict[str, Any] = (await http.get(f"{RESPONSES}/{id}")).json()
        return found


async def id_of(served: Served) -> str:
    return f"resp_{(await served.event(RequestReceived)).id}"


async def kept(served: Served, id: str, status: str) -> dict[str, Any]:
    """The response as the store has it, once it has this status."""
    async with asyncio.timeout(10):
        while True:
            found = await served.store.run(lambda db: db.execute("SELECT status FROM responses").fetchall())
            if found == [(status,)]:
                return await fetched(served, id)


def test_a_background_response_outlives_its_client() -> None:
    async def main() -> None:
        async with gated() as (served, gate):
            async with served.openai() as client:
                made = await client.responses.create(**ASK, background=True)
                assert (made.status, made.background, made.output) == ("queued", True, [])
            await gate.reached.wait()
            assert (await fetched(served, made.id))["status"] == "in_progress"
            gate.open.set()
            await served.event(RequestFinished)
            found = await kept(served, made.id, "completed")
        assert found["output"][0]["content"][0]["text"] == "one two three"

    run(main())


def test_a_client_that_leaves_a_background_stream_comes_back_to_where_it_was() -> None:
    async def main() -> None:
        async with gated() as (served, gate), served.http() as http:
            body = ASK | {"background": True, "stream": True}
            async with http.stream("POST", RESPONSES, json=body) as response:
                begun = [event async for event in _until(response, "response.output_text.delta")]
                await gate.reached.wait()
            id, last = begun[0]["response"]["id"], begun[-1]["sequence_number"]
            query = f"{RESPONSES}/{id}?stream=true&starting_after={last}"
            async with http.stream("GET", query) as response:
                gate.open.set()
                *rest, done = await sse(response)
            again = (await http.get(f"{RESPONSES}/{id}?stream=true")).text
        assert [event["type"] for event in begun[:3]] == [
            "response.created",
            "response.queued",
            "response.in_progress",
        ]
        assert [event["response"]["status"] for event in begun[:3]] == ["queued", "queued", "in_progress"]
        assert [event["sequence_number"] for event in (*begun, *rest)] == list(range(len(begun) + len(rest)))
        assert (rest[-1]["type"], done) == ("response.completed", "[DONE]")
        told = [json.loads(line[6:]) for line in again.splitlines() if line.startswith("data: {")]
        assert told == [*begun, *rest]

    run(main())


async def _until(response: Any, kind: str) -> Any:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            yield event
            if event["type"] == kind:
                return


def test_the_official_client_resumes_a_stream() -> None:
    async def main() -> None:
        async with serving(PIECES) as served, served.openai() as client:
            made = await client.responses.create(**ASK)
            events = [e async for e in await client.responses.retrieve(made.id, stream=True, starting_after=3)]
        assert [event.sequence_number for event in events] == list(range(4, 4 + len(events)))
        assert events[-1].type == "response.completed"

    run(main())


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "99999999999"])
def test_a_place_to_start_after_is_a_number(after: str) -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client, served.http() as http:
            made = await client.responses.create(**ASK)
            refused = await http.get(f"{RESPONSES}/{made.id}?stream=true&starting_after={after}")
            assert_error(refused, 400, "starting_after")
            assert_error(await http.get(f"{RESPONSES}/{made.id}?stream={after}"), 400, "stream")

    run(main())


@pytest.mark.parametrize("fields", [{}, {"stream": True}, {"background": True}], ids=["whole", "stream", "background"])
def test_cancel_stops_the_engine_and_keeps_what_was_said(fields: dict[str, Any]) -> None:
    async def main() -> None:
        async with gated() as (served, gate), served.openai() as client, served.http() as http:
            asking = asyncio.create_task(http.post(RESPONSES, json=ASK | fields))
            await gate.reached.wait()
            id = await id_of(served)
            assert served.engine.live
            cancelled = await client.responses.cancel(id)
            assert not served.engine.live
            answer = await asking
            finished = await served.event(RequestFinished)
            again = await client.responses.cancel(id)
            found = await client.responses.retrieve(id)
        assert cancelled == again == found
        assert (cancelled.status, cancelled.output_text) == ("cancelled", "one")
        assert (answer.status_code, finished.outcome) == (200, "cancelled")
        if fields.get("stream"):
            last, done = answer.text.strip().split("\n\n")[-2:]
            assert json.loads(last.partition("data: ")[2])["response"]["status"] == "cancelled"
            assert done == "data: [DONE]"

    run(main())


def test_a_finished_response_stays_as_it_is_when_cancelled() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client:
            made = await client.responses.create(**ASK)
            assert await client.responses.cancel(made.id) == made

    run(main())


def test_a_response_that_is_deleted_under_way_is_stopped() -> None:
    async def main() -> None:
        async with gated() as (served, gate), served.openai() as client:
            made = await client.responses.create(**ASK, background=True)
            await gate.reached.wait()
            await client.responses.delete(made.id)
            assert not served.engine.live
            with pytest.raises(NotFoundError):
                await client.responses.retrieve(made.id)

    run(main())


@pytest.mark.parametrize("fields", [{}, {"stream": True}], ids=["whole", "stream"])
@pytest.mark.parametrize("at", [-1, 0, 1], ids=["queued", "prefill", "decode"])
def test_a_client_that_leaves_ends_its_response(at: int, fields: dict[str, Any]) -> None:
    async def main() -> None:
        async with gated(at) as (served, gate), served.http() as http:
            asking = asyncio.create_task(http.post(RESPONSES, json=ASK | fields))
            await gate.reached.wait()
            asking.cancel()
            await asyncio.wait([asking])
            finished = await served.event(RequestFinished)
            await gate.left.wait()
            assert (finished.status, finished.outcome) == (499, "cancelled")
            if at >= 0:
                await kept(served, await id_of(served), "cancelled")
            assert served.ledger.live() == []

    run(main())


def test_a_client_that_leaves_before_its_prompt_is_ready_ends_its_request() -> None:
    counting = asyncio.Event()

    class Slow(ReplayEngine):
        async def tokenize(self, prompt: Any) -> Any:
            counting.set()
            await asyncio.Event().wait()

    async def main() -> None:
        async with serving(engine=Slow.scripted(PIECES)) as served, served.http() as http:
            body = ASK | {"input": "word " * 4000, "truncation": "auto"}
            asking = asyncio.create_task(http.post(RESPONSES, json=body))
            await counting.wait()
            asking.cancel()
            await asyncio.wait([asking])
            finished = await served.event(RequestFinished)
        assert (finished.status, finished.outcome) == (499, "cancelled")

    run(main())


def test_a_response_under_way_can_not_be_gone_on_from() -> None:
    async def main() -> None:
        async with gated() as (served, _), served.openai() as client, served.http() as http:
            made = await client.responses.create(**ASK, background=True)
            refused = await http.post(RESPONSES, json=ASK | {"previous_response_id": made.id})
            assert "is still" in assert_error(refused, 400, "previous_response_id")["message"]

    run(main())


def test_long_silence_is_filled_with_comments_and_real_events() -> None:
    async def main() -> None:
        async with (
            gated(settings=Settings(heartbeat=0.05)) as (served, gate),
            served.http() as http,
            http.stream("POST", RESPONSES, json=ASK | {"stream": True}) as response,
        ):
            lines = response.aiter_lines()
            seen = [line async for line in _until_alive(lines)]
            gate.open.set()
            seen += [line async for line in lines if line]
        assert ": keepalive" in seen
        numbers = [json.loads(line[6:])["sequence_number"] for line in seen if line.startswith("data: {")]
        assert numbers == list(range(len(numbers)))
        assert seen[-1] == "data: [DONE]"

    async def _until_alive(lines: Any) -> Any:
        """Until `in_progress` has come after text."""
        text = False
        async for line in lines:
            yield line
            text = text or "output_text.delta" in line
            if text and line.startswith("data: ") and "response.in_progress" in line:
                return

    run(main())


def test_a_stopping_server_ends_responses_and_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"

    async def main() -> None:
        async with gated(store=Store(path)) as (served, gate), served.openai() as client:
            made = await client.responses.create(**ASK, background=True)
            streaming = asyncio.create_task(stream(served, ASK))
            await gate.reached.wait()
            await served.event(RequestQueued, 2)
            await served.ledger.drain(0)
            *_, error, last, done = await streaming
            assert (error["code"], last["type"], done) == ("shutting_down", "response.failed", "[DONE]")
        store = Store(path)
        for id in (made.id, last["response"]["id"]):
            found = await store.run(responses.get, id)
            assert found
            assert (found["status"], found["error"]["message"]) == ("failed", "the server is shutting down")
        await store.close()

    run(main())


def test_a_stream_that_was_cut_off_with_its_server_ends_as_failed(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"

    async def main() -> None:
        begun = {"id": "resp_1", "status": "in_progress", "created_at": 1, "previous_response_id": None, "output": []}
        events = [
            {"type": kind, "sequence_number": n, "response": begun}
            for n, kind in enumerate(("response.created", "response.in_progress"))
        ]
        early = Store(path)
        await early.run(responses.put, responses.Kept(begun, events=events))
        await early.close()
        async with serving(store=Store(path)) as served, served.http() as http:
            for after, numbers in (("", [0, 1, 2]), ("&starting_after=0", [1, 2]), ("&starting_after=7", [8])):
                async with http.stream("GET", f"{RESPONSES}/resp_1?stream=true{after}") as response:
                    *told, done = await sse(response)
                assert [event["sequence_number"] for event in told] == numbers
                assert (told[-1]["type"], done) == ("response.failed", "[DONE]")
                assert told[-1]["response"]["error"]["message"] == responses.CUT

    run(main())


async def fill(served: Served) -> None:
    """The disk is full: not a page more."""
    await served.store.run(lambda db: db.execute("PRAGMA max_page_count = 1"))


def test_a_full_disk_costs_a_response_its_place_not_its_answer(tmp_path: Path) -> None:
    long = ASK | {"input": "x" * 100_000}

    async def main() -> None:
        store = Store(tmp_path / "store.sqlite3")
        async with serving(PIECES, store=store) as served, served.openai() as client, served.http() as http:
            before = await client.responses.create(**ASK)
            await fill(served)
            whole = (await http.post(RESPONSES, json=long)).json()
            *_, last, done = await stream(served, long)
            for answer in (whole, last["response"]):
                assert (answer["status"], answer["store"]) == ("completed", False)
                assert answer["output"][0]["content"][0]["text"] == "one two three"
                assert_error(await http.get(f"{RESPONSES}/{answer['id']}"), 404, "response_id")
            assert (last["type"], done) == ("response.completed", "[DONE]")
            refused = await http.post(RESPONSES, json=long | {"background": True})
            assert "make room" in assert_error(refused, 503, None, "store_full")["message"]
            assert served.ledger.live() == []
            assert not served.engine.live
            refused = await http.post("/v1/conversations", json={"items": [{"role": "user", "content": "x" * 100_000}]})
            assert_error(refused, 503, None, "store_full")
            assert await client.responses.retrieve(before.id) == before
            assert (await http.get("/health")).status_code == 200

    run(main())


def test_a_recorded_chain_replays_with_its_ids(tmp_path: Path) -> None:
    file = tmp_path / "chain.jsonl"

    async def main() -> None:
        async with serving(PIECES, record=file) as served, served.openai() as client:
            first = await client.responses.create(**ASK)
            await stream(served, ASK | {"previous_response_id": first.id})
            made = await client.responses.create(**ASK, background=True)
            for exchange in served.ledger.live():
                await exchange.ended()
            await client.responses.retrieve(made.id)

    run(main())
    recorded = recording.read(file)
    assert [exchange.request.method for exchange in recorded.exchanges] == ["POST", "POST", "POST", "GET"]
    assert recorded.exchanges[2].run
    assert recorded.exchanges[2].run.finish == "stop"
    assert [result.differences for result in replay(recorded)] == [[], [], [], []]


def test_a_bug_of_ours_ends_the_response_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a bug")

    async def main() -> None:
        async with serving(PIECES) as served, served.http() as http:
            with monkeypatch.context() as patch:
                patch.setattr("mlxtui.api.responses_answer.ResponseAnswer.feed", broken)
                *_, last, _ = await stream(served, ASK)
            assert (last["type"], last["response"]["error"]["code"]) == ("response.failed", "server_error")
            assert "bug" not in json.dumps(last)
            assert (await http.post(RESPONSES, json=ASK)).status_code == 200

    run(main())


def test_many_turns_at_once_stay_apart() -> None:
    engine = ReplayEngine.scripted(PIECES)

    async def main() -> None:
        async with serving(engine=engine, settings=Settings(max_running=16)) as served:
            streams = await asyncio.gather(*(stream(served, ASK) for _ in range(16)))
        assert len({events[0]["response"]["id"] for events in streams}) == 16
        for *events, done in streams:
            assert [event["sequence_number"] for event in events] == list(range(len(events)))
            assert (events[-1]["type"], done) == ("response.completed", "[DONE]")

    run(main())
