"""Conversations over a real socket, read by the official client in its strict mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openai import NotFoundError

from mlxtui.store.database import Store
from tests.server.serving import run, serving
from tests.server.test_errors import assert_error
from tests.server.test_responses import ASK, CALL, WEATHER, Listening, _user

CONVERSATIONS = "/v1/conversations"


def test_a_conversation_is_made_read_changed_and_deleted() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client:
            made = await client.conversations.create(metadata={"topic": "x"})
            assert await client.conversations.retrieve(made.id) == made
            assert (made.object, made.metadata) == ("conversation", {"topic": "x"})
            changed = await client.conversations.update(made.id, metadata={"topic": "y"})
            assert changed.metadata == {"topic": "y"}
            assert (await client.conversations.update(made.id, metadata=None)).metadata == {}
            gone = await client.conversations.delete(made.id)
            assert (gone.id, gone.deleted, gone.object) == (made.id, True, "conversation.deleted")
            with pytest.raises(NotFoundError) as caught:
                await client.conversations.retrieve(made.id)
            assert caught.value.code == "conversation_not_found"

    run(main())


def test_items_are_added_listed_read_and_deleted() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client:
            made = await client.conversations.create(items=[_user("first")])
            added = await client.conversations.items.create(
                made.id, items=[_user("second"), {"role": "assistant", "content": "third"}]
            )
            assert [item.role for item in added.data] == ["user", "assistant"]
            assert (added.first_id, added.last_id) == (added.data[0].id, added.data[1].id)
            oldest_first = client.conversations.items.list(made.id, order="asc", limit=1)
            texts = [item.content[0].text async for item in oldest_first]
            assert texts == ["first", "second", "third"]
            one = await client.conversations.items.retrieve(added.first_id, conversation_id=made.id)
            assert one == added.data[0]
            assert (await client.conversations.items.delete(added.first_id, conversation_id=made.id)).id == made.id
            with pytest.raises(NotFoundError) as caught:
                await client.conversations.items.retrieve(added.first_id, conversation_id=made.id)
            assert caught.value.code == "item_not_found"
            assert len((await client.conversations.items.list(made.id)).data) == 2

    run(main())


def test_an_item_has_its_id_alone_and_what_is_told_is_what_is_kept() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            twice = {"items": [_user("a") | {"id": "msg_1"}, _user("b") | {"id": "msg_1"}]}
            assert_error(await http.post(CONVERSATIONS, json=twice), 400, "items[1].id", "duplicate_item")
            path = f"{CONVERSATIONS}/{(await http.post(CONVERSATIONS, json={})).json()['id']}/items"
            assert_error(await http.post(path, json=twice), 400, "items[1].id", "duplicate_item")
            for text in ("a", "a", "another"):
                told = (await http.post(path, json={"items": [_user(text) | {"id": "msg_1"}]})).json()
                assert told["data"] == (await http.get(path)).json()["data"]

    run(main())


def test_what_can_not_be_opened_in_a_conversation_names_it() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            items = [{"type": "compaction", "encrypted_content": "not ours"}]
            id = (await http.post(CONVERSATIONS, json={"items": items})).json()["id"]
            asked = {"model": "scripted", "input": "hello", "conversation": id}
            refused = await http.post("/v1/responses", json=asked)
            assert_error(refused, 400, "conversation.encrypted_content", "invalid_encrypted_content")

    run(main())


def test_an_empty_conversation_has_an_empty_list() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client:
            made = await client.conversations.create()
            listed = await client.conversations.items.list(made.id)
        assert (listed.data, listed.has_more) == ([], False)

    run(main())


def test_turns_go_on_in_a_conversation_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"

    async def main() -> None:
        engine = Listening.hearing(*CALL)
        async with serving(engine=engine, store=Store(path)) as served, served.openai() as client:
            made = await client.conversations.create(items=[_user("the word is plum")])
            first = await client.responses.create(**ASK, conversation=made.id, tools=[WEATHER])
            assert first.conversation
            assert first.conversation.id == made.id
        engine = Listening.hearing("fine")
        async with serving(engine=engine, store=Store(path)) as served, served.openai() as client:
            call: Any = first.output[0]
            result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
            await client.responses.create(model="scripted", input=[result], conversation={"id": made.id}, stream=False)
            kinds = [item.type async for item in client.conversations.items.list(made.id, order="asc")]
        assert [message.role for message in engine.heard()] == ["user", "user", "assistant", "tool"]
        assert kinds == ["message", "message", "function_call", "function_call_output", "message"]

    run(main())


def test_a_conversation_that_is_deleted_leaves_its_responses() -> None:
    async def main() -> None:
        async with serving() as served, served.openai() as client:
            made = await client.conversations.create()
            answer = await client.responses.create(**ASK, conversation=made.id)
            await client.conversations.delete(made.id)
            assert await client.responses.retrieve(answer.id) == answer

    run(main())


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param"),
    [
        ("POST", "", {"metadata": {"a": 1}}, 400, "metadata.a"),
        ("POST", "", {"items": [{"role": "user"}]}, 400, "items[0].content"),
        ("POST", "", {"items": [_user("x")] * 21}, 400, "items"),
        ("POST", "", {"items": [{"type": "item_reference", "id": "msg_1"}]}, 400, "items[0]"),
        ("POST", "/conv_no", {}, 400, "metadata"),
        ("POST", "/conv_no", {"metadata": {}}, 404, "conversation_id"),
        ("POST", "/conv_no/items", {"items": []}, 404, "conversation_id"),
        ("POST", "/conv_no/items", {}, 400, "items"),
        ("GET", "/conv_no/items", None, 404, "conversation_id"),
        ("GET", "/conv_no/items/msg_no", None, 404, "conversation_id"),
        ("DELETE", "/conv_no/items/msg_no", None, 404, "conversation_id"),
        ("DELETE", "/conv_no", None, 404, "conversation_id"),
    ],
)
def test_what_is_wrong_is_named(method: str, path: str, body: Any, status: int, param: str) -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            assert_error(await http.request(method, CONVERSATIONS + path, json=body), status, param)

    run(main())
