"""Responses on disk: written as they begin and as they end, found by the next process, gone when nobody uses them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlxtui.errors import ApiError, UserError
from mlxtui.store import conversations, responses, retention
from mlxtui.store.conversations import Conversation
from mlxtui.store.database import Retention, Store
from mlxtui.store.items import CONVERSATION, INPUT, page
from mlxtui.store.responses import Kept

SECRET = {"store.secret": 0o600}


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 20))


def message(id: str, text: str = "hello", role: str = "user") -> dict[str, Any]:
    return {"type": "message", "id": id, "role": role, "content": [{"type": "input_text", "text": text}]}


def answer(id: str, previous: str | None = None, status: str = "completed", output: Any = ()) -> dict[str, Any]:
    return {
        "id": id,
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "error": None,
        "model": "tiny",
        "previous_response_id": previous,
        "output": list(output),
    }


def turn(id: str, previous: str | None = None, **fields: Any) -> Kept:
    """A whole turn: one input, one output, both named after the response."""
    thing = answer(id, previous, output=[message(f"{id}_out", role="assistant")])
    return Kept(thing, **({"input": [message(f"{id}_in")]} | fields))


def test_what_was_kept_is_found_by_the_next_process(tmp_path: Path) -> None:
    events = [{"type": "response.created", "sequence_number": n, "text": "ü" * n} for n in range(5)]

    async def main() -> None:
        kept = turn("resp_1", request={"model": "tiny", "input": "hello"}, events=events)
        store = Store(tmp_path / "store.sqlite3")
        await store.run(responses.put, kept)
        await store.close()
        again = Store(tmp_path / "store.sqlite3")
        assert await again.run(responses.get, "resp_1") == kept.object
        assert await again.run(responses.inputs, "resp_1") == kept.input
        assert await again.run(responses.request, "resp_1") == kept.request
        assert await again.run(responses.events, "resp_1", -1) == events
        assert await again.run(responses.events, "resp_1", 2) == events[3:]
        assert await again.run(responses.events, "resp_1", 99) == []
        assert again.secret == store.secret
        await again.close()

    run(main())


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    async def main() -> None:
        store = Store()
        for work in (responses.get, responses.request, responses.history, conversations.get, conversations.items):
            assert await store.run(work, "resp_1") is None
        assert await store.run(responses.events, "resp_1", 0) is None
        assert not await store.run(responses.delete, "resp_1")
        assert not await store.run(conversations.add, "conv_1", [])
        await store.close()

    run(main())


def test_a_response_that_ends_is_the_one_that_began(tmp_path: Path) -> None:
    async def main() -> None:
        store = Store()
        begun = Kept(answer("resp_1", status="in_progress"), {"model": "tiny"}, [message("msg_1")])
        await store.run(responses.put, begun)
        ended = Kept(answer("resp_1", output=[message("msg_2")]), {"model": "tiny"}, [message("msg_1")])
        await store.run(responses.put, ended)
        assert await store.run(responses.get, "resp_1") == ended.object
        [only] = await store.run(responses.listed, 10)
        assert (only.id, only.status, only.model) == ("resp_1", "completed", "tiny")
        await store.close()

    run(main())


def test_chains_branch_and_are_read_oldest_first(tmp_path: Path) -> None:
    async def main() -> None:
        store = Store()
        for id, previous in (("a", None), ("b", "a"), ("c", "b"), ("branch", "a")):
            await store.run(responses.put, turn(id, previous))
        long, short = await store.run(responses.history, "c"), await store.run(responses.history, "branch")
        assert long
        assert short
        assert [item["id"] for item in long.items] == ["a_in", "a_out", "b_in", "b_out", "c_in", "c_out"]
        assert [item["id"] for item in short.items] == ["a_in", "a_out", "branch_in", "branch_out"]
        assert long.missing is None
        await store.run(responses.delete, "a")
        broken = await store.run(responses.history, "c")
        assert broken
        assert broken.missing == "a"
        await store.close()

    run(main())


def test_items_are_found_by_id_wherever_they_are() -> None:
    async def main() -> None:
        store = Store()
        await store.run(responses.put, turn("a"))
        await store.run(conversations.create, Conversation("conv_1", 1, {}), [message("msg_c")])
        found = await store.run(responses.find_items, ["a_out", "msg_c", "nowhere"])
        assert found.keys() == {"a_out", "msg_c"}
        await store.close()

    run(main())


def test_pages_go_both_ways_and_say_whether_there_is_more() -> None:
    async def main() -> None:
        store = Store()
        await store.run(responses.put, turn("a", input=[message(f"m{n}") for n in range(5)]))

        async def ids(*asked: Any) -> tuple[list[str], bool]:
            found = await store.run(page, INPUT, "a", *asked)
            assert found
            return [item["id"] for item in found.items], found.more

        assert await ids(None, 2, "asc") == (["m0", "m1"], True)
        assert await ids("m1", 2, "asc") == (["m2", "m3"], True)
        assert await ids("m3", 2, "asc") == (["m4"], False)
        assert await ids(None, 3, "desc") == (["m4", "m3", "m2"], True)
        assert await ids("m2", 3, "desc") == (["m1", "m0"], False)
        assert await store.run(page, INPUT, "a", "nowhere", 2, "asc") is None
        await store.close()

    run(main())


def test_a_conversation_grows_with_the_responses_that_end_in_it() -> None:
    async def main() -> None:
        store = Store()
        await store.run(conversations.create, Conversation("conv_1", 1, {"topic": "x"}), [message("first")])
        begun = Kept(answer("a", status="in_progress"), input=[message("a_in")], conversation="conv_1")
        await store.run(responses.put, begun)
        assert len(await store.run(conversations.items, "conv_1") or ()) == 1
        await store.run(responses.put, turn("a", conversation="conv_1"))
        await store.run(responses.put, turn("b", conversation="conv_1", input=[message("first"), message("b_in")]))
        items = await store.run(conversations.items, "conv_1")
        assert items
        assert [item["id"] for item in items] == ["first", "a_in", "a_out", "b_in", "b_out"]
        found = await store.run(page, CONVERSATION, "conv_1", None, 2, "desc")
        assert found
        assert [item["id"] for item in found.items] == ["b_out", "b_in"]
        assert await store.run(conversations.delete_item, "conv_1", "a_in")
        assert await store.run(conversations.item, "conv_1", "a_in") is None
        assert await store.run(conversations.delete, "conv_1")
        assert await store.run(responses.get, "a")
        await store.close()

    run(main())


def test_what_a_dead_server_left_unfinished_has_failed(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "store.sqlite3"
        store = Store(path)
        for id, status in (("gone", "in_progress"), ("mine", "queued"), ("done", "completed"), ("other", "queued")):
            await store.run(responses.put, Kept(answer(id, status=status)))
        await store.close()
        with sqlite3.connect(path) as db:
            db.execute("UPDATE responses SET owner = '999999999@1.00' WHERE id = 'gone'")
            db.execute("UPDATE responses SET owner = ? WHERE id = 'other'", (owner_of_init(),))
        db.close()
        again = Store(path)
        cut = await again.run(responses.get, "gone")
        history = await again.run(responses.history, "gone")
        assert history
        assert history.status == "failed"
        seen = {found.id: found.status for found in await again.run(responses.listed, 10)}
        assert (seen["gone"], seen["other"]) == ("failed", "queued")
        await again.open()
        assert cut == await again.run(responses.get, "gone")
        assert cut
        assert (cut["status"], cut["error"]["code"]) == ("failed", "server_error")
        states = {found.id: found.status for found in await again.run(responses.listed, 10)}
        assert states == {"gone": "failed", "mine": "failed", "done": "completed", "other": "queued"}
        await again.close()

    run(main())


def owner_of_init() -> str:
    """A process that certainly lives, and is not us."""
    import psutil

    return f"1@{psutil.Process(1).create_time():.2f}"


def test_chains_and_conversations_go_as_a_whole_and_are_archived(tmp_path: Path) -> None:
    archive = tmp_path / "conversation_logs"

    async def main() -> None:
        store = Store(tmp_path / "store.sqlite3")
        for id, previous in (("old", None), ("newer", "old"), ("alone", None)):
            await store.run(responses.put, turn(id, previous))
        await store.run(conversations.create, Conversation("conv_1", 1, {"topic": "x"}), [message("m")])
        await store.run(responses.put, Kept(answer("under way", status="in_progress")))
        await store.run(lambda db: db.execute("UPDATE responses SET used = 5 WHERE id != 'newer'"))
        await store.run(lambda db: db.execute("UPDATE conversations SET used = 5"))
        assert await store.run(retention.sweep, 10.0, archive) == 2
        assert {found.id for found in await store.run(responses.listed, 10)} == {"old", "newer", "under way"}
        assert await store.run(conversations.get, "conv_1") is None
        await store.close()
        texts = {path.name.partition("_")[2]: json.loads(path.read_text()) for path in archive.iterdir()}
        assert {path.stat().st_mode & 0o777 for path in archive.iterdir()} == {0o600}  # as the store was
        assert texts.keys() == {"alone.json", "conv_1.json"}
        [kept] = texts["alone.json"]["responses"]
        assert [kept["input"][0]["id"], kept["response"]["output"][0]["id"]] == ["alone_in", "alone_out"]
        assert texts["conv_1.json"]["items"] == [message("m")]

    run(main())


def test_a_conversation_whose_turn_is_under_way_is_in_use() -> None:
    async def main() -> None:
        store = Store()
        await store.run(conversations.create, Conversation("conv_1", 1, {}), [])
        under_way = Kept(answer("a", status="in_progress"), conversation="conv_1")
        await store.run(responses.put, under_way)
        await store.run(lambda db: db.execute("UPDATE conversations SET used = 5"))
        assert await store.run(retention.sweep, 10.0, None) == 0
        await store.run(responses.put, replace(under_way, object=answer("a")))
        assert await store.run(conversations.items, "conv_1") == answer("a")["output"]
        await store.close()

    run(main())


def test_an_archive_that_can_not_be_written_costs_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "file").write_text("in the way")
        store = Store(tmp_path / "store.sqlite3")
        await store.run(responses.put, turn("a"))
        with pytest.raises(OSError, match="file"):
            await store.run(retention.sweep, time.time() + 1, tmp_path / "file")
        assert await store.run(responses.get, "a")
        await store.close()

    run(main())


def test_a_store_sweeps_as_it_opens(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "store.sqlite3"
        early = Store(path)
        for id in ("old", "new"):
            await early.run(responses.put, turn(id))
        await early.run(lambda db: db.execute("UPDATE responses SET used = 5 WHERE id = 'old'"))
        await early.close()
        store = Store(path, Retention(ttl=3600))
        await store.open()
        assert [found.id for found in await store.run(responses.listed, 10)] == ["new"]
        await store.close()

    run(main())


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    path.write_bytes(b"this is no database" * 100)

    async def main() -> None:
        store = Store(path)
        await store.run(responses.put, turn("a"))
        assert await store.run(responses.get, "a")
        await store.close()

    run(main())
    [aside] = tmp_path.glob("store.sqlite3.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")


@pytest.mark.parametrize("while_open", [True, False], ids=["while it is open", "between two servers"])
def test_damage_costs_what_was_kept_not_the_server(tmp_path: Path, while_open: bool) -> None:
    path = tmp_path / "store.sqlite3"

    async def main() -> None:
        store = Store(path)
        for n in range(20):
            await store.run(responses.put, turn(f"r{n}", input=[message("m", "x" * 5000)]))
        await store.run(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        if while_open:
            await store.run(lambda db: db.execute("PRAGMA shrink_memory"))
            damage()
            with pytest.raises(ApiError) as caught:
                await store.run(responses.get, "r0")
            assert (caught.value.status, caught.value.code) == (500, "store_damaged")
        else:
            await store.close()
            damage()
            store = Store(path)
            await store.open()
        assert await store.run(responses.get, "r0") is None
        await store.run(responses.put, turn("a"))
        assert await store.run(responses.get, "a")
        await store.close()

    def damage() -> None:
        """All but the first page, which says that it is a database."""
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))

    run(main())
    [aside] = tmp_path.glob("store.sqlite3.damaged-*[0-9]")
    assert aside.stat().st_size > 4096


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()

    async def main() -> None:
        store = Store(path)
        with pytest.raises(UserError, match="newer mlxtui"):
            await store.open()
        await store.close()

    run(main())


@pytest.mark.parametrize("name", ["", "file/store.sqlite3"], ids=["a directory", "below a file"])
def test_a_place_that_can_not_be_used_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("in the way")

    async def main() -> None:
        with pytest.raises(UserError, match=r"--store|MLXTUI_HOME"):
            await Store(tmp_path / name).open()

    run(main())


def test_what_people_said_is_for_its_owner_only(tmp_path: Path) -> None:
    async def main() -> None:
        store = Store(tmp_path / "store.sqlite3")
        await store.run(responses.put, turn("a"))
        assert modes() == {"store.sqlite3": 0o600, "store.sqlite3-shm": 0o600, "store.sqlite3-wal": 0o600} | SECRET
        await store.close()

    def modes() -> dict[str, int]:
        return {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}

    run(main())


def test_a_disk_that_is_full_at_the_start_does_not_stop_the_server(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"

    async def main() -> None:
        early = Store(path)
        await early.run(responses.put, Kept(answer("cut", status="in_progress", output=[message("m", "x" * 9000)])))
        await early.close()
        store = Store(path)
        await store.run(lambda db: db.execute("PRAGMA query_only = ON"))  # as any write that fails
        await store.open()
        found = await store.run(responses.get, "cut")
        assert found
        assert found["status"] == "failed"
        await store.close()

    run(main())


def test_the_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite3")
    file = tmp_path / "store.secret"
    assert file.read_bytes() == store.secret
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"short")
    with pytest.raises(UserError, match="damaged"):
        Store(tmp_path / "store.sqlite3")


def test_another_writer_is_waited_for_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlxtui.store.schema.BUSY", 0.05)
    path = tmp_path / "store.sqlite3"

    async def main() -> None:
        store = Store(path)
        await store.run(responses.put, turn("a"))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ApiError) as caught:
            await store.run(responses.put, turn("b"))
        assert (caught.value.status, caught.value.code) == (503, "store_locked")
        assert await store.run(responses.get, "a")
        other.execute("ROLLBACK")
        other.close()
        await store.run(responses.put, turn("b"))
        await store.close()

    run(main())


def test_a_full_disk_is_named_and_costs_nothing_that_was_kept(tmp_path: Path) -> None:
    async def main() -> None:
        store = Store(tmp_path / "store.sqlite3")
        await store.run(responses.put, turn("a"))
        await store.run(lambda db: db.execute("PRAGMA max_page_count = 1"))  # at least what is there: no page more
        with pytest.raises(ApiError) as caught:
            await store.run(responses.put, turn("b", input=[message("long", "x" * 100_000)]))
        assert (caught.value.status, caught.value.code) == (503, "store_full")
        assert "make room" in caught.value.message
        assert await store.run(responses.get, "b") is None
        assert await store.run(responses.get, "a")
        await store.run(lambda db: db.execute("PRAGMA max_page_count = 1000000"))
        await store.run(responses.put, turn("b"))
        await store.close()

    run(main())


def test_work_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    async def main() -> None:
        store = Store(tmp_path / "store.sqlite3")
        with pytest.raises(KeyError):
            await store.run(responses.put, turn("a", input=[message("fine"), {"no": "id"}]))
        assert await store.run(responses.get, "a") is None
        await store.close()

    run(main())
