"""Responses over a real socket, read by the official client in its strict mode: made, found again, gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError
from pydantic import BaseModel

from mlxtui.engine.interface import Job
from mlxtui.engine.replay import ReplayEngine
from mlxtui.errors import EngineFailed, InvalidRequest
from mlxtui.events import Logged, RequestFinished, RequestReceived
from mlxtui.store.database import Store
from mlxtui.types import Message, ModelInfo
from tests.server.serving import Served, run, serving, sse
from tests.server.test_errors import assert_error

RESPONSES = "/v1/responses"
ASK: dict[str, Any] = {"model": "scripted", "input": "hello"}
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": False}
CALL = ('<tool_call>{"name": "weather", "arguments": {}}</tool_call>',)


class Listening(ReplayEngine):
    """Remembers the jobs it got; a word is a token."""

    jobs: list[Job]

    @classmethod
    def hearing(cls, *pieces: str, **script: Any) -> Listening:
        engine = cls.scripted(pieces or ("Hel", "lo"), **script)
        assert isinstance(engine, Listening)
        engine.jobs = []
        return engine

    async def run(self, job: Job) -> Any:
        self.jobs.append(job)
        async for batch in super().run(job):
            yield batch

    async def tokenize(self, prompt: Any) -> tuple[str, tuple[int, ...]]:
        text = " ".join(message.content for message in prompt.messages)
        return text, tuple(range(len(text.split())))

    def heard(self) -> tuple[Message, ...]:
        """What the last job was asked."""
        prompt: Any = self.jobs[-1].prompt
        return tuple(prompt.messages)

    def words(self) -> list[tuple[str, str]]:
        return [(message.role, message.content) for message in self.heard()]


async def stream(served: Served, body: dict[str, Any]) -> list[Any]:
    async with served.http() as http, http.stream("POST", RESPONSES, json=body | {"stream": True}) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        return await sse(response)


def test_an_answer_is_kept_and_found_again() -> None:
    async def main() -> None:
        async with serving(cached_tokens=3) as served, served.openai() as client:
            made = await client.responses.create(**ASK, metadata={"topic": "x"})
            found = await client.responses.retrieve(made.id)
            [item] = (await client.responses.input_items.list(made.id)).data
        assert made == found
        assert (made.status, made.output_text, made.metadata) == ("completed", "Hello", {"topic": "x"})
        assert made.usage
        assert (made.usage.input_tokens, made.usage.input_tokens_details.cached_tokens) == (7, 3)
        assert (item.role, item.content[0].text) == ("user", "hello")

    run(main())


def test_a_stream_ends_with_what_is_found_afterwards() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client:
            *events, done = await stream(served, ASK)
            found = await client.responses.with_raw_response.retrieve(events[0]["response"]["id"])
        assert done == "[DONE]"
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
        assert events[-1]["type"] == "response.completed"
        assert events[-1]["response"] == json.loads(found.text)

    run(main())


def test_the_official_client_reads_streams_and_parses_answers() -> None:
    class City(BaseModel):
        name: str

    async def main() -> None:
        async with serving(('{"name": ', '"Oslo"}')) as served, served.openai() as client:
            parsed = await client.responses.parse(**ASK, text_format=City)
            async with client.responses.stream(**ASK) as events:
                kinds = [event.type async for event in events]
                final = await events.get_final_response()
        assert parsed.output_parsed == City(name="Oslo")
        assert final.output_text == '{"name": "Oslo"}'
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")

    run(main())


def test_a_turn_goes_on_from_the_one_before_and_instructions_do_not() -> None:
    engine = Listening.hearing("fine")

    async def main() -> None:
        async with serving(engine=engine) as served, served.openai() as client:
            first = await client.responses.create(**ASK, instructions="be kind")
            assert engine.words() == [("system", "be kind"), ("user", "hello")]
            second = await client.responses.create(model="scripted", input="and?", previous_response_id=first.id)
            assert engine.words() == [("user", "hello"), ("assistant", "fine"), ("user", "and?")]
            assert second.previous_response_id == first.id
            await client.responses.create(model="scripted", input="or", previous_response_id=first.id)
            assert engine.words() == [("user", "hello"), ("assistant", "fine"), ("user", "or")]
            await client.responses.create(model="scripted", input="so", previous_response_id=second.id)
            assert [text for _, text in engine.words()] == ["hello", "fine", "and?", "fine", "so"]

    run(main())


def test_a_tool_loop_goes_by_previous_response_id() -> None:
    engine = Listening.hearing(*CALL)

    async def main() -> None:
        async with serving(engine=engine) as served, served.openai() as client:
            first = await client.responses.create(**ASK, tools=[WEATHER])
            [call] = first.output
            assert call.type == "function_call"
            result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
            await client.responses.create(
                model="scripted", input=[result], tools=[WEATHER], previous_response_id=first.id
            )
        assert [message.role for message in engine.heard()] == ["user", "assistant", "tool"]
        assert engine.heard()[1].tool_calls[0].id == engine.heard()[2].tool_call_id == call.call_id

    run(main())


def test_the_chain_survives_a_restart_between_any_two_turns(tmp_path: Path) -> None:
    async def main() -> None:
        previous = None
        for text in ("the word is plum", "noted?", "which word?"):
            engine = Listening.hearing("fine")
            store = Store(tmp_path / "store.sqlite3")
            async with serving(engine=engine, store=store) as served, served.openai() as client:
                answer = await client.responses.create(model="scripted", input=text, previous_response_id=previous)
                previous = answer.id
        assert engine.words()[0] == ("user", "the word is plum")
        assert len(engine.words()) == 5

    run(main())


def test_sealed_reasoning_is_opened_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        asked = ASK | {"store": False, "include": ["reasoning.encrypted_content"], "input": [_user("hello")]}
        async with (
            serving(("<think>a plum", "</think>yes"), store=Store(tmp_path / "store.sqlite3")) as served,
            served.openai() as client,
        ):
            first = await client.responses.create(**asked)
        replayed = [_user("hello"), *(item.model_dump(exclude_none=True) for item in first.output), _user("and?")]
        replayed[1].pop("content", None)
        engine = Listening.hearing("fine")
        async with (
            serving(engine=engine, store=Store(tmp_path / "store.sqlite3")) as served,
            served.openai() as client,
        ):
            await client.responses.create(**asked | {"input": replayed})
        assert engine.heard()[1].reasoning == "a plum"
        assert engine.heard()[1].content == "yes"

    run(main())


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def test_items_may_be_named_instead_of_sent() -> None:
    engine = Listening.hearing("fine")

    async def main() -> None:
        async with serving(engine=engine) as served, served.openai() as client, served.http() as http:
            first = await client.responses.create(**ASK)
            named = [{"type": "item_reference", "id": first.output[0].id}, _user("and?")]
            second = await client.responses.create(model="scripted", input=named)
            assert engine.words() == [("assistant", "fine"), ("user", "and?")]
            items = (await client.responses.input_items.list(second.id, order="asc")).data
            assert [item.type for item in items] == ["message", "message"]
            body = ASK | {"input": [_user("x"), {"type": "item_reference", "id": "msg_nowhere"}]}
            error = assert_error(await http.post(RESPONSES, json=body), 400, "input[1].id", "item_not_found")
            assert "msg_nowhere" in error["message"]

    run(main())


def test_what_is_not_to_be_kept_is_not() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client:
            made = await client.responses.create(**ASK, store=False)
            with pytest.raises(NotFoundError) as caught:
                await client.responses.retrieve(made.id)
            assert made.store is False
            assert caught.value.code == "response_not_found"
            assert made.id in caught.value.message
            with pytest.raises(BadRequestError) as refused:
                await client.responses.create(**ASK, previous_response_id=made.id)
            assert refused.value.code == "previous_response_not_found"

    run(main())


def test_a_deleted_response_is_gone_and_so_is_what_went_on_from_it() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client, served.http() as http:
            first = await client.responses.create(**ASK)
            second = await client.responses.create(**ASK, previous_response_id=first.id)
            gone = (await http.delete(f"{RESPONSES}/{first.id}")).json()
            assert gone == {"id": first.id, "object": "response", "deleted": True}
            assert_error(await http.get(f"{RESPONSES}/{first.id}"), 404, "response_id", "response_not_found")
            assert_error(await http.delete(f"{RESPONSES}/{first.id}"), 404, "response_id")
            assert_error(await http.get(f"{RESPONSES}/{first.id}/input_items"), 404, "response_id")
            assert_error(await http.post(f"{RESPONSES}/{first.id}/cancel"), 404, "response_id")
            assert (await client.responses.retrieve(second.id)).id == second.id
            refused = await http.post(RESPONSES, json=ASK | {"previous_response_id": second.id})
            error = assert_error(refused, 400, "previous_response_id", "previous_response_not_found")
            assert first.id in error["message"]

    run(main())


def test_input_items_come_in_pages() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client, served.http() as http:
            texts = [f"line {n}" for n in range(7)]
            made = await client.responses.create(model="scripted", input=[_user(text) for text in texts])
            pages = client.responses.input_items.list(made.id, limit=3, order="asc")
            assert [item.content[0].text async for item in pages] == texts
            newest = await client.responses.input_items.list(made.id, limit=1)
            assert (newest.data[0].content[0].text, newest.has_more) == ("line 6", True)
            path = f"{RESPONSES}/{made.id}/input_items"
            for query, param in (
                ("limit=0", "limit"),
                ("limit=x", "limit"),
                ("order=up", "order"),
                ("after=x", "after"),
            ):
                assert_error(await http.get(f"{path}?{query}"), 400, param)

    run(main())


def test_a_prompt_is_counted_without_being_answered() -> None:
    engine = Listening.hearing()

    async def main() -> None:
        async with serving(engine=engine) as served, served.openai() as client:
            first = await client.responses.create(model="scripted", input="one two")
            count = await client.responses.input_tokens.count(input="three four", previous_response_id=first.id)
        assert (count.object, count.input_tokens) == ("response.input_tokens", 5)
        assert len(engine.jobs) == 1

    run(main())


@pytest.mark.parametrize("path", ["input_tokens", "compact"])
def test_a_model_that_is_not_named_is_the_loaded_one(path: str) -> None:
    async def main() -> None:
        async with serving(engine=Listening.hearing("so")) as served, served.http() as http:
            for fields in ({}, {"model": None}):
                answered = await http.post(f"{RESPONSES}/{path}", json={"input": "one two"} | fields)
                assert answered.status_code == 200, answered.text

    run(main())


def test_a_conversation_is_compacted_into_one_item_that_goes_on() -> None:
    engine = Listening.hearing("They want plums.")

    async def main() -> None:
        async with serving(engine=engine) as served, served.openai() as client:
            first = await client.responses.create(model="scripted", input="I want plums")
            compacted = await client.responses.compact(model="scripted", previous_response_id=first.id)
            assert [role for role, _ in engine.words()] == ["user", "assistant", "user"]
            [item] = compacted.output
            assert item.type == "compaction"
            assert "plums" not in item.encrypted_content
            await client.responses.create(model="scripted", input=[item.model_dump(exclude_none=True), _user("so?")])
        (_, summary), (_, asked) = engine.words()
        assert "The user said: I want plums" in summary
        assert "They want plums." in summary
        assert asked == "so?"

    run(main())


def test_what_does_not_fit_loses_its_oldest_turns_and_says_so() -> None:
    model = ModelInfo(id="scripted", context_length=200, dialect=ReplayEngine.scripted()._info.dialect, created=1)
    engine = Listening.hearing("fine", model=model)

    async def main() -> None:
        async with serving(engine=engine) as served, served.openai() as client:
            turns = [_user(f"turn {n} " + "word " * 40) for n in range(6)]
            items = [{"role": "system", "content": "be kind"}]
            for turn in turns:
                items += [turn, {"role": "assistant", "content": "yes"}]
            made = await client.responses.create(model="scripted", input=[*items, _user("now")], truncation="auto")
            logged = await served.event(Logged)
            kept = await client.responses.input_items.list(made.id, limit=100)
        assert engine.words()[0] == ("system", "be kind")
        assert engine.words()[1][1].startswith("turn 2 ")
        assert engine.words()[-1] == ("user", "now")
        assert made.metadata
        assert "oldest 2 turns (4 items)" in made.metadata["mlxtui_truncation"]
        assert "oldest 2 turns" in logged.message
        assert logged.request == made.id.removeprefix("resp_")
        assert len(kept.data) == 14

    run(main())


@pytest.mark.parametrize("count", range(5, 17))
def test_no_turn_more_is_left_out_than_it_takes(count: int) -> None:
    model = ModelInfo(id="scripted", context_length=200, dialect=ReplayEngine.scripted()._info.dialect, created=1)
    engine = Listening.hearing("fine", model=model)

    async def main() -> None:
        async with serving(engine=engine) as served, served.openai() as client:
            items: list[Any] = []
            for n in range(count):
                items += [_user(f"turn {n} " + "word " * 40), {"role": "assistant", "content": "yes"}]
            await client.responses.create(model="scripted", input=[*items, _user("now")], truncation="auto")
        assert engine.words()[0][1].startswith(f"turn {count - 4} ")

    run(main())


def test_what_fits_is_not_cut() -> None:
    engine = Listening.hearing("fine")

    async def main() -> None:
        async with serving(engine=engine) as served, served.openai() as client:
            made = await client.responses.create(**ASK, truncation="auto", metadata={"a": "b"})
        assert made.metadata == {"a": "b"}

    run(main())


def test_a_prompt_that_is_too_long_is_400_in_the_names_of_this_api() -> None:
    too_long = InvalidRequest("too long by far", param="messages", code="context_length_exceeded")

    async def main() -> None:
        async with serving((), prompt_tokens=None, failure=too_long) as served, served.http() as http:
            for fields in ({}, {"stream": True}, {"background": True}):
                refused = await http.post(RESPONSES, json=ASK | fields)
                assert_error(refused, 400, "input", "context_length_exceeded")

    run(main())


def test_an_answer_that_breaks_is_told_and_kept_as_failed() -> None:
    async def main() -> None:
        broken = EngineFailed("the worker died")
        async with serving(("Hel",), failure=broken) as served, served.http() as http:
            assert_error(await http.post(RESPONSES, json=ASK), 500, None, "engine_error")
            *events, error, last, done = await stream(served, ASK)
            found = (await http.get(f"{RESPONSES}/{last['response']['id']}")).json()
        assert (error["type"], error["code"], error["error"]["message"]) == ("error", "engine_error", "the worker died")
        assert (last["type"], done) == ("response.failed", "[DONE]")
        assert found == last["response"]
        assert (found["status"], found["error"]["message"]) == ("failed", "the worker died")
        assert found["output"][0]["content"][0]["text"] == "Hel"
        assert [e["sequence_number"] for e in (*events, error, last)] == list(range(len(events) + 2))

    run(main())


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": "other"}, "model", "model_not_found"),
        ({"previous_response_id": "resp_nowhere"}, "previous_response_id", "previous_response_not_found"),
        ({"conversation": "conv_nowhere"}, "conversation", "conversation_not_found"),
        ({"conversation": "conv_nowhere", "store": False}, "store", "invalid_value"),
        ({"conversation": "conv_x", "previous_response_id": "resp_x"}, "previous_response_id", "invalid_value"),
        ({"background": True, "store": False}, "background", "invalid_value"),
        ({"input": 5}, "input", "invalid_value"),
    ],
)
def test_what_can_not_be_answered_names_its_field(fields: dict[str, Any], param: str, code: str) -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            refused = await http.post(RESPONSES, json=ASK | fields)
            assert_error(refused, 404 if code in ("model_not_found", "conversation_not_found") else 400, param, code)
            finished = await served.event(RequestFinished)
            assert (finished.status, finished.outcome) == (refused.status_code, "error")
            assert served.ledger.live() == []

    run(main())


def test_the_dashboard_sees_a_response_as_it_sees_a_chat() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client:
            made = await client.responses.create(**ASK)
            received, finished = await served.event(RequestReceived), await served.event(RequestFinished)
            exchange = served.ledger.get(received.id)
        assert made.id == f"resp_{received.id}"
        assert (received.endpoint, received.client, finished.outcome) == ("responses", "openai-python", "stop")
        assert exchange
        assert exchange.output()["content"] == "Hello"

    run(main())
