"""What a job may ask of its answer, on real MLX: penalties, biases, figures, a shared prefill, a grammar, a budget."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.models.cache import make_prompt_cache

from mlxtui.engine.interface import ChatPrompt, Failure, Job
from mlxtui.engine.worker.masks import Compiler, Grammar, Matcher
from mlxtui.engine.worker.model import Model
from mlxtui.engine.worker.prompt import prepare
from mlxtui.engine.worker.thinking import Budget
from mlxtui.types import NEUTRAL_SAMPLING, Constraint, Dialect, Message, Sampling, Tool
from tests.engine.conftest import Models
from tests.engine.drive import GREEDY, Drive, alone, prompt
from tests.engine.test_scheduler import _Fragile

KINDS = ("plain", "sliding", "recurrent")
HOT = Sampling(temperature=1.2, seed=5)


def _logits(model: Model, tokens: list[int]) -> list[Any]:
    """The model's raw logits after each of the tokens, without any of our batching."""
    return np.array(model.module(mx.array([tokens]), cache=make_prompt_cache(model.module))[0].astype(mx.float32))  # type: ignore[return-value]


def _adjusted(model: Model, tokens: list[int], new: int, sampling: Sampling) -> list[int]:
    """Greedy decoding with OpenAI's formulas, the long way round."""
    said: list[int] = []
    for _ in range(new):
        logits = np.array(_logits(model, tokens + said)[-1])
        repetition = sampling.repetition_penalty or 1.0
        for token in set(tokens + said):
            logits[token] = logits[token] / repetition if logits[token] > 0 else logits[token] * repetition
        for token, count in Counter(said).items():
            logits[token] -= count * (sampling.frequency_penalty or 0) + (sampling.presence_penalty or 0)
        for token, bias in sampling.logit_bias or ():
            logits[token] += bias
        said.append(int(logits.argmax()))
    return said


PENALTIES = [
    Sampling(temperature=0.0, frequency_penalty=1.5),
    Sampling(temperature=0.0, presence_penalty=2.0),
    Sampling(temperature=0.0, repetition_penalty=1.7),
    Sampling(temperature=0.0, frequency_penalty=-2.0, presence_penalty=1.0, repetition_penalty=1.3),
    Sampling(temperature=0.0, logit_bias=((70, 8.0), (71, -100.0))),
]


@pytest.mark.parametrize("sampling", PENALTIES)
def test_penalties_are_openais(models: Models, sampling: Sampling) -> None:
    model = models("plain")
    assert alone(model, prompt(1, 12), 20, sampling) == _adjusted(model, prompt(1, 12), 20, sampling)
    assert alone(model, prompt(1, 12), 20, sampling) != alone(model, prompt(1, 12), 20)


def test_penalties_hold_whoever_joins_and_leaves(models: Models) -> None:
    model, drive = models("plain"), Drive(models("plain"))
    heated = [replace(sampling, temperature=1.1, seed=i) for i, sampling in enumerate(PENALTIES)]
    work = [(prompt(i, 10 + i), 40 - 3 * i, s) for i, s in enumerate([*PENALTIES, GREEDY, *heated, HOT])]
    jobs = []
    for item in work:
        jobs.append(drive.admit(*item))
        drive.step()
        drive.step()
    drive.finish()
    assert [drive.got[job].tokens for job in jobs] == [alone(model, *item) for item in work]


def test_penalties_survive_a_restart(models: Models) -> None:
    model = models("plain")
    work = [(prompt(i, 30), 25, sampling) for i, sampling in enumerate(PENALTIES)]
    expected = [alone(model, *item) for item in work]
    poison = next(token for token in range(model.vocab) if not any(token in tokens for tokens in expected))
    drive = Drive(replace(model, module=_Fragile(model.module, poison)))
    good = [drive.admit(*item) for item in work]
    while not all(len(drive.got[job].tokens) > 5 for job in good):
        drive.step()
    drive.admit([*prompt(9, 30), poison], 25)
    drive.finish()
    assert [drive.got[job].tokens for job in good] == expected


def test_a_banned_token_never_comes_and_a_forced_one_always(models: Models) -> None:
    model = models("plain")
    free = alone(model, prompt(1, 20), 60, HOT)
    banned = Counter(free).most_common(1)[0][0]
    assert banned not in alone(model, prompt(1, 20), 60, replace(HOT, logit_bias=((banned, -100.0),)))
    assert set(alone(model, prompt(1, 20), 10, replace(HOT, logit_bias=((77, 100.0),)))) == {77}


def test_xtc_leaves_out_the_likeliest_and_holds_its_seed(models: Models) -> None:
    model = models("plain")
    always = Sampling(temperature=1.0, seed=3, xtc_probability=1.0, xtc_threshold=0.05)
    sometimes = replace(always, xtc_probability=0.5)
    drive = Drive(model)
    jobs = [drive.admit(prompt(1, 30), 30, s) for s in (always, GREEDY, sometimes, HOT)]
    drive.finish()
    assert drive.got[jobs[0]].tokens == alone(model, prompt(1, 30), 30, always)
    assert drive.got[jobs[2]].tokens == alone(model, prompt(1, 30), 30, sometimes)
    history = prompt(1, 30)
    for token in drive.got[jobs[0]].tokens:
        logits = _logits(model, history)[-1]
        chances = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        if (chances > 0.05).sum() > 1:
            assert token != int(chances.argmax())
        history.append(token)


@pytest.mark.parametrize("sampling", [GREEDY, replace(HOT, top_k=40), replace(HOT, frequency_penalty=1.0)])
def test_logprobs_are_the_models_own(models: Models, sampling: Sampling) -> None:
    model, drive = models("plain"), Drive(models("plain"))
    asking = drive.admit(prompt(1, 20), 15, sampling, top_logprobs=5)
    bare = drive.admit(prompt(2, 25), 20, sampling, top_logprobs=0)
    silent = drive.admit(prompt(3, 20), 15, sampling)
    drive.finish()
    got = drive.got[asking]
    assert got.tokens == alone(model, prompt(1, 20), 15, sampling)
    logits = _logits(model, prompt(1, 20) + got.tokens[:-1])[-15:]
    logprobs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))  # type: ignore[operator, attr-defined]
    assert len(got.logprobs) == 15
    for at, (token, figure) in enumerate(zip(got.tokens, got.logprobs, strict=True)):
        best = sorted(logprobs[at], reverse=True)[:5]
        assert figure.drawn.logprob == pytest.approx(float(logprobs[at][token]), abs=1e-3)
        assert [top.logprob for top in figure.top] == pytest.approx([float(value) for value in best], abs=1e-3)
        assert figure.drawn.raw == model.detokenizers.bytes_of(token)
        assert figure.drawn.token == figure.drawn.raw.decode("utf-8", "replace")
    assert [figure.top for figure in drive.got[bare].logprobs] == [()] * 20
    assert not drive.got[silent].logprobs


def test_an_end_of_sequence_has_no_logprobs(models: Models) -> None:
    end = Sampling(temperature=0.0, logit_bias=((0, 100.0),))
    got = Drive(models("plain")).run(prompt(1, 10), 5, end, top_logprobs=2)
    assert (got.finish, got.tokens, got.logprobs) == ("stop", [0], [])


class _Counting:
    """A model that counts the prompt tokens it is fed."""

    def __init__(self, model: Any) -> None:
        self._model, self.fed = model, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, tokens: mx.array, **options: Any) -> mx.array:
        self.fed += tokens.size if tokens.shape[1] > 1 else 0
        return self._model(tokens, **options)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_prompts_are_prefilled_once(models: Models, kind: str) -> None:
    model = models(kind)
    counting = _Counting(model.module)
    drive = Drive(replace(model, module=counting))
    jobs = [drive.admit(prompt(1, 200), 20, replace(HOT, seed=i)) for i in range(4)]
    other = drive.admit(prompt(2, 30), 20)
    for _ in range(6):
        drive.step()
    late = drive.admit(prompt(1, 200), 20, replace(HOT, seed=1))
    drive.finish()
    assert counting.fed == 199 + 29
    assert [drive.got[job].cached for job in [*jobs, late]] == [0, 199, 199, 199, 199]
    expected = [alone(model, prompt(1, 200), 20, replace(HOT, seed=i)) for i in range(4)]
    assert [drive.got[job].tokens for job in [*jobs, late]] == [*expected, expected[1]]
    assert drive.got[other].tokens == alone(model, prompt(2, 30), 20)
    assert all(drive.got[job].prefills[-1].done == 200 for job in jobs)


def test_who_waits_for_a_prompt_goes_on_when_it_is_cancelled(models: Models) -> None:
    clock = iter(range(10**6))
    drive = Drive(models("plain"), clock=lambda: float(next(clock)))
    jobs = [drive.admit(prompt(1, 300), 8) for _ in range(4)]
    drive.step()
    drive.scheduler.cancel(jobs[0])
    drive.scheduler.cancel(jobs[2])
    drive.finish()
    expected = alone(models("plain"), prompt(1, 300), 8)
    assert [drive.got[job].tokens for job in jobs] == [[], expected, [], expected]


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "n": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "n"],
}
TOOL = Tool("f", "", SCHEMA, strict=True)


def _grammar(model: Model, constraint: Constraint) -> Grammar:
    return model.compiler.compile(constraint, opens_in="content", may_think=False)


def test_constrained_rows_stay_within_their_grammar_beside_free_ones(models: Models) -> None:
    model, drive = models("plain"), Drive(models("plain"))
    schema, call = (
        _grammar(model, Constraint(SCHEMA)),
        _grammar(model, Constraint(None, "required", (TOOL,), parallel=False)),
    )
    free = [drive.admit(prompt(i, 20 + i), 50, replace(HOT, seed=i)) for i in range(3)]
    held = []
    for i in range(8):
        held.append(drive.admit(prompt(50 + i, 15 + i), 200, replace(HOT, seed=i), grammar=schema))
        drive.step()
    called = drive.admit(prompt(70, 15), 300, HOT, grammar=call)
    drive.finish()
    for job in held:
        assert drive.got[job].finish == "stop"
        assert set(json.loads(drive.got[job].text)) == {"name", "n"}
    said = json.loads(drive.got[called].text.removeprefix("<tool_call>").strip().removesuffix("</tool_call>"))
    assert said["name"] == "f"
    assert set(said["arguments"]) == {"name", "n"}
    assert [drive.got[job].tokens for job in free] == [
        alone(model, prompt(i, 20 + i), 50, replace(HOT, seed=i)) for i in range(3)
    ]
    assert (
        drive.got[held[3]].tokens == Drive(model).run(prompt(53, 18), 200, replace(HOT, seed=3), grammar=schema).tokens
    )


def test_a_grammar_survives_a_restart(models: Models) -> None:
    model = models("plain")
    grammar = _grammar(model, Constraint({"type": "array", "items": {"enum": ["ab", "cd"]}, "minItems": 12}))
    expected = Drive(model).run(prompt(1, 30), 60, HOT, grammar=grammar).tokens
    poison = next(token for token in range(model.vocab) if token not in expected)
    drive = Drive(replace(model, module=_Fragile(model.module, poison)))
    held = drive.admit(prompt(1, 30), 60, HOT, grammar=grammar)
    while len(drive.got[held].tokens) < 10:
        drive.step()
    drive.admit([*prompt(9, 30), poison], 25)
    drive.finish()
    assert drive.got[held].tokens == expected


def test_a_tokenizer_may_know_more_tokens_than_the_model(models: Models) -> None:
    model = models("plain")
    logits = len(model.tokenizer.get_vocab()) - 40  # and the end of sequence is among those that are left

    class Narrow(_Counting):
        def __call__(self, tokens: mx.array, **options: Any) -> mx.array:
            return self._model(tokens, **options)[..., :logits]  # type: ignore[no-any-return]

    compiler = Compiler(model.tokenizer, logits, model.info.dialect)
    narrow = replace(model, module=Narrow(model.module), vocab=logits, compiler=compiler)
    got = Drive(narrow).run(prompt(1, 20), 200, HOT, grammar=_grammar(narrow, Constraint(SCHEMA)))
    assert set(json.loads(got.text)) == {"name", "n"}


def test_a_broken_grammar_fails_its_own_row(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    model, drive = models("plain"), Drive(models("plain"))
    monkeypatch.setattr(Matcher, "error", property(lambda matcher: "too many states"))
    held = drive.admit(prompt(1, 20), 20, HOT, grammar=_grammar(model, Constraint(SCHEMA)))
    free = drive.admit(prompt(2, 20), 20)
    drive.finish()
    failure = drive.got[held].failure
    assert failure is not None
    assert "too many states" in failure.message
    assert drive.got[free].tokens == alone(model, prompt(2, 20), 20)


@pytest.mark.parametrize("tokens", [0, 1, 7])
@pytest.mark.parametrize("closing", [(3,), (3, 40, 41)])
def test_reasoning_ends_with_its_budget(models: Models, tokens: int, closing: tuple[int, ...]) -> None:
    model, drive = models("plain"), Drive(models("plain"))
    budget = Budget(tokens, b"<think>", b"</think>", closing, True, model.detokenizers.bytes_of)
    sampling = replace(HOT, logit_bias=((2, -100.0), (3, -100.0), (0, -100.0)))
    neighbour = drive.admit(prompt(2, 20), 30, HOT)
    job = drive.admit(prompt(1, 20), 30, sampling, budget=budget)
    drive.finish()
    free = alone(model, prompt(1, 20), 30, sampling)
    got = drive.got[job].tokens
    assert got[: tokens + len(closing)] == [*free[:tokens], *closing]
    assert len(got) == 30
    assert 3 not in got[tokens + 1 :]
    assert drive.got[neighbour].tokens == alone(model, prompt(2, 20), 30, HOT)


def test_reasoning_that_the_model_opens_is_counted_from_there(models: Models) -> None:
    model = models("plain")
    opened = Budget(4, b"<think>", b"</think>", (3,), False, model.detokenizers.bytes_of)
    thinking = opened.watch([50, 2, 60, 61, 62])
    assert thinking.urgent
    assert thinking.force() is None
    thinking.take(63)
    assert thinking.force() == 3
    thinking.take(3)
    assert not thinking.urgent
    assert thinking.force() is None


@pytest.mark.parametrize("begun", ["", "<t>a</t>", "\n<t>", "<t>a</t>\n\n"])
def test_markers_in_the_strings_of_an_answer_open_no_reasoning(begun: str) -> None:
    thinking = Budget(9, b"<t>", b"</t>", (99,), False, lambda token: bytes([token]), leads=True)
    close = "</t>" if begun.endswith("<t>") else ""
    watched = thinking.watch(f'{begun}{close}{{"k": "<t> and a long thought'.encode())
    assert not watched.urgent
    assert watched.force() is None


def _job(constraint: Constraint | None = None, **asked: Any) -> Job:
    template = asked.pop("template", {})
    return Job(
        "j", ChatPrompt((Message("user", "hi"),), (), template), NEUTRAL_SAMPLING, None, None, constraint, **asked
    )


@pytest.mark.parametrize("char", ["é", "日", "👩"])
def test_a_budget_lets_a_character_end(char: str) -> None:
    raw = [bytes([byte]) for byte in char.encode()]
    thinking = Budget(1, b"<t>", b"</t>", (99,), True, lambda token: raw[token]).watch()
    for token in range(len(raw)):
        assert thinking.force() is None
        thinking.take(token)
    assert thinking.force() == 99


def test_a_budget_does_not_wait_for_ever() -> None:
    thinking = Budget(1, b"<t>", b"</t>", (99,), True, lambda token: b"\xff").watch()
    taken = 0
    while thinking.force() is None:
        thinking.take(0)
        taken += 1
    assert taken == 4


@pytest.mark.parametrize("seed", [10, 12, 13, 17])  # their fifth tokens break a character off
def test_a_job_brings_its_grammar_and_budget(models: Models, seed: int) -> None:
    model = models("plain")
    job = _job(Constraint(SCHEMA), reasoning_budget=5)
    prepared = prepare(model, replace(job, sampling=replace(job.sampling, seed=seed)))
    assert isinstance(prepared, tuple)
    budget = prepared[1].budget
    assert budget is not None
    closing = model.tokenizer.encode("\n</think>\n\n", add_special_tokens=False)
    assert (budget.tokens, budget.closing, budget.opened, budget.leads) == (5, tuple(closing), True, True)
    drive = Drive(model)
    drive.scheduler.admit(replace(prepared[1], max_new=300))
    drive.finish()
    _, _, said = drive.got["j"].text.partition("</think>")
    assert 3 in drive.got["j"].tokens[: 5 + 5]
    assert set(json.loads(said)) == {"name", "n"}


@pytest.mark.parametrize(
    ("constraint", "param"),
    [
        (Constraint({"type": "object", "properties": {"a": {"not": {}}}}), "response_format"),
        (
            Constraint(None, "auto", (Tool("f", "", {"properties": {"a": {"uniqueItems": True}}}, strict=True),)),
            "tools",
        ),
        (Constraint(None, "required"), "tool_choice"),
    ],
)
def test_what_can_not_be_enforced_is_refused_before_anything_is_said(
    models: Models, constraint: Constraint, param: str
) -> None:
    failure = prepare(models("plain"), _job(constraint))
    assert isinstance(failure, Failure)
    assert (failure.code, failure.param) == ("invalid_constraint", param)


def test_a_bias_for_a_token_there_is_not_is_refused(models: Models) -> None:
    job = replace(_job(), sampling=replace(NEUTRAL_SAMPLING, logit_bias=((320, 1.0),)))
    failure = prepare(models("plain"), job)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.param) == ("invalid_prompt", "logit_bias")


def test_gpt_oss_speaks_harmony(models: Models) -> None:
    model = models("harmony")
    assert model.info.dialect == Dialect(tool_syntax="harmony")
    assert set(model.tokenizer.eos_token_ids) == {0, 1}  # generation_config.json's
    text = "<|channel|>analysis<|message|>hm<|end|>"
    tokens = model.tokenizer.encode(text, add_special_tokens=False)
    assert model.detokenizers.new().feed(tokens, last=True) == text


def _harmony_text(model: Model, job: Job, seed: int) -> str:
    prepared = prepare(model, job)
    assert isinstance(prepared, tuple)
    chosen = replace(prepared[1].choice, seed=seed, bias=((5, 4.0),))  # towards <|end|>
    drive = Drive(model)
    drive.scheduler.admit(replace(prepared[1], max_new=400, choice=chosen))
    drive.finish()
    assert drive.got["j"].finish == "stop"
    return drive.got["j"].text


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("budget", [0, 5])
def test_harmony_is_constrained_and_budgeted(models: Models, seed: int, budget: int) -> None:
    model = models("harmony")
    text = _harmony_text(model, _job(Constraint(SCHEMA), reasoning_budget=budget), seed)
    assert set(json.loads(text.rpartition("final<|message|>")[2])) == {"name", "n"}
    text = _harmony_text(model, _job(Constraint(None, "required", (TOOL,)), reasoning_budget=budget), seed)
    head, _, arguments = text.rpartition("json<|message|>")
    assert head.endswith("<|channel|>commentary to=functions.f <|constrain|>")
    assert set(json.loads(arguments)) == {"name", "n"}


def test_everything_at_once_equals_each_alone(models: Models) -> None:
    model, draw, drive = models("plain"), random.Random(1), Drive(models("plain"))
    grammar = _grammar(model, Constraint(SCHEMA))
    budget = Budget(6, b"<think>", b"</think>", (3,), True, model.detokenizers.bytes_of)
    extras: list[dict[str, Any]] = [{}, {"grammar": grammar}, {"budget": budget}, {"top_logprobs": 3}]
    work = [
        (prompt(i % 5, 25), 30, replace(draw.choice([*PENALTIES, HOT]), temperature=1.0, seed=i), extras[i % 4])
        for i in range(16)
    ]
    jobs = []
    for tokens, new, sampling, extra in work:
        jobs.append(drive.admit(tokens, new, sampling, **extra))
        if draw.random() < 0.4:
            drive.step()
    drive.finish()
    for job, (tokens, new, sampling, extra) in zip(jobs, work, strict=True):
        assert drive.got[job].tokens == Drive(model).run(tokens, new, sampling, **extra).tokens
