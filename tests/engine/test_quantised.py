"""`--kv-bits`: a quantised KV cache gives mlx-lm's own tokens, one request at a time, from warm caches too."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest
from mlx_lm.generate import generate_step
from mlx_lm.models.cache import QuantizedKVCache, make_prompt_cache

from mlxtui.engine.worker.locate import EMBEDDED, LoadError
from mlxtui.engine.worker.model import Model, load
from tests.engine.drive import Drive, prompt


@pytest.fixture(scope="module")
def model() -> Model:
    return load(EMBEDDED, None, lambda detail: None, kv_bits=8)


def reference(model: Model, tokens: list[int], new: int) -> list[int]:
    """What mlx-lm's own loop makes of it, on the same kind of cache."""
    cache = make_prompt_cache(model.module)
    steps = generate_step(mx.array(tokens), model.module, max_tokens=new, prompt_cache=cache)
    return [int(token) for token, _ in itertools.islice(steps, new)]


def test_tokens_are_those_of_mlx_lm_and_requests_go_one_by_one(model: Model) -> None:
    assert all(isinstance(cache, QuantizedKVCache) for cache in make_prompt_cache(model.module))
    drive, ends = Drive(model), set(model.tokenizer.eos_token_ids)
    work = [prompt(i, 40 + 150 * i) for i in range(3)]
    jobs = [drive.admit(tokens, 12) for tokens in work]
    while not drive.scheduler.idle:
        drive.step()
        assert len(drive.scheduler._active) <= 1
    assert drive.order == jobs
    for job, tokens in zip(jobs, work, strict=True):
        expected = reference(model, tokens, 12)
        length = next((at + 1 for at, token in enumerate(expected) if token in ends), 12)
        assert drive.got[job].tokens == expected[:length]


def test_warm_caches_and_cancelled_ones_give_the_same_tokens(model: Model) -> None:
    drive = Drive(model)
    cold = drive.run(prompt(1, 300), 12)
    cancelled = drive.admit(prompt(1, 300) + prompt(2, 900), 12)
    drive.step()
    drive.scheduler.cancel(cancelled)
    for tokens in (prompt(1, 300), prompt(1, 300) + prompt(2, 900)):
        got = drive.run(tokens, 12)
        assert got.cached > 250
        assert got.tokens == Drive(model).run(tokens, 12).tokens
    assert drive.run(prompt(1, 300), 12).tokens == cold.tokens


def test_a_token_takes_a_third_of_the_memory_or_a_fifth(model: Model) -> None:
    plain = load(EMBEDDED, None, lambda detail: None)
    narrow = load(EMBEDDED, None, lambda detail: None, kv_bits=4)
    assert 0 < model.info.kv_bytes_per_token < 0.34 * plain.info.kv_bytes_per_token
    assert 0 < narrow.info.kv_bytes_per_token < 0.2 * plain.info.kv_bytes_per_token
    assert plain.batchable
    assert not model.batchable


@pytest.mark.parametrize(("kind", "words"), [("plain", "width 16"), ("leaky", "no KV cache")])
def test_a_model_that_can_not_have_one_is_refused_with_the_reason(
    kind: str, words: str, model_dir: Callable[[str], Path]
) -> None:
    with pytest.raises(LoadError, match=words):
        load(str(model_dir(kind)), None, lambda detail: None, kv_bits=8)
