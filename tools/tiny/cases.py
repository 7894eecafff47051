"""The evaluation: families with their targets, built from the held-out half of the words, and how a
case stands behind a long system prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from tools.tiny import mix
from tools.tiny.families import basics, echo, json_objects, longform, memory, reasoning, system, tools
from tools.tiny.mix import Family, one
from tools.tiny.source import Source
from tools.tiny.talk import Conversation, Mode

LONG_TARGET = 90
Wants = Literal["answer", "thought", "both"]


@dataclass(frozen=True, slots=True)
class Suite:
    name: str
    target: int
    """Per cent; 0 where none was set."""
    family: Family
    mode: Mode = "default"
    wants: Wants = "answer"
    """What a case must have to count; a think block must be well-formed wherever there is one."""


SUITES: tuple[Suite, ...] = (
    Suite("memory over several turns", 98, memory.recall),
    Suite("memory: corrections", 0, memory.correction),
    Suite("memory: never told", 0, memory.untold),
    Suite("known tool among 4", 98, tools.known_among_four),
    Suite("unseen tool alone", 95, tools.arbitrary_alone),
    Suite("unseen tool among 3", 90, tools.arbitrary_among_three),
    Suite("parallel calls", 95, tools.parallel),
    Suite("tool result to answer", 98, tools.answered),
    Suite("two results to one answer", 0, tools.answered_parallel),
    Suite("tools offered, none needed", 0, tools.chat),
    Suite("exact repeat, any characters", 95, one(echo.repeat)),
    Suite("system prompt obeyed", 95, system.sampled),
    Suite('think block well-formed when asked for (effort "high")', 98, mix.chat, "high", "thought"),
    Suite("the answer after it right, too", 0, mix.chat, "high", "both"),
    Suite("sums and comparisons, thinking", 0, one(reasoning.sampled), "default", "both"),
    Suite("sums and comparisons, thinking off", 0, one(reasoning.sampled), "off"),
    Suite("JSON object for a simple schema", 95, one(json_objects.sampled)),
    Suite("count", 98, one(basics.count)),
    Suite("facts", 98, one(lambda s: s.pick((basics.capital, basics.fact))(s))),
    Suite("small talk", 0, one(basics.small_talk)),
    Suite('honest "I do not know"', 0, one(basics.unknown)),
    Suite("lists", 0, one(basics.listing)),
    Suite("code", 0, one(longform.code)),
)

LONG_NAMES = (
    "memory over several turns", "known tool among 4", "unseen tool alone", "unseen tool among 3", "parallel calls",
    "tool result to answer", "exact repeat, any characters", "system prompt obeyed", "JSON object for a simple schema",
    "count", "facts",
)  # fmt: skip


def cases(suite: Suite, count: int, seed: int = 0) -> list[Conversation]:
    """`count` conversations of held-out words in the mode of the suite."""
    source = Source(seed, held=True)
    found: list[Conversation] = []
    while len(found) < count:
        talk = suite.family(source)
        if suite.mode == "high" and not talk.messages[-1].thought:
            continue
        found.append(mix.in_mode(talk, suite.mode))
    return found


def lengthened(talks: list[Conversation], tokens: int, measure: Callable[[str], int]) -> list[Conversation]:
    """The same cases behind a system prompt of about `tokens` tokens."""
    source = Source(99, held=True)
    share = measure(system.padding(source, 4000)) / 4000
    longer = [mix.behind(source, talk, int(tokens / share)) for talk in talks]
    return [replace(talk, mode=old.mode) for talk, old in zip(longer, talks, strict=True)]
