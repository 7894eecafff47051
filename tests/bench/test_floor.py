"""The bare batch loop in its process, on models made by the tool that makes models for benchmarks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from mlxtui.bench.floor import FloorUnusable, started
from mlxtui.bench.prompts import story
from mlxtui.bench.scenario import FloorWork
from mlxtui.bench.wire import RequestFailed
from tools import mid_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "mid"
    assert mid_model.make(path, layers=1, width=128, seed=7) < 1_000_000
    return path


def test_it_does_all_its_work_and_then_the_next(model: Path) -> None:
    """A model of the tool never ends by itself: there are exactly as many tokens as were asked for."""

    async def scene() -> list[int]:
        async with started(str(model)) as floor:
            works = [FloorWork([story("n", number) for number in range(count)], 5, 2) for count in (1, 3)]
            return [(await floor.measure(work)).tokens for work in works]

    assert asyncio.run(scene()) == [5, 15]


def test_its_answers_are_plain_text(model: Path) -> None:
    from tokenizers import Tokenizer

    says = mid_model.sayable(model, 1024)
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    assert sum(says) > 300
    assert not any(says[token] for token in tokenizer.get_added_tokens_decoder())
    assert all(tokenizer.decode([token]).strip().isalnum() for token, said in enumerate(says) if said)


def test_a_missing_model_is_a_sentence() -> None:
    async def scene() -> None:
        async with started("no/such/model"):
            raise AssertionError

    with pytest.raises(FloorUnusable, match="'no/such/model' not found"):
        asyncio.run(scene())


def test_a_process_that_has_ended_says_its_last_words(model: Path) -> None:
    async def scene() -> None:
        async with started(str(model)) as floor:
            with pytest.raises(RequestFailed, match=r"the floor: .*Error"):
                await floor.measure(FloorWork([[{"role": "user"}]], 5, 1))

    asyncio.run(scene())


def test_a_copy_does_not_end(tmp_path: Path) -> None:
    mid_model.endless("mlxtui-tiny", tmp_path / "copy")
    ended = json.loads((tmp_path / "copy" / "tokenizer_config.json").read_text())["eos_token"]
    assert ended == "<|endoftext|>"
    assert (tmp_path / "copy" / "model.safetensors").stat().st_size > 1_000_000
