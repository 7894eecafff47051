"""The corpus: an endless stream of conversations in fixed proportions, some behind long system prompts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tools.tiny.families import basics, echo, json_objects, longform, memory, reasoning, system, tools
from tools.tiny.families.basics import Exchange
from tools.tiny.source import Source
from tools.tiny.talk import Conversation, Message, Mode, says, user

Family = Callable[[Source], Conversation]


def one(maker: Callable[[Source], Exchange]) -> Family:
    """A family whose conversations are a single exchange."""

    def family(s: Source) -> Conversation:
        asked = maker(s)
        turns = (user(asked.question), says(asked.answer, asked.thought))
        return Conversation(turns, check=asked.check, key=asked.key)

    return family


def chat(s: Source) -> Conversation:
    """Two to four unrelated exchanges."""
    makers = (basics.sampled, basics.sampled, echo.repeat, json_objects.sampled)
    turns: list[Message] = []
    for _ in range(s.number(1, 3)):
        asked = s.pick(makers)(s)
        turns += [user(asked.question), says(asked.answer)]
    last = reasoning.sampled(s) if s.chance(0.2) else s.pick(makers)(s)
    turns += [user(last.question), says(last.answer, last.thought)]
    return Conversation(tuple(turns), check=last.check, key=last.key)


FAMILIES: tuple[tuple[float, Family], ...] = (
    (10, one(basics.sampled)),
    (6, one(echo.repeat)),
    (1, one(echo.several)),
    (3, chat),
    (8, memory.sampled),
    (16, system.sampled),
    (50, tools.sampled),
    (11, one(json_objects.sampled)),
    (3, json_objects.compelled),
    (9, one(reasoning.sampled)),
    (2, one(longform.sampled)),
)


def conversation(s: Source, *, long: float = 0.0) -> Conversation:
    """One training conversation; `long` is the share that stands behind a long system prompt."""
    weights, families = zip(*FAMILIES, strict=True)
    talk = s.rng.choices(families, weights)[0](s)
    if talk.messages[0].role != "system" and s.chance(0.25):
        talk = replace(talk, messages=(system.plain(s), *talk.messages))
    if s.chance(long):
        talk = behind(s, talk, int(1000 * 8 ** s.rng.random()))
    return in_mode(talk, mode(s, talk))


def mode(s: Source, talk: Conversation) -> Mode:
    roll = s.rng.random()
    if roll < 0.22:
        return "off"
    return "high" if roll < 0.34 and _answer(talk).thought else "default"


def _answer(talk: Conversation) -> Message:
    """The first assistant message after the last question."""
    last = max(i for i, m in enumerate(talk.messages) if m.role == "user")
    return talk.messages[last + 1]


def in_mode(talk: Conversation, wanted: Mode) -> Conversation:
    """Thoughts stay only where the model is to think: asked to, or on sums and the like."""
    if wanted == "high" or (wanted == "default" and talk.check == "think"):
        return replace(talk, mode=wanted)
    return replace(talk, mode=wanted, messages=tuple(replace(m, thought="") for m in talk.messages))


def behind(s: Source, talk: Conversation, characters: int) -> Conversation:
    """The same conversation behind `characters` of unrelated system prompt."""
    filler = system.padding(s, characters)
    first = talk.messages[0]
    if first.role == "user" and s.chance(0.25):
        said = f"{filler}\n\n{first.content}" if s.chance(0.7) else f"Here is a text.\n{filler}\nNow: {first.content}"
        return replace(talk, messages=(user(said), *talk.messages[1:]))
    if first.role != "system":
        return replace(talk, messages=(Message("system", filler), *talk.messages))
    lines = filler.split("\n")
    place = s.pick((0, s.number(0, len(lines)), len(lines)))
    text = "\n".join([*lines[:place], first.content, *lines[place:]])
    return replace(talk, messages=(replace(first, content=text), *talk.messages[1:]))


def plain_text(s: Source) -> str:
    """A document without chat markup, for the completions endpoint."""
    asked = s.pick((basics.capital, basics.fact, basics.count))(s)
    story = longform.story_text(s, s.noun(), s.number(1, 2))
    code = longform.code(s).answer.removeprefix("```python\n").removesuffix("\n```")
    return s.pick((asked.answer, story, story, code, f"Q: {asked.question}\nA: {asked.answer}"))
