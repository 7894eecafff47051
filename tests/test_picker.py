"""`mlxtui up` without a model: who is asked, what is understood, and who is not asked."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from mlxtui.picker import picked
from mlxtui.settings import Settings, is_given
from tests.models.conftest import cache
from tests.models.library import in_cache, in_folder

__all__ = ["cache"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _bare(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLXTUI_MODEL", raising=False)


def typing(monkeypatch: pytest.MonkeyPatch, keys: str) -> Terminal:
    shown = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(keys))
    monkeypatch.setattr(sys, "stdout", shown)
    return shown


@pytest.mark.parametrize(
    ("keys", "model"),
    [
        ("\n", None),
        ("1\n", "org/small"),
        ("small\n", "org/small"),
        ("9\n0\nnone\n\x1b\n1\n", "org/small"),
    ],
)
def test_a_model_is_picked_by_number_or_name(
    keys: str, model: str | None, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_cache(cache, "org/small")
    shown = typing(monkeypatch, keys)
    assert picked(Settings(), {}) == model
    assert "org/small" in shown.getvalue()
    assert "Enter: mlxtui-tiny" in shown.getvalue()
    assert "\x1b" not in shown.getvalue()


def test_models_in_folders_are_offered_and_incomplete_ones_are_not(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (in_cache(cache, "org/half") / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-9.safetensors"}}'
    )
    folder = in_folder(tmp_path / "mine")
    shown = typing(monkeypatch, "1\n")
    assert picked(Settings(model_folders=(str(folder),)), {}) == str(folder)
    assert "org/half" not in shown.getvalue()


def test_without_models_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = typing(monkeypatch, "")
    assert picked(Settings(), {}) is None
    assert shown.getvalue() == ""


def test_who_named_a_model_or_has_no_terminal_is_not_asked(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_cache(cache, "org/small")
    shown = typing(monkeypatch, "1\n")
    assert picked(Settings(), {"model": "mlxtui-tiny"}) is None
    assert picked(Settings(replay=tmp_path / "r.jsonl"), {}) is None
    (tmp_path / "mlxtui.toml").write_text('model = "mlxtui-tiny"\n')
    assert picked(Settings(), {}) is None
    (tmp_path / "mlxtui.toml").unlink()
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n"))
    assert picked(Settings(), {}) is None
    assert shown.getvalue() == ""


def test_a_setting_is_given_wherever_it_stands(tmp_path: Path) -> None:
    assert not is_given("model", {"model": None}, {}, tmp_path)
    assert is_given("model", {}, {"MLXTUI_MODEL": "mlxtui-tiny"}, tmp_path)
