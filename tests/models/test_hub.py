"""Looking for models and downloading them, from a small Hub on loopback: what arrives, what is kept when it breaks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from mlxtui import shelf
from mlxtui.errors import UserError
from mlxtui.models import disk, fetch
from mlxtui.models import hub as hub_room
from tests.models.fake_hub import COMMIT, FakeHub
from tests.models.library import TINY

CHUNK = 10 << 20  # http_get writes so much at a time
BIG = {
    "model-00001-of-00002.safetensors": os.urandom(25 << 20),
    "model-00002-of-00002.safetensors": os.urandom(2 << 20),
}
INDEX = json.dumps({"weight_map": {str(number): name for number, name in enumerate(BIG)}}).encode()
TELL = [sys.executable, "-m", "mlxtui", "models", "pull"]


def big(hub: FakeHub, id: str = "org/big") -> str:
    hub.models[id] = {"config.json": b'{"model_type": "qwen3"}', "model.safetensors.index.json": INDEX, **BIG}
    return id


def told() -> tuple[list[tuple[int, int]], fetch.Tell]:
    heard: list[tuple[int, int]] = []
    return heard, lambda done, total: heard.append((done, total))


def test_only_what_mlx_needs_is_fetched(hub: FakeHub, cache: Path) -> None:
    hub.add("org/tiny", TINY, **{"pytorch_model.bin": b"x" * 99, "modeling.py": b"import os", "some.gguf": b"g"})
    heard, tell = told()
    path = fetch.pull("org/tiny", tell)
    expected = {file.name for file in TINY.iterdir()} - {"README.md"}
    assert {file.name for file in path.iterdir()} == expected
    assert (path / "model.safetensors").read_bytes() == (TINY / "model.safetensors").read_bytes()
    total = sum((TINY / name).stat().st_size for name in expected)
    assert heard[-1] == (total, total)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    entry = disk.find("org/tiny", disk.on_disk())
    assert entry is not None
    assert (entry.trouble, entry.path) == ("", str(path))
    assert not any(path.parents[1].rglob(f"*{disk.PART}"))


def test_a_model_that_is_here_is_not_fetched_again(hub: FakeHub) -> None:
    hub.add("org/tiny", TINY)
    fetch.pull("org/tiny", told()[1])
    hub.asked.clear()
    fetch.pull("org/tiny", told()[1])
    assert not [asked for asked in hub.asked if asked.startswith("GET") and "resolve" in asked]


def test_all_files_are_of_the_commit_that_was_asked_about(hub: FakeHub, cache: Path) -> None:
    id = big(hub)
    hub.next_commit = "e" * 40
    path = fetch.pull(id, told()[1])
    assert path.name == COMMIT
    assert {asked.split("/resolve/")[1].split("/")[0] for asked in hub.asked if "/resolve/" in asked} == {COMMIT}
    assert [Path(entry.path) for entry in disk.beside_it()] == [path]
    fetch.pull(id, told()[1])
    assert [Path(entry.path).name for entry in disk.beside_it()] == [hub.next_commit]


def test_a_connection_that_breaks_is_gone_on_with(hub: FakeHub) -> None:
    id = big(hub)
    hub.cut_at = CHUNK + 4096
    path = fetch.pull(id, told()[1])
    assert hub.ranges
    assert all((path / name).read_bytes() == content for name, content in BIG.items())


def test_ctrl_c_leaves_what_the_next_pull_goes_on_from(hub: FakeHub) -> None:
    id = big(hub)
    hub.stall_at = CHUNK + 4096
    pulling = subprocess.Popen([*TELL, id], stdout=subprocess.PIPE, text=True)
    assert hub.stalled.wait(60)
    part = next(disk.hub_cache().rglob(f"*{disk.PART}"))
    while part.stat().st_size < CHUNK:
        assert pulling.poll() is None
    pulling.send_signal(signal.SIGINT)
    said, _ = pulling.communicate(timeout=30)
    assert pulling.returncode == 130
    assert "the same command goes on from there: mlxtui models pull org/big" in said
    entry = disk.on_disk()[1]
    assert "incomplete" in entry.trouble

    hub.stall_at = None
    hub.go_on.set()
    heard, tell = told()
    path = fetch.pull(id, tell)
    assert hub.ranges == [f"bytes={CHUNK}-"]
    assert heard[0][0] >= 0
    assert CHUNK <= heard[1][0] <= CHUNK + 4096
    assert all((path / name).read_bytes() == content for name, content in BIG.items())


def test_two_do_not_write_to_the_same_part(hub: FakeHub) -> None:
    id = big(hub)
    hub.stall_at = CHUNK
    first = subprocess.Popen([*TELL, id, "--json"], stdout=subprocess.PIPE, text=True)
    assert hub.stalled.wait(60)
    with pytest.raises(UserError, match="by another process"):
        fetch.pull(id, told()[1])
    first.kill()
    first.communicate()


def test_progress_for_programs_is_a_line_of_json(hub: FakeHub) -> None:
    hub.add("org/tiny", TINY)
    done = subprocess.run([*TELL, "org/tiny", "--json"], capture_output=True, text=True, check=True)
    *progress, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert progress[-1]["done"] == progress[-1]["total"]
    assert Path(last["path"], "config.json").exists()


def test_what_arrived_broken_is_thrown_away(hub: FakeHub) -> None:
    hub.add("org/tiny", TINY)
    hub.broken = True
    with pytest.raises(UserError, match="arrived broken"):
        fetch.pull("org/tiny", told()[1])
    hub.broken = False
    assert fetch.pull("org/tiny", told()[1]).exists()


def test_what_mlx_can_not_load_is_said_before_anything_is_fetched(hub: FakeHub, cache: Path) -> None:
    hub.models["org/Llama-GGUF"] = {"llama-q4.gguf": b"gguf", "README.md": b""}
    hub.models["org/picture"] = {"config.json": b"{}", "weights.bin": b""}
    hub.gated.add("org/gated")
    for id, words in (
        ("org/Llama-GGUF", r"only GGUF files.*mlxtui models search Llama"),
        ("org/picture", "needs a config.json"),
        ("org/gated", r"gated: accept its terms at http://127.*hf auth login"),
        ("org/missing", "no model 'org/missing' on http://127"),
        ("missing", "one looks like mlx-community/"),
        ("../../etc", "one looks like mlx-community/"),
    ):
        with pytest.raises(UserError, match=words):
            fetch.pull(id, told()[1])
    assert not cache.exists()


def test_a_full_disk_is_said_before_it_is_full(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(UserError, match=r"needs 0\.0 GB more, and 0\.0 GB are free"):
        fetch.pull(big(hub), told()[1])


def test_a_hub_that_is_not_there(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:1 can't be reached"):
        fetch.pull("org/tiny", told()[1])


def test_offline_is_said_plainly(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for ask in (lambda: fetch.pull("org/tiny", told()[1]), lambda: hub_room.search("tiny")):
        with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
            ask()
    assert hub.asked == []


def test_search_tells_size_and_whether_it_fits(hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.models |= {"mlx-community/Qwen3-4B-4bit": {}, "org/other": {}}
    (hit,) = hub_room.search("qwen3")
    assert (hit.id, hit.weights_bytes, hit.downloads) == ("mlx-community/Qwen3-4B-4bit", 2_002_000_000, 1234)
    assert hub_room.Hit.from_json(hit.to_json()) == hit
    shelf.search("qwen3", as_json=False)
    assert "1.9 GB" in capsys.readouterr().out
    shelf.search("qwen3", as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["updated"] == "2026-10-01"
    shelf.search("nothing", as_json=False)
    assert "no MLX model has 'nothing'" in capsys.readouterr().out
