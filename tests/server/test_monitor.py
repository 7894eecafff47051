"""What dashboards and operators see: the feed and its resumption, one request from the side, cancel, health."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx2

from mlxtui.engine.interface import ParsedCall
from mlxtui.events import RequestFinished, RequestPrioritised, RequestQueued, RequestReceived, from_json
from mlxtui.fold import fold
from mlxtui.settings import Settings
from mlxtui.state import State
from tests.server.serving import CHAT, HELLO, Gate, chat, function, run, serving, sse
from tests.server.test_errors import assert_error
from tests.server.test_life import gated


@dataclass
class Sent:
    event: str
    id: int | None
    data: Any


async def feed(response: httpx2.Response) -> AsyncGenerator[Sent, None]:
    """Named server-sent events; comments left out."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            id = int(fields["id"]) if "id" in fields else None
            yield Sent(fields["event"], id, json.loads(fields["data"]))
            fields = {}


async def first_of_feed(http: httpx2.AsyncClient, headers: dict[str, str]) -> Sent:
    async with http.stream("GET", "/mlxtui/events", headers=headers) as response, aclosing(feed(response)) as events:
        return await anext(events)


def test_the_feed_begins_with_a_snapshot_and_its_events_fold_into_the_state() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http, http.stream("GET", "/mlxtui/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            async with aclosing(feed(response)) as events:
                first = await anext(events)
                assert (first.event, first.id) == ("snapshot", served.bus.last_id)
                state = State.from_json(first.data)
                assert state.model.name == "scripted"
                await http.post(CHAT, json=HELLO)
                last = first.id
                async for sent in events:
                    assert sent.id == last + 1
                    last = sent.id
                    assert sent.data["type"] == sent.event
                    fold(state, from_json(sent.data))
                    if sent.event == "request_finished":
                        break
            assert state.to_json() == served.bus.state.to_json()
            assert state.finished[0].completion_tokens == 2

    run(main())


def test_the_feed_goes_on_where_a_reader_stopped() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            known = served.bus.last_id
            await http.post(CHAT, json=HELLO)
            first = await first_of_feed(http, {"last-event-id": str(known)})
            assert (first.event, first.id) == ("request_received", known + 1)
            for forgotten in ("1", "nonsense", "9" * 5000, str(served.bus.last_id + 5)):
                assert (await first_of_feed(http, {"last-event-id": forgotten})).event == "snapshot"

    run(main())


def test_an_open_feed_ends_with_the_server() -> None:
    async def main() -> None:
        async with (
            serving() as served,
            served.http() as http,
            http.stream("GET", "/mlxtui/events") as response,
            aclosing(feed(response)) as events,
        ):
            await anext(events)
            served.bus.close()
            assert [sent async for sent in events] == []

    run(main())


def test_the_feed_carries_no_text_of_prompts_or_answers() -> None:
    async def main() -> None:
        body = chat(messages=[{"role": "user", "content": "my secret"}])
        async with serving(("its secret",)) as served, served.http() as http:
            await http.post(CHAT, json=body)
            await served.event(RequestFinished)
            assert "secret" not in repr(served.events) + json.dumps(served.bus.state.to_json())

    run(main())


def test_one_request_can_be_inspected_while_it_runs_and_after() -> None:
    async def main() -> None:
        async with gated() as (served, gate), served.http() as http:
            asking = asyncio.create_task(http.post(CHAT, json=HELLO))
            await gate.reached.wait()
            [id] = served.bus.state.requests
            running = (await http.get(f"/mlxtui/requests/{id}")).json()
            assert (running["finished"], running["outcome"]) == (False, None)
            assert running["request"] == HELLO
            assert running["output"]["content"] == "one"
            gate.open.set()
            answer = await asking
            assert answer.headers["x-request-id"] == f"req_{id}"
            ended = (await http.get(f"/mlxtui/requests/{id}")).json()
        assert (ended["finished"], ended["outcome"], ended["status"]) == (True, "stop", 200)
        assert ended["output"] == {"reasoning": "", "content": "one two three", "tool_calls": []}
        assert ended["usage"]["completion_tokens"] == 3
        assert ended["timings"]["ttft"] is not None

    run(main())


def test_the_output_of_a_request_is_followed_live_and_told_again() -> None:
    async def main() -> None:
        async with gated() as (served, gate), served.http() as http:
            asking = asyncio.create_task(http.post(CHAT, json=HELLO))
            await gate.reached.wait()
            [id] = served.bus.state.requests
            output = http.stream("GET", f"/mlxtui/requests/{id}/output")
            async with output as response, aclosing(feed(response)) as events:
                assert (await anext(events)).event == "snapshot"
                assert (await anext(events)).data == {"channel": "content", "text": "one"}
                gate.open.set()
                live = [(sent.event, sent.data) async for sent in events]
            await asking
            async with http.stream("GET", f"/mlxtui/requests/{id}/output") as response:
                again = [(sent.event, sent.data) async for sent in feed(response)]
        assert "".join(data["text"] for event, data in live if event == "delta") == " two three"
        assert "".join(data["text"] for event, data in again if event == "delta") == "one two three"
        assert live[-1] == again[-1] == ("end", {"outcome": "stop"})

    run(main())


def test_reasoning_and_calls_have_channels_of_their_own() -> None:
    call = '{"name": "f", "arguments": {"x": 1}}'
    pieces = ("<think>hm</think>", "so: ", f"<tool_call>{call}</tool_call>")

    async def main() -> None:
        async with serving(pieces, calls={call: (ParsedCall("f", {"x": 1}),)}) as served, served.http() as http:
            answer = await http.post(CHAT, json=chat(tools=[function("f")]))
            id = answer.headers["x-request-id"].removeprefix("req_")
            async with http.stream("GET", f"/mlxtui/requests/{id}/output") as response:
                sent = [s.data async for s in feed(response) if s.event == "delta"]
            output = (await http.get(f"/mlxtui/requests/{id}")).json()["output"]
        assert [data["channel"] for data in sent] == ["reasoning", "content", "tool", "tool"]
        assert sent[2]["name"] == "f"
        assert (output["reasoning"], output["content"]) == ("hm", "so:")
        assert json.loads(output["tool_calls"][0]["arguments"]) == {"x": 1}

    run(main())


def test_the_dashboard_cancels_a_stream_and_a_plain_request() -> None:
    async def main() -> None:
        async with gated() as (served, _), served.http() as http:
            async with http.stream("POST", CHAT, json=chat(stream=True)) as response:
                plain = asyncio.create_task(http.post(CHAT, json=HELLO))
                await served.event(RequestQueued, 2)
                for id in list(served.bus.state.requests):
                    cancelled = await http.post(f"/mlxtui/requests/{id}/cancel")
                    assert cancelled.json() == {"id": id, "cancelled": True}
                *_, error, done = await sse(response)
            assert (error["error"]["code"], done) == ("request_cancelled", "[DONE]")
            refused = await plain
            assert refused.status_code == 499
            assert refused.json()["error"]["code"] == "request_cancelled"
            again = await http.post(f"/mlxtui/requests/{id}/cancel")
            assert again.json() == {"id": id, "cancelled": False}
            finished = await served.event(RequestFinished, 2)
            assert (finished.status, finished.outcome) == (499, "cancelled")
            assert served.engine.live == {}

    run(main())


def test_requests_that_are_not_kept_are_not_found() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            for method, path in (("GET", ""), ("GET", "/output"), ("POST", "/cancel")):
                response = await http.request(method, f"/mlxtui/requests/nope{path}")
                assert_error(response, 404, "id", "request_not_found")

    run(main())


def test_the_ledger_keeps_what_runs_and_forgets_the_oldest_of_the_rest() -> None:
    async def main() -> None:
        async with gated(at=0) as (served, gate), served.http() as http:
            served.ledger._kept = 2
            asking = asyncio.create_task(http.post(CHAT, json=HELLO))
            await gate.reached.wait()
            [running] = served.bus.state.requests
            ids = []
            for _ in range(4):
                response = await http.post(CHAT, json=chat(temperature=9))
                ids.append(response.headers["x-request-id"].removeprefix("req_"))
            assert served.ledger.get(running) is not None
            assert served.ledger.get(ids[0]) is None
            assert served.ledger.get(ids[3]) is not None
            gate.open.set()
            await asking

    run(main())


def test_health_counts_and_ready_tells_the_model() -> None:
    async def main() -> None:
        async with gated(settings=Settings(api_key="k")) as (served, gate), served.http() as http:
            key = {"authorization": "Bearer k"}
            asking = asyncio.create_task(http.post(CHAT, json=HELLO, headers=key))
            await gate.reached.wait()
            health = (await http.get("/health")).json()
            assert (health["status"], health["model"]) == ("ok", "scripted")
            assert (health["running"], health["queued"]) == (1, 0)
            assert (await http.get("/ready", headers=key)).json() == {"status": "ready", "model": "scripted"}
            gate.open.set()
            await asking

    run(main())


def test_a_shutdown_request_is_accepted_and_passed_on() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            assert (await http.post("/mlxtui/shutdown")).status_code == 202
            assert served.stopped.is_set()

    run(main())


def test_a_request_goes_before_others_as_its_client_or_the_dashboard_wants_until_it_answers() -> None:
    async def main() -> None:
        gate = Gate()
        async with serving(pace=gate) as served, served.http() as http:
            asking = asyncio.create_task(http.post(CHAT, json=chat(service_tier="flex")))
            await gate.reached.wait()
            id = (await served.event(RequestReceived)).id
            assert (await served.event(RequestPrioritised)).priority == "low"
            raised = await http.post(f"/mlxtui/requests/{id}/priority", json={"priority": "high"})
            assert raised.json() == {"id": id, "priority": "high", "changed": True}
            assert (await served.event(RequestPrioritised, 2)).priority == "high"
            assert (await http.get(f"/mlxtui/requests/{id}")).json()["priority"] == "high"
            for wrong in ({"priority": "urgent"}, {"priority": 1}, {}):
                refused = await http.post(f"/mlxtui/requests/{id}/priority", json=wrong)
                assert (refused.status_code, refused.json()["error"]["param"]) == (400, "priority")
            gate.open.set()
            await asking
            late = await http.post(f"/mlxtui/requests/{id}/priority", json={"priority": "low"})
            assert late.json() == {"id": id, "priority": "low", "changed": False}

    run(main())
