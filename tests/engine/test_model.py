"""Loading: what is told about a good model, and one sentence about each bad one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten

from mlxtui.engine.worker.locate import EMBEDDED, LoadError, find
from mlxtui.engine.worker.model import load
from mlxtui.settings import EMBEDDED_MODEL
from mlxtui.types import Dialect, Sampling
from tests.engine.conftest import Models
from tests.engine.drive import Drive, prompt
from tests.engine.tiny_models import make_model, write_tokenizer

ModelDir = Callable[[str], Path]


def _load(path: Path | str, context_length: int | None = None) -> object:
    return load(str(path), context_length, lambda detail: None)


@pytest.fixture
def broken(model_dir: ModelDir, tmp_path: Path) -> Path:
    """A copy of a good model, to be broken."""
    return Path(shutil.copytree(model_dir("plain"), tmp_path / "model"))


def test_a_model_tells_what_it_is(models: Models, model_dir: ModelDir) -> None:
    info = models("plain").info
    assert info.id == model_dir("plain").name
    assert info.context_length == 4096
    assert info.dialect == Dialect(("<think>", "</think>"), ("<tool_call>", "</tool_call>"), "json_tools")
    assert info.parameters * 4 == info.weights_bytes > 100_000
    assert info.kv_bytes_per_token == 2 * 2 * 2 * 16 * 4  # keys and values, layers, heads, width, f32
    assert info.sampling == Sampling()
    assert models("plain").vocab == 320


def test_windows_and_states_count_once_per_job_not_per_token(models: Models) -> None:
    plain, sliding, recurrent = models("plain"), models("sliding"), models("recurrent")
    assert plain.slot_bytes == 0
    assert sliding.info.kv_bytes_per_token == 2 * 16 * 4  # one of three layers sees everything
    assert sliding.slot_bytes == 2 * 24 * 2 * 16 * 4
    assert recurrent.info.kv_bytes_per_token == 2 * 2 * 16 * 4
    assert recurrent.slot_bytes == 2 * 64 * 4  # the last two inputs of a convolution over three


def test_the_context_can_only_be_made_shorter(model_dir: ModelDir) -> None:
    assert _load(model_dir("plain"), 100).info.context_length == 100  # type: ignore[attr-defined]
    assert _load(model_dir("plain"), 10**6).info.context_length == 4096  # type: ignore[attr-defined]


def test_the_makers_recommendations_are_taken_over(broken: Path) -> None:
    said = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "do_sample": True, "eos_token_id": [3, 4]}
    (broken / "generation_config.json").write_text(json.dumps(said))
    model = load(str(broken), None, lambda detail: None)
    assert model.info.sampling == Sampling(temperature=0.6, top_p=0.95, top_k=20)
    assert model.tokenizer.eos_token_ids == {0, 3, 4}


@pytest.mark.parametrize("said", ['{"do_sample": false, "temperature": 0.7}', "{broken", '{"top_p": "much"}'])
def test_odd_recommendations_do_no_harm(broken: Path, said: str) -> None:
    (broken / "generation_config.json").write_text(said)
    expected = Sampling(temperature=0.0) if "false" in said else Sampling()
    assert load(str(broken), None, lambda detail: None).info.sampling == expected


def test_16_bit_weights_become_32_bit_on_a_cpu(broken: Path) -> None:
    if mx.default_device() != mx.Device(mx.cpu):
        pytest.skip("only on a CPU")
    weights = mx.load(str(broken / "model.safetensors"))
    mx.save_safetensors(str(broken / "model.safetensors"), {k: w.astype(mx.bfloat16) for k, w in weights.items()})
    model = load(str(broken), None, lambda detail: None)
    assert {array.dtype for _, array in tree_flatten(model.module.parameters())} == {mx.float32}


def test_a_quantised_model_generates(broken: Path) -> None:
    from mlx_lm.utils import load_model, quantize_model, save_config

    module, config = load_model(broken)
    module, config = quantize_model(module, config, group_size=32, bits=4)
    mx.save_safetensors(str(broken / "model.safetensors"), dict(tree_flatten(module.parameters())))
    save_config(config, broken / "config.json")
    model = load(str(broken), None, lambda detail: None)
    assert model.info.weights_bytes < model.info.parameters * 2
    assert Drive(model).run(prompt(1, 40), 5).finish == "length"


def test_a_hugging_face_id_is_found_in_the_local_cache(
    model_dir: ModelDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "models--maker--tiny"
    shutil.copytree(model_dir("plain"), repo / "snapshots" / "0123")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert find("maker/tiny") == repo / "snapshots" / "0123"
    assert _load("maker/tiny").info.id == "maker/tiny"  # type: ignore[attr-defined]


def test_a_model_without_a_chat_template_says_so_once(broken: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_tokenizer(broken, chat_template=None)
    _load(broken)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "has no chat template" in caplog.text


def test_loading_says_what_it_does(model_dir: ModelDir) -> None:
    said: list[str] = []
    load(str(model_dir("plain")), None, said.append)
    assert said == [f"reading {model_dir('plain')}", "warming up"]


def _no_config(path: Path) -> None:
    (path / "config.json").unlink()


def _no_weights(path: Path) -> None:
    (path / "model.safetensors").unlink()


def _bad_json(path: Path) -> None:
    (path / "config.json").write_text("{")


def _no_type(path: Path) -> None:
    (path / "config.json").write_text("{}")


def _foreign(path: Path) -> None:
    (path / "config.json").write_text('{"model_type": "perceptron"}')


def _cut_off(path: Path) -> None:
    data = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(data[: len(data) // 2])


def _other_shape(path: Path) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"hidden_size": 128}))


def _no_tokenizer(path: Path) -> None:
    (path / "tokenizer.json").unlink()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_no_config, "it has no config.json"),
        (_no_weights, "it has no model*.safetensors"),
        (_bad_json, "a JSON file in"),
        (_no_type, "its config.json lacks 'model_type'"),
        (_foreign, "does not know its architecture (Model type perceptron not supported)"),
        (_cut_off, "can't be loaded"),
        (_other_shape, "can't be loaded"),
        (_no_tokenizer, "can't be loaded"),
    ],
)
def test_each_broken_model_gets_one_sentence(broken: Path, harm: Callable[[Path], None], says: str) -> None:
    harm(broken)
    with pytest.raises(LoadError) as caught:
        _load(broken)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(broken) in str(caught.value)


@pytest.mark.parametrize("name", ["nobody/nothing-at-all", "/no/such/directory", "a b c", "", "../.."])
def test_an_unknown_name_gets_one_sentence(name: str) -> None:
    with pytest.raises(LoadError, match=r"not found|is not a model"):
        _load(name)


def test_the_embedded_model_has_the_name_the_settings_know() -> None:
    assert EMBEDDED == EMBEDDED_MODEL


def test_a_model_file_that_wants_to_run_code_is_refused(broken: Path) -> None:
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"model_file": "evil.py"}))
    (broken / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(LoadError, match="custom module"):
        _load(broken)


def test_a_directory_is_named_by_its_last_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model("plain", tmp_path / "deep" / "my-model")
    monkeypatch.chdir(tmp_path / "deep" / "my-model")
    assert _load(".").info.id == "my-model"  # type: ignore[attr-defined]
