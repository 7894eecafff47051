"""Conversations on disk: whole or not at all, readable, and a damaged one stops nothing."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from mlxtui.dialogue import Conversation, Figures, Setup, Turn
from mlxtui.dialogues import NotKept, Shelf, fresh_id
from mlxtui.types import ToolCall

TOOL = {"type": "function", "function": {"name": "time", "parameters": {"type": "object"}}}
WHOLE = Conversation(
    "b",
    2.0,
    "Times",
    Setup("Be brief.", 0.5, None, 9, 0, (TOOL,)),
    (
        Turn("user", "What time? \x1b[2J é 🦊"),
        Turn("assistant", "", "hm", (ToolCall("c", "time", "{}"),), "", "tool_calls", "", "a1", Figures(9, 3, 2, 0.1)),
        Turn("tool", "12:00", call="c"),
    ),
)


def test_what_is_kept_comes_back_the_last_changed_first(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "home" / "chats")
    assert shelf.load() == ([], [])
    older = Conversation("a", 1.0, turns=(Turn("user", "Hi"),))
    for each in (WHOLE, older):
        shelf.keep(each)
    assert Shelf(shelf.room).load() == ([WHOLE, older], [])
    assert sorted(os.listdir(shelf.room)) == ["a.json", "b.json"]
    file = shelf.room / "a.json"
    assert json.loads(file.read_text())["turns"] == [{"role": "user", "content": "Hi"}]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shelf.remove("a")
    shelf.remove("a")
    assert shelf.load()[0] == [WHOLE]


@pytest.mark.parametrize(
    ("damage", "why"),
    [("", "EOF"), ('{"id": "x"', "EOF"), ("[]", "object"), ('{"id": "x"}', "changed"), ("\ud800", "JSON")],
)
def test_a_damaged_file_is_told_of_and_left_alone(tmp_path: Path, damage: str, why: str) -> None:
    shelf = Shelf(tmp_path)
    shelf.keep(WHOLE)
    file = tmp_path / "x.json"
    file.write_bytes(damage.encode("utf-8", "surrogatepass"))
    found, [trouble] = shelf.load()
    assert found == [WHOLE]
    assert str(file) in trouble
    assert why in trouble
    assert file.exists()


def test_a_write_that_fails_leaves_what_was_there_before(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.keep(WHOLE)
    (tmp_path / "a.json").mkdir()
    with pytest.raises(NotKept, match="set MLXTUI_HOME"):
        shelf.keep(Conversation("a", 1.0))
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.json"]
    assert shelf.load()[0] == [WHOLE]
    with pytest.raises(NotKept):
        Shelf(tmp_path / "b.json").keep(WHOLE)
    with pytest.raises(NotKept, match="can't remove"):
        shelf.remove("a")


def test_ids_are_names_of_files_that_sort_by_time() -> None:
    assert fresh_id(1_700_000_000.0) < fresh_id(1_700_000_001.0)
    assert fresh_id(0.0).replace("-", "").isalnum()
