"""Conversations on models whose caches can't be cut: what a later prompt finds is what was kept where they part."""

from __future__ import annotations

from itertools import count

import pytest

from mlxtui.engine.interface import ChatPrompt, Job
from mlxtui.engine.worker.model import Model
from mlxtui.engine.worker.prompt import prepare
from mlxtui.engine.worker.slot import Prompt
from mlxtui.types import Message, Sampling, TextPrompt
from tests.engine.conftest import Models
from tests.engine.drive import Drive, Got, alone

SYSTEM = Message("system", "You are a helpful assistant who answers in whole sentences and never makes things up.")
QUESTION = Message("user", "Which of the seven seas is the warmest one in the early spring?")
ANSWER = Message("assistant", "That would be the Red Sea.")
FOLLOW_UP = Message("user", "And the coldest one?")
_ids = count()


def _prompt(model: Model, *messages: Message) -> Prompt:
    # The template opens answers with a think block, which the history then lacks: a prompt's end is no use.
    chat = ChatPrompt(messages, (), {"enable_thinking": True})
    made = prepare(model, Job(f"m{next(_ids)}", chat, Sampling(temperature=0.0), 12))
    assert isinstance(made, tuple)
    return made[1]


def _run(drive: Drive, prompt: Prompt) -> Got:
    drive.scheduler.admit(prompt)
    drive.finish()
    got = drive.got[prompt.id]
    assert got.tokens == alone(drive.model, prompt.tokens, 12)
    return got


def _length(model: Model, *messages: Message) -> int:
    """Of the history without the beginning of an answer."""
    return _prompt(model, *messages).marks[-1]


@pytest.mark.parametrize("kind", ["sliding", "recurrent"])
def test_the_next_turn_finds_all_that_was_there(models: Models, kind: str) -> None:
    model = models(kind)
    drive = Drive(model)
    assert _run(drive, _prompt(model, SYSTEM, QUESTION)).cached == 0
    next_turn = _run(drive, _prompt(model, SYSTEM, QUESTION, ANSWER, FOLLOW_UP))
    assert next_turn.cached == _length(model, SYSTEM, QUESTION)


@pytest.mark.parametrize("kind", ["sliding", "recurrent"])
def test_another_question_finds_what_came_before_it(models: Models, kind: str) -> None:
    model = models(kind)
    drive = Drive(model)
    _run(drive, _prompt(model, SYSTEM, QUESTION, ANSWER, FOLLOW_UP))
    edited = _run(drive, _prompt(model, SYSTEM, QUESTION, ANSWER, Message("user", "Why is that?")))
    assert edited.cached >= _length(model, SYSTEM, QUESTION, ANSWER)


@pytest.mark.parametrize("kind", ["sliding", "recurrent"])
def test_another_conversation_finds_the_system_prompt(models: Models, kind: str) -> None:
    model = models(kind)
    drive = Drive(model)
    _run(drive, _prompt(model, SYSTEM, QUESTION, ANSWER, FOLLOW_UP))
    other = _run(drive, _prompt(model, SYSTEM, Message("user", "Tell me a story.")))
    assert other.cached >= _length(model, SYSTEM)


def test_what_can_be_cut_needs_no_marks(models: Models) -> None:
    assert _prompt(models("plain"), SYSTEM, QUESTION).marks == ()


def test_text_has_no_marks(models: Models) -> None:
    made = prepare(models("recurrent"), Job("t", TextPrompt("Once upon a time"), Sampling(temperature=0.0), 4))
    assert isinstance(made, tuple)
    assert made[1].marks == ()
