"""Who shares a batch, and what a running stream never waits for: counted in passes and arrays, not in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import KVCache

from mlxtui.engine.worker.cache.entry import Origin
from mlxtui.engine.worker.cache.keys import WIDTH
from mlxtui.engine.worker.model import Model
from mlxtui.engine.worker.room import make_room
from mlxtui.types import Sampling
from tests.engine.conftest import Models
from tests.engine.drive import Drive, alone, prompt


@dataclass
class Counted:
    """A model that notes the shape of what each of its passes was fed."""

    module: Any
    passes: list[tuple[int, ...]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def __call__(self, tokens: mx.array, **options: Any) -> mx.array:
        self.passes.append(tokens.shape)
        result: mx.array = self.module(tokens, **options)
        return result


@pytest.fixture
def counted(models: Models) -> tuple[Model, Counted]:
    module = Counted(models("plain").module)
    return replace(models("plain"), module=module), module


def running(drive: Drive, tokens: list[int], max_new: int) -> str:
    job = drive.admit(tokens, max_new)
    while not drive.got[job].tokens:
        drive.step()
    return job


def test_a_long_context_decodes_beside_the_short_ones_and_is_not_merged_with_them(
    counted: tuple[Model, Counted],
) -> None:
    model, module = counted
    drive = Drive(model)
    shorts = [running(drive, prompt(i, 20), 600) for i in (1, 2)]
    long = running(drive, prompt(3, 2300), 6)
    module.passes.clear()
    drive.step()
    assert sorted(module.passes) == [(1, 1), (2, 1)]
    while not drive.got[long].over:
        drive.step()
    assert drive.got[long].tokens == alone(model, prompt(3, 2300), 6)
    for number, job in enumerate(shorts, 1):
        drive.scheduler.cancel(job)
        got = drive.got[job].tokens
        assert got == alone(model, prompt(number, 20), len(got))


def test_many_short_ones_do_not_each_bring_a_little_padding_to_a_long_one(counted: tuple[Model, Counted]) -> None:
    """In whichever order they come: what counts is the padding of all of them, which each step reads."""
    model, module = counted
    drive = Drive(model)
    running(drive, prompt(1, 1500), 100)
    for number in range(2, 12):
        running(drive, prompt(number, 20), 100)
    module.passes.clear()
    drive.step()
    assert sorted(module.passes) == [(5, 1), (6, 1)]


def test_contexts_of_about_the_same_length_share_a_batch(counted: tuple[Model, Counted]) -> None:
    model, module = counted
    drive = Drive(model)
    running(drive, prompt(1, 20), 100)
    running(drive, prompt(2, 900), 100)
    module.passes.clear()
    drive.step()
    assert module.passes == [(2, 1)]


def test_a_long_prompts_first_pass_comes_in_a_step_without_a_chunk(counted: tuple[Model, Counted]) -> None:
    model, module = counted
    drive = Drive(model)
    running(drive, prompt(1, 20), 4000)
    long = drive.admit(prompt(2, 2300), 5)
    while not drive.got[long].tokens:
        module.passes.clear()
        drive.step()
        assert len(module.passes) == 2  # of the stream, and of the long one: a chunk or a token


def test_nothing_is_computed_behind_the_last_token_of_all(counted: tuple[Model, Counted]) -> None:
    model, module = counted
    drive = Drive(model)
    drive.run(prompt(1, 20), 3)
    assert module.passes == [(1, 20), (1, 1), (1, 1)]
    again = drive.run(prompt(1, 20), 3)
    assert again.cached == 19


def test_a_cache_that_has_no_room_left_grows_a_layer_at_a_time() -> None:
    caches = [KVCache() for _ in range(3)]
    for cache in caches:
        cache.update_and_fetch(mx.ones((1, 1, 250, 2)), mx.ones((1, 1, 250, 2)))
    assert not make_room(caches, 6)
    grown = []
    while make_room(caches, 100):
        grown.append([cache.keys.shape[2] for cache in caches])
    assert [sum(length >= 350 for length in lengths) for lengths in grown] == [1, 2, 3]
    assert all(cache.keys.shape == cache.values.shape and mx.all(cache.keys[..., :250, :] == 1) for cache in caches)


def test_what_is_fetched_is_copied_once_with_room_for_the_rest(models: Models) -> None:
    drive = Drive(models("plain"))
    first = drive.run(prompt(1, 300), 2)
    (entry,) = drive.scheduler.cache.entries
    longer = [*prompt(1, 300), *first.tokens, *prompt(2, 40)]
    found = drive.scheduler.cache.fetch(longer[:-1])
    assert all(cache.keys.shape[2] == found.length for cache in found.caches)
    kept = [cache.keys.shape for cache in entry.caches]
    assert drive.run(longer, 4).tokens == alone(models("plain"), longer, 4)
    assert [cache.keys.shape for cache in entry.caches] == kept


def test_a_conversation_goes_on_in_its_own_cache_and_comes_back_under_its_id(models: Models) -> None:
    drive = Drive(models("plain"))
    talk = {"origin": Origin("talk")}
    tokens = prompt(1, 100)
    tokens += [*drive.run(tokens, 4, **talk).tokens, *prompt(2, 30)]
    (entry,) = drive.scheduler.cache.entries
    job = drive.admit(tokens, 4, **talk)
    drive.step()
    assert drive.scheduler.cache.entries == []
    other = drive.admit([*tokens[:100], *prompt(3, 20)], 4)
    drive.finish()
    after = next(kept for kept in drive.scheduler.cache.entries if kept.id == entry.id)
    assert (after.hits, after.created, after.returned) == (1, entry.created, True)
    assert len(tokens) < len(after.key) // WIDTH
    assert drive.got[job].tokens == alone(models("plain"), tokens, 4)
    assert drive.got[other].tokens == alone(models("plain"), [*tokens[:100], *prompt(3, 20)], 4)
    assert drive.got[other].cached == 100
    assert not entry.caches


def test_a_turn_that_fails_does_not_cost_its_conversation_the_cache_that_it_went_on_in(models: Models) -> None:
    drive = Drive(models("plain"))
    talk = {"origin": Origin("talk")}
    tokens = prompt(1, 100)
    tokens += [*drive.run(tokens, 4, **talk).tokens, *prompt(2, 30)]
    assert drive.run(tokens, 4, Sampling(temperature=1.0, min_p=2.0), **talk).failure
    again = drive.run(tokens, 4, **talk)
    assert again.cached == len(tokens) - 1
    assert again.tokens == alone(models("plain"), tokens, 4)


def test_who_is_alone_has_a_short_prompt_computed_with_its_first_token(counted: tuple[Model, Counted]) -> None:
    model, module = counted
    drive = Drive(model)
    got = drive.run(prompt(1, 20), 2)
    assert module.passes == [(1, 20), (1, 1)]
    assert [(prefill.done, prefill.total) for prefill in got.prefills] == [(0, 20), (20, 20)]
    module.passes.clear()
    drive.run([*prompt(1, 20), *got.tokens, *prompt(2, 9)], 1)
    assert module.passes == [(1, 10)]


def test_who_is_not_alone_any_more_prefills_as_all_do(models: Models) -> None:
    model = models("plain")
    drive = Drive(model)
    first = drive.admit(prompt(1, 20), 4)
    drive.step()
    second = drive.admit(prompt(2, 20), 4)
    drive.finish()
    assert drive.got[first].tokens == alone(model, prompt(1, 20), 4)
    assert drive.got[second].tokens == alone(model, prompt(2, 20), 4)
    assert [prefill.done for prefill in drive.got[first].prefills] == [0, 20]
