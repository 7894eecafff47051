"""`--draft-model`: whatever the draft proposes, the answer is the one that the model gives without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import pytest
from mlx.utils import tree_map

from mlxtui.engine.worker.locate import LoadError
from mlxtui.engine.worker.model import Model, load, with_draft
from mlxtui.types import Sampling
from tests.engine.conftest import Models
from tests.engine.drive import GREEDY, Drive, alone, prompt

HOT = Sampling(temperature=1.1, top_p=0.95, seed=5)


def silent(detail: str) -> None:
    pass


KEY = mx.random.key(1)
"""Not MLX's own state, which tests that break models leave unusable."""


@pytest.fixture(scope="module")
def drafted(models: Models, model_dir: Callable[[str], Path]) -> dict[str, Model]:
    """The plain model with itself, with random weights, and with a nearly equal model as its draft."""
    path, model = str(model_dir("plain")), models("plain")
    itself = with_draft(model, path, silent)
    assert (model.info.draft, itself.info.draft) == ("", path)
    stranger, near = load(path, None, silent).module, load(path, None, silent).module
    for module, amount in ((stranger, 1.0), (near, 0.02)):
        noise = tree_map(lambda a, by=amount: a + by * mx.random.normal(a.shape, key=KEY), module.parameters())
        module.update(noise)
        mx.eval(module.parameters())
    return {"itself": itself, "stranger": replace(itself, draft=stranger), "near": replace(itself, draft=near)}


@pytest.mark.parametrize("sampling", [GREEDY, HOT])
@pytest.mark.parametrize("draft", ["itself", "stranger", "near"])
def test_tokens_are_those_without_a_draft_in_fewer_steps_if_it_is_good(
    models: Models, drafted: dict[str, Model], draft: str, sampling: Sampling
) -> None:
    drive = Drive(drafted[draft])
    for number, (length, new) in enumerate([(40, 30), (1, 17), (300, 1), (12, 2), (40, 33)]):
        got = drive.run(prompt(number, length), new, sampling)
        assert got.tokens == alone(models("plain"), prompt(number, length), new, sampling)
        assert got.finish == "length"
    long = drive.admit(prompt(7, 50), 80, sampling)
    steps = 0
    while not drive.scheduler.idle:
        drive.step()
        steps += 1
    assert drive.got[long].tokens == alone(models("plain"), prompt(7, 50), 80, sampling)
    if draft == "itself":
        assert steps < 80 / 3


def test_an_end_of_sequence_in_the_middle_of_the_proposals_ends_the_answer_there(
    models: Models, drafted: dict[str, Model]
) -> None:
    whole = alone(models("plain"), prompt(5, 30), 30)
    for at in range(4, 9):

        class Ending:
            eos_token_ids = frozenset({whole[at]})

        end = whole.index(whole[at])
        drive = Drive(replace(drafted["itself"], tokenizer=Ending()))
        got = drive.run(prompt(5, 30), 30)
        assert (got.tokens, got.finish) == (whole[: end + 1], "stop")
        again = drive.run(prompt(5, 30) + got.tokens + [9, 9], 5)
        assert again.cached == 30 + end + 1
        assert again.tokens == alone(models("plain"), prompt(5, 30) + got.tokens + [9, 9], 5)


def test_turns_cancels_penalties_and_logprobs_go_on_as_ever(models: Models, drafted: dict[str, Model]) -> None:
    drive, history = Drive(drafted["near"]), prompt(1, 30)
    for turn in range(3):
        job = drive.admit(history, 40)
        while len(drive.got[job].tokens) < 10:
            drive.step()
        drive.scheduler.cancel(job)
        said = drive.got[job].tokens
        assert said == alone(models("plain"), history, 40)[: len(said)]
        history = history + said + prompt(50 + turn, 5)
    told = drive.run(prompt(3, 30), 12, top_logprobs=1)
    assert len(told.logprobs) == 12
    strict = Sampling(temperature=0.0, repetition_penalty=1.5)
    assert drive.run(prompt(4, 30), 20, strict).tokens == alone(models("plain"), prompt(4, 30), 20, strict)


def test_a_draft_that_does_not_fit_is_refused_with_the_reason(models: Models, model_dir: Callable[[str], Path]) -> None:
    for kind in ("sliding", "recurrent"):
        with pytest.raises(LoadError, match="can't be cut"):
            with_draft(models(kind), str(model_dir("plain")), silent)
        with pytest.raises(LoadError, match="can't be cut"):
            with_draft(models("plain"), str(model_dir(kind)), silent)
    with pytest.raises(LoadError, match="same vocabulary"):
        with_draft(models("plain"), "mlxtui-tiny", silent)
