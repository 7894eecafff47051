"""Where the store is and how long it keeps things: from the settings to the store."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mlxtui.errors import SettingsError
from mlxtui.serve import _store
from mlxtui.settings import Settings, load_settings
from mlxtui.store.database import Retention


def test_by_default_it_is_in_the_state_directory_for_an_hour(tmp_path: Path) -> None:
    store = _store(Settings(home=tmp_path))
    assert store.path == tmp_path / "store.sqlite3"
    assert store._retention == Retention(3600, None)


def test_flags_environment_and_file_say_otherwise(tmp_path: Path) -> None:
    (tmp_path / "mlxtui.toml").write_text('store_archive = "on"\n')
    environ = {"MLXTUI_STORE": str(tmp_path / "elsewhere.db"), "MLXTUI_HOME": str(tmp_path)}
    store = _store(load_settings({"store_ttl": "off"}, environ, tmp_path))
    assert store.path == tmp_path / "elsewhere.db"
    assert store._retention == Retention(math.inf, tmp_path / "conversation_logs")


def test_what_is_played_from_a_recording_leaves_nothing_behind(tmp_path: Path) -> None:
    assert _store(Settings(home=tmp_path, replay=tmp_path / "a.jsonl")).path is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"store_ttl": "never"}, ["store_ttl", "never"]),
        ({"store_ttl": "0"}, ["store_ttl", "1"]),
        ({"store_archive": "yes"}, ["store_archive", "on or off"]),
    ],
)
def test_a_wrong_value_is_named(flags: dict[str, str], words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags, {}, Path("/nowhere"))
    assert all(word in str(caught.value) for word in words)
