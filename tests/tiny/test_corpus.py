"""The corpus keeps its promises: targets score as right, held-out words stay held out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tools.tiny import cases, mix, render, words
from tools.tiny.probes import PROBES
from tools.tiny.scoring import score
from tools.tiny.source import Source, is_held
from tools.tiny.talk import Conversation


def target(talk: Conversation) -> str:
    """What the model is to write, as text."""
    learnt = [p.text for p in render.pieces(talk) if p.learn][-1].removesuffix("<|im_end|>")
    return talk.messages[-1].given + learnt


def test_every_target_scores_as_right() -> None:
    source = Source(6)
    for _ in range(1500):
        talk = mix.conversation(source)
        got = score(talk, target(talk))
        assert got.right, talk
        assert got.formed, talk


@pytest.mark.parametrize("suite", cases.SUITES, ids=lambda s: s.name)
def test_every_suite_is_solvable(suite: cases.Suite) -> None:
    for talk in cases.cases(suite, 15):
        got = score(talk, target(talk))
        assert got.right
        assert got.thought or suite.wants == "answer"


def test_every_probe_is_solvable() -> None:
    for talks in PROBES.values():
        for talk in talks:
            assert score(talk, target(talk)).right, talk


@pytest.mark.parametrize("make", [Source.name, Source.invented, Source.nonce, Source.noun])
def test_evaluation_words_are_never_trained(make: Callable[[Source], str]) -> None:
    trained, held = Source(1), Source(1, held=True)
    assert not {make(trained) for _ in range(3000)} & {make(held) for _ in range(300)}


def test_lists_have_held_out_words() -> None:
    for listed in (words.NAMES, words.CITIES, words.NOUNS, words.VERBS):
        assert 3 <= sum(is_held(w) for w in listed) < len(listed) / 3


def test_the_stream_is_reproducible() -> None:
    first, second = Source(9), Source(9)
    assert [mix.conversation(first) for _ in range(50)] == [mix.conversation(second) for _ in range(50)]


def test_long_prompts_are_long() -> None:
    talk = cases.cases(cases.SUITES[0], 1)[0]
    longer = cases.lengthened([talk], 1500, lambda text: len(text) // 2)[0]
    assert len(longer.messages[0].content) > 2500
    assert longer.messages[-1] == talk.messages[-1]
