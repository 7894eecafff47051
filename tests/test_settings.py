"""Settings: where a value comes from, and what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlxtui.errors import SettingsError
from mlxtui.settings import Settings, load_keys, load_settings


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    (tmp_path / "mlxtui.toml").write_text('port = 1111\nmax_running = 3\nlog_level = "debug"\n')
    environ = {"MLXTUI_PORT": "2222", "MLXTUI_MAX_RUNNING": "4"}
    settings = load_settings({"port": 3333, "model": None}, environ, tmp_path)
    assert (settings.port, settings.max_running, settings.log_level) == (3333, 4, "debug")
    assert settings.model == Settings().model


def test_lists_come_from_commas_or_repeated_flags(tmp_path: Path) -> None:
    environ = {"MLXTUI_ALLOWED_HOSTS": "one, two"}
    settings = load_settings({"allowed_origins": ["https://a", "https://b"]}, environ, tmp_path)
    assert settings.allowed_hosts == ("one", "two")
    assert settings.allowed_origins == ("https://a", "https://b")


@pytest.mark.parametrize(
    ("flags", "environ", "file", "words"),
    [
        ({}, {}, "prot = 1", ["mlxtui.toml", "'prot'", "port"]),
        ({}, {}, "port = [", ["mlxtui.toml", "can't be read"]),
        ({}, {"MLXTUI_PORT": "x"}, "", ["port", "'x'", "environment"]),
        ({"port": 99999}, {}, "", ["port", "65535", "99999"]),
        ({"temperature": 3.0}, {}, "", ["temperature", "2"]),
        ({"log_level": "loud"}, {}, "", ["log_level", "'loud'"]),
        ({}, {"MLXTUI_REASONING_KEYS": "none"}, "", ["reasoning_keys", "both", "off", "'none'"]),
        ({"host": "0.0.0.0"}, {}, "", ["0.0.0.0", "--api-key"]),
        ({"api_key": ""}, {}, "", ["api_key", "header"]),
        ({}, {"MLXTUI_API_KEY": "secret\n"}, "", ["api_key", "header"]),
        ({}, {"MLXTUI_API_KEY": "schlüssel"}, "", ["api_key", "header"]),
    ],
)
def test_a_wrong_value_is_named_with_its_source(
    tmp_path: Path, flags: dict[str, object], environ: dict[str, str], file: str, words: list[str]
) -> None:
    (tmp_path / "mlxtui.toml").write_text(file)
    with pytest.raises(SettingsError) as caught:
        load_settings(flags, environ, tmp_path)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_other_hosts_are_fine_with_a_key(tmp_path: Path) -> None:
    assert load_settings({"host": "0.0.0.0", "api_key": "k"}, {}, tmp_path).host == "0.0.0.0"


def test_a_directory_that_is_gone_has_no_file_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load_settings({"port": 1}, {}).port == 1


def test_keys_are_no_setting_of_the_server(tmp_path: Path) -> None:
    (tmp_path / "mlxtui.toml").write_text('port = 1111\n[keys]\n"home.sort" = "f5"\n')
    assert load_settings({}, {}, tmp_path).port == 1111
    assert load_keys(tmp_path) == {"home.sort": "f5"}
    assert load_keys(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize("written", ["keys = 3", "[keys]\n'home.sort' = 5", "[keys]\nhome.sort = 'x'"])
def test_keys_that_are_no_table_of_strings_are_said_to_be_none(tmp_path: Path, written: str) -> None:
    (tmp_path / "mlxtui.toml").write_text(written)
    with pytest.raises(SettingsError, match=r'\[keys\] in .*mlxtui.toml must have lines like "home.filter" = "f"'):
        load_keys(tmp_path)
