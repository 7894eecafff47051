"""`mlxtui responses`: the store in the terminal, beside a server or without one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlxtui.cli import app
from mlxtui.errors import UserError
from mlxtui.store import conversations, responses
from mlxtui.store.conversations import Conversation
from mlxtui.store.database import Store
from tests.store.test_responses import answer, message, owner_of_init, turn

CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "weather", "arguments": '{"city": "Oslo"}'}
RESULT = {"type": "function_call_output", "id": "o", "call_id": "c", "output": "sunny\x1b[2J"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store.sqlite3"

    async def main() -> None:
        store = Store(path)
        await store.run(responses.put, turn("resp_a"))
        thing = answer("resp_b", "resp_a", output=[THOUGHT, CALL, message("m", "it is", "assistant")])
        await store.run(responses.put, responses.Kept(thing, input=[message("i", "and \x1b]0;owned\x07?"), RESULT]))
        await store.run(conversations.create, Conversation("conv_1", 1, {"topic": "x"}), [message("c1", "kept")])
        await store.close()

    asyncio.run(main())
    return path


def ran(*words: str, store: Path) -> str:
    result = CliRunner().invoke(app, ["responses", *words, "--store", str(store)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_responses_are_listed_the_newest_first(store: Path) -> None:
    head, newest, oldest = ran("list", store=store).splitlines()
    assert head.split()[:3] == ["id", "created", "status"]
    assert newest.split()[0] == "resp_b"
    assert newest.split()[-1] == "resp_a"
    assert oldest.split()[0] == "resp_a"
    [line] = ran("list", "--json", "--limit", "1", store=store).splitlines()
    assert json.loads(line)["id"] == "resp_b"


def test_a_response_is_shown_and_can_not_steer_the_terminal(store: Path) -> None:
    shown = ran("show", "resp_b", store=store)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    parts = ("resp_b  completed", "user:", "owned", "result:", "sunny", "(sealed)", "calls weather:", "Oslo", "it is")
    assert [part for part in parts if part not in shown] == []
    assert json.loads(ran("show", "resp_b", "--json", store=store))["response"]["id"] == "resp_b"


def test_a_chain_or_a_conversation_is_exported_whole(store: Path, tmp_path: Path) -> None:
    chain = json.loads(ran("export", "resp_b", store=store))
    assert [one["response"]["id"] for one in chain["responses"]] == ["resp_a", "resp_b"]
    out = tmp_path / "out.json"
    ran("export", "conv_1", "--out", str(out), store=store)
    assert json.loads(out.read_text())["items"] == [message("c1", "kept")]
    assert out.stat().st_mode & 0o777 == 0o600  # as the store is


def test_responses_are_deleted_all_or_none(store: Path) -> None:
    with pytest.raises(UserError, match="resp_nowhere"):
        ran("delete", "resp_a", "resp_nowhere", store=store)
    assert "deleted 1" in ran("delete", "resp_a", store=store)
    assert len(ran("list", store=store).splitlines()) == 2


def test_a_response_under_way_in_another_process_is_not_deleted(store: Path) -> None:
    async def main() -> None:
        kept = Store(store)
        await kept.run(responses.put, responses.Kept(answer("resp_c", status="in_progress")))
        await kept.run(lambda db: db.execute("UPDATE responses SET owner = ? WHERE id = 'resp_c'", (owner_of_init(),)))
        await kept.close()

    asyncio.run(main())
    with pytest.raises(UserError, match="cancel"):
        ran("delete", "resp_c", store=store)


@pytest.mark.parametrize("words", [("show", "x"), ("export", "x"), ("delete", "x")])
def test_what_is_not_there_is_one_clear_line(store: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="responses list"):
        ran(*words, store=store)
    with pytest.raises(UserError, match="no store at"):
        ran(*words, store=tmp_path / "nothing")
    (tmp_path / "garbage").write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match="garbage"):
        ran(*words[:1], "x", store=tmp_path / "garbage")
