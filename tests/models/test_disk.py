"""What is found on a disk, what is said of it, and what may be removed from it."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlxtui import shelf
from mlxtui.errors import UserError
from mlxtui.models import config, disk
from mlxtui.models.entry import Entry, fit
from tests.models.library import TINY, in_cache, in_folder

GB = 1 << 30
Q4 = {"quantization": {"group_size": 64, "bits": 4}, "max_position_embeddings": 40960}


def test_without_any_model_there_is_the_embedded_one(cache: Path) -> None:
    (tiny,) = disk.on_disk()
    assert (tiny.id, tiny.source, tiny.architecture) == ("mlxtui-tiny", "embedded", "qwen3")
    assert (tiny.quantisation, tiny.context_length, tiny.fit, tiny.trouble) == ("bf16", 32768, "fits", "")
    assert tiny.weights_bytes == (TINY / "model.safetensors").stat().st_size < tiny.size_bytes


def test_the_cache_and_folders_are_searched(cache: Path, tmp_path: Path) -> None:
    in_cache(cache, "mlx-community/Qwen3-4B-4bit", **Q4)
    in_folder(tmp_path / "mine" / "alone")
    in_folder(tmp_path / "mine" / "publisher" / "by-publisher")
    single = in_folder(tmp_path / "single")
    entries = disk.on_disk([str(tmp_path / "mine"), str(single), str(tmp_path / "nowhere")])
    assert [entry.name for entry in entries] == [
        "mlxtui-tiny", "alone", "by-publisher", "mlx-community/Qwen3-4B-4bit", "single",
    ]  # fmt: skip
    assert entries[1].id == str(tmp_path / "mine" / "alone")
    cached = entries[3]
    assert (cached.id, cached.source, cached.quantisation) == ("mlx-community/Qwen3-4B-4bit", "hub", "4-bit")
    assert (cached.context_length, cached.trouble) == (40960, "")
    assert Entry.from_json(json.loads(json.dumps(cached.to_json()))) == cached


def test_what_is_no_model_for_mlx_is_passed_over(cache: Path) -> None:
    gguf = in_cache(cache, "someone/Some-GGUF")
    (gguf / "model.safetensors").rename(gguf / "some-q4.gguf")
    (cache / "datasets--a--b" / "snapshots").mkdir(parents=True)
    (cache / "models--no--refs").mkdir()
    (cache / ".locks").mkdir()
    assert [entry.name for entry in disk.on_disk()] == ["mlxtui-tiny"]


def test_an_incomplete_model_says_how_to_go_on(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = in_cache(cache, "org/half")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    (snapshot / "model.safetensors").rename(snapshot / "model-00001-of-00002.safetensors")
    begun = in_cache(cache, "org/begun")
    (begun / "model.safetensors").unlink()
    (begun.parents[1] / "blobs" / f"abc{disk.PART}").touch()
    _, begun_one, half = disk.on_disk()
    assert half.trouble == "incomplete: 1 of 2 weight files are missing"
    assert begun_one.trouble == "incomplete: all of its weight files are missing"
    shelf.show_list(as_json=False)
    assert "go on with: mlxtui models pull org/half" in capsys.readouterr().out


def test_a_broken_config_is_no_reason_to_fall_over(cache: Path) -> None:
    (in_cache(cache, "org/broken") / "config.json").write_text("{")
    broken = disk.on_disk()[1]
    assert (broken.architecture, broken.quantisation, broken.context_length) == ("", "", None)


@pytest.mark.parametrize(
    ("said", "words", "tokens"),
    [
        ({"quantization": {"bits": 8}}, "8-bit", None),
        ({"quantization_config": {"mode": "mxfp4", "bits": 4}}, "mxfp4", None),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "4-bit", None),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4", None),
        ({"dtype": "float16", "n_positions": 2048}, "f16", 2048),
        ({"text_config": {"torch_dtype": "bfloat16", "max_position_embeddings": 8192}}, "bf16", 8192),
        ({"text_config": None, "max_seq_len": "many"}, "", None),
    ],
)
def test_what_a_config_tells(said: dict[str, object], words: str, tokens: int | None) -> None:
    assert (config.quantisation(said), config.context_length(said)) == (words, tokens)


def test_memory_decides_what_fits() -> None:
    """A 16 GB Mac has two thirds for models, one of 64 GB three quarters."""
    assert [fit(int(gb * GB), 16 * GB) for gb in (4.5, 7.4, 7.6, 10, 10.2)] == [
        "fits", "fits", "tight", "tight", "too big",
    ]  # fmt: skip
    assert [fit(gb * GB, 64 * GB) for gb in (33, 34, 45, 46)] == ["fits", "tight", "tight", "too big"]


@pytest.mark.skipif(sys.platform == "darwin", reason="Metal computes with 16 bits")
def test_on_a_cpu_16_bit_weights_count_twice(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        total = int(1.5 * (TINY / "model.safetensors").stat().st_size / (2 / 3))

    monkeypatch.setattr("psutil.virtual_memory", Memory)
    assert disk.embedded().fit == "too big"


def test_a_name_means_one_model(cache: Path, tmp_path: Path) -> None:
    in_cache(cache, "org/same")
    in_cache(cache, "other/same")
    folder = in_folder(tmp_path / "mine")
    entries = disk.on_disk([str(folder)])
    found = [disk.find(name, entries) for name in ("org/same", "mine", str(folder), "mlxtui-tiny")]
    assert [entry and entry.name for entry in found] == ["org/same", "mine", "mine", "mlxtui-tiny"]
    assert disk.find("same", entries) is None  # which one?
    assert disk.find("../../etc", entries) is None
    alone = [replace(entry, name="org/only") for entry in entries[:1]]
    assert disk.find("only", alone) == alone[0]


def test_removing_deletes_from_the_cache_only(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_cache(cache, "org/gone")
    in_cache(cache, "org/stays")
    folder = in_folder(tmp_path / "mine")
    monkeypatch.setenv("MLXTUI_MODEL_FOLDERS", str(folder))
    for name, words in ((str(folder), "folder of yours"), ("mlxtui-tiny", "part of mlxtui"), ("no/such", "no model")):
        with pytest.raises(UserError, match=words):
            shelf.remove(name, yes=True)
    shelf.remove("org/gone", yes=True)
    assert "removed org/gone" in capsys.readouterr().out
    assert [entry.name for entry in disk.on_disk([str(folder)])] == ["mlxtui-tiny", "mine", "org/stays"]
    assert not (cache / "models--org--gone").exists()


def test_removing_leaves_a_dataset_of_the_same_id(cache: Path) -> None:
    in_cache(cache, "org/thing")
    (data := in_cache(cache, "org/data").parents[1]).rename(cache / "datasets--org--thing")
    snapshot = next((cache / "datasets--org--thing" / "snapshots").iterdir())
    for link in snapshot.iterdir():
        target = cache / "datasets--org--thing" / "blobs" / link.readlink().relative_to(data / "blobs")
        link.unlink()
        link.symlink_to(target)
    shelf.remove("org/thing", yes=True)
    assert not (cache / "models--org--thing").exists()
    assert (snapshot / "model.safetensors").exists()


class Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_removing_asks_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = in_cache(cache, "org/dear")
    for answer, words in ((Keyboard("\n"), "nothing was removed"), (io.StringIO("y\n"), "say --yes")):
        monkeypatch.setattr(sys, "stdin", answer)
        with pytest.raises(UserError, match=words):
            shelf.remove("org/dear", yes=False)
    assert snapshot.exists()
    monkeypatch.setattr(sys, "stdin", Keyboard("y\n"))
    shelf.remove("org/dear", yes=False)
    assert not snapshot.exists()


def test_the_list_is_for_people_and_for_programs(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.show_list(as_json=False)
    assert "mlxtui models pull" in capsys.readouterr().out
    in_cache(cache, "org/\x1b]0;evil", **Q4)
    shelf.show_list(as_json=False)
    said = capsys.readouterr().out
    assert "4-bit" in said
    assert "\x1b" not in said
    shelf.show_list(as_json=True)
    assert [entry["quantisation"] for entry in json.loads(capsys.readouterr().out)] == ["bf16", "4-bit"]
