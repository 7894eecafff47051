"""The batch loop on real MLX: whatever else runs, each job gets the tokens it would get alone."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any

import mlx.core as mx
import pytest

from mlxtui.types import Sampling
from tests.engine.conftest import Models
from tests.engine.drive import GREEDY, Drive, alone, prompt

KINDS = ("plain", "sliding", "recurrent")


@pytest.mark.parametrize("kind", [*KINDS, "leaky"])
def test_a_batch_of_32_gives_each_job_what_it_gets_alone(models: Models, kind: str) -> None:
    model = models(kind)
    work = [(prompt(i, 1 + 7 * i % 90), 8 + i % 30) for i in range(32)]
    drive = Drive(model)
    jobs = [drive.admit(tokens, new) for tokens, new in work]
    drive.finish()
    assert [drive.got[job].tokens for job in jobs] == [alone(model, *item) for item in work]
    assert {drive.got[job].finish for job in jobs} <= {"stop", "length"}


@pytest.mark.parametrize("kind", KINDS)
def test_conversations_with_cancels_equal_fresh_runs(models: Models, kind: str) -> None:
    """Four turns each; a third of the answers are cancelled half-way and the conversation goes on from there."""
    model, draw = models(kind), random.Random(3)
    drive = Drive(model)
    histories = [prompt(i, draw.randrange(20, 60)) for i in range(6)]
    for turn in range(4):
        jobs = {drive.admit(history, 24): history for history in histories}
        cancelled = set(draw.sample(sorted(jobs), 2))
        _run_cancelling(drive, cancelled)
        for job, history in jobs.items():
            answer = drive.got[job].tokens
            assert answer == alone(model, list(history), 24)[: len(answer)]
            assert drive.got[job].cached > 0 or turn == 0
            history += answer + prompt(100 + turn, 9)
    assert drive.scheduler.idle


def _run_cancelling(drive: Drive, jobs: set[str]) -> None:
    while not drive.scheduler.idle:
        drive.step()
        for job in [job for job in jobs if len(drive.got[job].tokens) >= 10]:
            drive.scheduler.cancel(job)
            jobs.discard(job)


@pytest.mark.parametrize("kind", KINDS)
def test_a_repeated_prompt_is_warm_and_equal(models: Models, kind: str) -> None:
    drive = Drive(models(kind))
    cold, warm = drive.run(prompt(1, 80), 20), drive.run(prompt(1, 80), 20)
    assert cold.cached == 0
    assert warm.cached == 79  # all but the token that the first step feeds
    assert warm.tokens == cold.tokens


def test_jobs_join_and_leave_between_steps(models: Models) -> None:
    model, drive = models("plain"), Drive(models("plain"))
    work = [(prompt(i, 20 + i), 30 - 2 * i) for i in range(10)]
    jobs = []
    for item in work:
        jobs.append(drive.admit(*item))
        for _ in range(3):
            drive.step()
    drive.finish()
    assert [drive.got[job].tokens for job in jobs] == [alone(model, *item) for item in work]


def test_a_seed_gives_the_same_text_alone_in_a_batch_and_beside_greedy_jobs(models: Models) -> None:
    model = models("plain")
    hot = Sampling(temperature=1.3, seed=42)
    filtered = Sampling(temperature=0.9, top_p=0.9, top_k=40, min_p=0.01, seed=7)
    drive = Drive(model)
    jobs = [drive.admit(prompt(1, 30), 40, s) for s in (hot, GREEDY, filtered, hot, Sampling(temperature=1.0))]
    drive.finish()
    first, greedy, narrow, again, free = (drive.got[job].tokens for job in jobs)
    assert first == again == alone(model, prompt(1, 30), 40, hot)
    assert narrow == alone(model, prompt(1, 30), 40, filtered)
    assert greedy == alone(model, prompt(1, 30), 40)
    assert len({tuple(tokens) for tokens in (first, greedy, narrow, free)}) == 4
    assert first != alone(model, prompt(1, 30), 40, replace(hot, seed=43))


def test_a_failing_sampler_fails_its_own_job_only(models: Models) -> None:
    model, drive = models("plain"), Drive(models("plain"))
    good = [drive.admit(prompt(i, 30), 25) for i in range(3)]
    bad = drive.admit(prompt(9, 30), 25, Sampling(temperature=1.0, min_p=2.0))
    drive.finish()
    assert drive.got[bad].failure is not None
    assert drive.got[bad].failure.code == "engine_error"
    assert [drive.got[job].tokens for job in good] == [alone(model, prompt(i, 30), 25) for i in range(3)]


class _Fragile:
    """A model whose forward pass breaks whenever it decodes a certain token, as a bad kernel would."""

    def __init__(self, model: Any, poison: int) -> None:
        self._model, self._poison = model, poison

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, tokens: mx.array, **options: Any) -> mx.array:
        if tokens.shape[1] == 1 and [self._poison] in tokens.tolist():
            raise RuntimeError("kernel failure")
        return self._model(tokens, **options)


def test_a_failing_forward_pass_fails_one_job_and_the_others_go_on_with_equal_tokens(models: Models) -> None:
    model = models("plain")
    expected = [alone(model, prompt(i, 30), 25, Sampling(temperature=1.2, seed=i)) for i in range(4)]
    poison = next(token for token in range(model.vocab) if not any(token in tokens for tokens in expected))
    drive = Drive(replace(model, module=_Fragile(model.module, poison)))
    good = [drive.admit(prompt(i, 30), 25, Sampling(temperature=1.2, seed=i)) for i in range(4)]
    while not all(len(drive.got[job].tokens) > 5 for job in good):
        drive.step()
    bad = drive.admit([*prompt(9, 30), poison], 25)
    late = drive.admit(prompt(3, 30), 25, Sampling(temperature=1.2, seed=3))
    drive.finish()
    assert drive.got[bad].failure is not None
    assert [drive.got[job].tokens for job in [*good, late]] == [*expected, expected[3]]


def test_a_long_prompt_does_not_hold_up_a_short_one(models: Models) -> None:
    seconds = (
        itertools.count()
    )  # by this clock every chunk takes a second: chunks become as small as they are allowed to be
    drive = Drive(models("plain"), clock=lambda: float(next(seconds)))
    long = drive.admit(prompt(1, 3000), 4)
    drive.step()
    short = drive.admit(prompt(2, 20), 4)
    drive.finish()
    assert drive.order == [short, long]
    assert drive.got[long].tokens == alone(models("plain"), prompt(1, 3000), 4)
    done = [prefill.done for prefill in drive.got[long].prefills]
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == 3000
    assert len(done) > 10


def test_a_running_job_decodes_while_a_long_prompt_is_prefilled(models: Models) -> None:
    seconds = itertools.count()
    drive = Drive(models("plain"), clock=lambda: float(next(seconds)))
    running = drive.admit(prompt(1, 10), 60)
    while not drive.got[running].tokens:
        drive.step()
    long = drive.admit(prompt(2, 3000), 1)
    drive.finish()
    assert drive.order == [running, long]


def test_a_rush_on_an_idle_engine_decodes_as_one_batch_however_slow_its_prefill(models: Models) -> None:
    seconds = itertools.count()  # by this clock every pass takes a second
    drive = Drive(models("plain"), clock=lambda: float(next(seconds)))
    jobs = [drive.admit(prompt(i, 40 + i % 4), 3) for i in range(20)]
    while not any(drive.got[job].tokens for job in jobs):
        drive.step()
    assert all(len(drive.got[job].tokens) == 1 for job in jobs)


def test_a_rush_without_end_does_not_hold_back_the_first_for_ever(models: Models) -> None:
    drive = Drive(models("plain"))
    first = drive.admit(prompt(0, 40), 3)
    for i in range(20):
        drive.admit(prompt(1 + i, 40), 1)
        drive.step()
    assert drive.got[first].over


def test_cancelling_frees_the_slot_at_once_wherever_the_job_is(models: Models) -> None:
    seconds = itertools.count()
    drive = Drive(models("plain"), max_running=1, clock=lambda: float(next(seconds)))
    decoding, waiting = drive.admit(prompt(1, 10), 4000), drive.admit(prompt(2, 10), 4)
    while not drive.got[decoding].tokens:
        drive.step()
    drive.scheduler.cancel(waiting)
    prefilling = drive.admit(prompt(3, 2000), 4)
    drive.scheduler.cancel(decoding)
    drive.step()
    assert drive.got[prefilling].prefills
    drive.scheduler.cancel(prefilling)
    assert drive.scheduler.idle
    assert drive.run(prompt(4, 10), 5).tokens == alone(models("plain"), prompt(4, 10), 5)
    assert not drive.got[waiting].prefills
    assert not drive.got[prefilling].tokens


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_are_cancelled_before_anything_of_them_is_computed(models: Models, kind: str) -> None:
    drive = Drive(models(kind), clock=itertools.count().__next__)  # whatever is fed uses up the step's time
    jobs = [drive.admit(prompt(i, 600), 4) for i in range(3)]
    drive.step()
    for job in reversed(jobs):
        drive.scheduler.cancel(job)
    only = drive.admit(prompt(9, 20), 4)
    drive.step()  # it waits a step for others to come
    drive.scheduler.cancel(only)
    assert drive.scheduler.idle
    assert drive.run(prompt(2, 600), 4).tokens == alone(models(kind), prompt(2, 600), 4)


def test_cancelling_an_unknown_job_does_nothing(models: Models) -> None:
    drive = Drive(models("plain"))
    drive.scheduler.cancel("nobody")
    assert drive.run(prompt(1, 10), 3).finish == "length"


def test_the_rest_wait_their_turn_beyond_max_running(models: Models) -> None:
    drive = Drive(models("plain"), max_running=2)
    jobs = [drive.admit(prompt(i, 10), 5) for i in range(6)]
    while not drive.scheduler.idle:
        stats = drive.scheduler._stats()
        assert stats.running + stats.prefilling <= 2
        drive.step()
    assert drive.order == jobs


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_whose_caches_cannot_merge_runs_one_job_at_a_time(models: Models, kind: str) -> None:
    drive = Drive(replace(models(kind), batchable=False))
    jobs = [drive.admit(prompt(i, 40), 12) for i in range(3)]
    drive.finish()
    assert drive.order == jobs
    assert [drive.got[job].tokens for job in jobs] == [alone(models(kind), prompt(i, 40), 12) for i in range(3)]


def test_an_end_of_sequence_token_stops_and_does_not_show(models: Models) -> None:
    model = models("plain")
    reference = Drive(model).run(prompt(5, 30), 30)
    last = reference.tokens[9]
    end = reference.tokens.index(last)

    class Ending:
        eos_token_ids = frozenset({last})

    got = Drive(replace(model, tokenizer=Ending())).run(prompt(5, 30), 30)
    assert got.finish == "stop"
    assert got.tokens == reference.tokens[: end + 1]
    assert reference.text.startswith(got.text)


def test_top_k_as_wide_as_the_vocabulary_filters_nothing(models: Models) -> None:
    wide = Sampling(temperature=1.0, top_k=10**6, seed=1)
    assert alone(models("plain"), prompt(1, 20), 20, wide) == alone(
        models("plain"), prompt(1, 20), 20, replace(wide, top_k=0)
    )


def test_nothing_is_left_when_all_jobs_are_over(models: Models) -> None:
    drive = Drive(models("plain"), cache_bytes=0)
    active = []
    for batch in range(4):
        for i in range(8):
            drive.admit(prompt(100 * batch + i, 50), 10)
        drive.finish()
        mx.synchronize()  # the step in flight when the last job ended still holds its buffers
        active.append(mx.get_active_memory())
    assert max(active[1:]) - min(active[1:]) < 200_000
    assert len(drive.scheduler.cache) == 0


def test_a_prompt_that_fits_no_memory_is_refused_with_the_numbers(models: Models) -> None:
    info = models("plain").info
    limit = info.weights_bytes + 700 * info.kv_bytes_per_token
    drive = Drive(models("plain"), memory_limit=limit)
    refused, fitting = drive.admit(prompt(1, 500), 5), drive.admit(prompt(2, 400), 5)
    drive.finish()
    failure = drive.got[refused].failure
    assert failure is not None
    assert failure.code == "insufficient_memory"
    assert "500 tokens" in failure.message
    assert drive.got[fitting].finish == "length"


def test_a_short_job_fits_beside_a_long_one_that_leaves_no_room_for_a_second(models: Models) -> None:
    """It gets a batch of its own, so it is not as long there as the long one."""
    info = models("plain").info
    drive = Drive(models("plain"), memory_limit=info.weights_bytes + 12_000 * info.kv_bytes_per_token)
    for number, length in enumerate((6500, 20, 6500)):
        drive.admit(prompt(number, length), 5)
    drive.step()
    assert [len(slot.prompt.tokens) for slot in drive.scheduler._active] == [6500, 20]


def test_jobs_wait_until_they_fit_beside_each_other_and_the_prefix_cache_makes_room(models: Models) -> None:
    info = models("plain").info
    limit = info.weights_bytes + 1000 * info.kv_bytes_per_token  # two rows of 100 tokens and a step of 256 each
    drive = Drive(models("plain"), memory_limit=limit)
    jobs = [drive.admit(prompt(i, 100), 20) for i in range(6)]
    while not drive.scheduler.idle:
        drive.step()
        assert len(drive.scheduler._active) <= 2
    assert drive.order == jobs
    assert len(drive.scheduler.cache) > 0
    kept = drive.scheduler.cache.nbytes
    drive.run(prompt(9, 700), 1)
    assert drive.scheduler.cache.nbytes < kept + 700 * info.kv_bytes_per_token
