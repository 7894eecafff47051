"""Remembering what the user said some turns ago: names, codes, corrections, things never told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tools.tiny import words
from tools.tiny.families import basics, echo
from tools.tiny.source import Source
from tools.tiny.talk import Conversation, Message, says, user


@dataclass(frozen=True, slots=True)
class Attribute:
    label: str
    tell: str
    ask: str
    recall: str
    value: Callable[[Source], str]


def _thing(label: str, value: Callable[[Source], str], tell: str = "", ask: str = "") -> Attribute:
    tell = (
        tell
        or f"My {label} is {{0}}.|my {label} is {{0}}|Remember that my {label} is {{0}}.|"
        f"Please note: my {label} is {{0}}."
    )
    ask = (
        ask
        or f"What is my {label}?|what is my {label}?|What's my {label}?|Do you remember my {label}?|Tell me my {label}."
    )
    return Attribute(label, tell, ask, f"Your {label} is {{0}}.", value)


def _code(label: str, value: Callable[[Source], str]) -> Attribute:
    tell = (f"Remember the {label} {{0}}.|Remember the {label} {{0}}|Please remember the {label} {{0}}.|"
            f"The {label} is {{0}}.|"
            f"Remember this {label}: {{0}}|Remember: the {label} is {{0}}.|Keep in mind: the {label} is {{0}}.|"
            f"Remember the {label}: {{0}}.|The {label} is {{0}}. Remember it.|"
            f"Please remember this {label}: {{0}}")  # fmt: skip
    ask = (f"What is the {label}?|What was the {label}?|what was the {label}?|Tell me the {label}.|"
           f"Which {label} did I tell you?|"
           f"Do you remember the {label}?|Repeat the {label}.|What {label} did I give you?|What's the {label}?|"
           f"What {label} did I ask you to remember?|Which {label} did I ask you to remember?")  # fmt: skip
    return Attribute(label, tell, ask, f"The {label} is {{0}}.", value)


NAME = Attribute(
    "name",
    "My name is {0}.|My name is {0}.|My name is {0}|I am {0}.|I'm {0}.|Hi, my name is {0}.|Hello, I am {0}.|"
    "Hello! My name is {0}.|"
    "Call me {0}.|my name is {0}|Hi! I'm {0}.|You can call me {0}.|Please remember that my name is {0}.|Hey, I'm {0}.",
    "What is my name?|What is my name?|what is my name?|What's my name?|Do you remember my name?|Who am I?|"
    "Tell me my name.|"
    "What was my name?|What did I say my name was?|Can you tell me my name?|What is my name again?|Say my name.",
    "Your name is {0}.",
    Source.person,
)

ATTRIBUTES: tuple[Attribute, ...] = (
    _thing("favorite color", lambda s: s.listed(words.COLOURS) if s.chance(0.6) else s.invented()),
    _thing("favourite colour", lambda s: s.listed(words.COLOURS) if s.chance(0.6) else s.invented()),
    _thing("favorite food", lambda s: s.listed(words.FOODS) if s.chance(0.6) else s.invented()),
    _thing("favorite animal", Source.noun),
    _thing("favorite number", Source.digits),
    _thing("city", Source.city, "I live in {0}.|I am from {0}.|My home is in {0}.|My city is {0}.|I live in {0}",
           "Where do I live?|In which city do I live?|What is my city?|Which city do I live in?|"
           "Where do I live again?"),
    _thing("age", lambda s: str(s.number(3, 99)), "I am {0} years old.|My age is {0}.|I'm {0} years old.",
           "How old am I?|What is my age?|How old did I say I am?"),
    _thing("job", lambda s: s.listed(words.JOBS), "I work as a {0}.|I am a {0}.|My job is {0}.",
           "What is my job?|What do I do for work?|What's my job?|What do I work as?"),
    _thing("dog", Source.name, "My dog is called {0}.|I have a dog named {0}.|My dog's name is {0}.",
           "What is my dog called?|What is the name of my dog?|What is my dog's name?"),
    _thing("cat", Source.name, "My cat is called {0}.|I have a cat named {0}.|My cat's name is {0}.",
           "What is my cat called?|What is the name of my cat?|What is my cat's name?"),
    _thing("email", Source.email), _thing("phone number", lambda s: s.digits(5, 9)), _thing("birthday", Source.date),
    _thing("password", Source.nonce), _thing("order number", Source.nonce), _thing("lucky number", Source.digits),
    _code("code word", lambda s: s.word() if s.chance(0.5) else s.nonce()), _code("code word", Source.nonce),
    _code("code", Source.nonce), _code("secret", Source.nonce), _code("secret word", Source.word),
    _code("number", Source.digits), _code("secret number", Source.digits), _code("word", Source.word),
    _code("token", Source.nonce), _code("key", Source.nonce), _code("magic word", Source.word),
    _code("password", Source.nonce), _code("phrase", lambda s: f"{s.adjective()} {s.noun()}"),
)  # fmt: skip


def _ack(s: Source, attribute: Attribute, value: str) -> str:
    if attribute is NAME:
        return f"Nice to meet you, {value}!"
    return f"OK, I will remember that {attribute.recall.format(value).replace('Your', 'your').replace('The', 'the')}"


def _told(s: Source, attribute: Attribute, value: str) -> list[Message]:
    return [user(s.phrase(attribute.tell).format(value)), says(_ack(s, attribute, value))]


def _distraction(s: Source) -> list[Message]:
    exchange = echo.repeat(s) if s.chance(0.25) else basics.sampled(s)
    if exchange.question.startswith(("Count", "count", "List")) and len(exchange.answer) > 80:
        exchange = basics.small_talk(s)
    return [user(exchange.question), says(exchange.answer)]


def _attributes(s: Source, count: int) -> list[tuple[Attribute, str]]:
    chosen: dict[str, Attribute] = {}
    if s.chance(0.5):
        chosen["name"] = NAME
    for attribute in s.some(ATTRIBUTES, count + 4):
        if len(chosen) < count:
            chosen.setdefault(attribute.label, attribute)
    return [(a, a.value(s)) for a in s.shuffled(list(chosen.values()))]


def recall(s: Source) -> Conversation:
    """One to four things told in separate turns or at once, distractions, then one or two questions."""
    known = _attributes(s, s.pick((1, 1, 2, 2, 3, 4)))
    turns: list[Message] = []
    if len(known) > 1 and s.chance(0.3):
        turns += _at_once(s, known)
    else:
        for attribute, value in known:
            turns += _told(s, attribute, value)
            if s.chance(0.3):
                turns += _distraction(s)
    for _ in range(s.pick((0, 0, 1, 1, 2, 2, 3, 5))):
        turns += _distraction(s)
    asked = s.some(known, s.pick((1, 1, 2)))
    thought = ""
    for attribute, value in asked:
        thought = f"The user told me: {attribute.label} {value}."
        turns += [user(s.phrase(attribute.ask)), says(attribute.recall.format(value), thought)]
    return Conversation(tuple(turns), check="contains", key=asked[-1][1])


def _at_once(s: Source, known: list[tuple[Attribute, str]]) -> list[Message]:
    told = " ".join(s.phrase(a.tell.replace("Hello, ", "")).format(v).rstrip(".") + "." for a, v in known)
    names = [v for a, v in known if a is NAME]
    reply = f"Nice to meet you, {names[0]}! I will remember that." if names else "OK, I will remember that."
    return [user(told), says(reply)]


def correction(s: Source) -> Conversation:
    attribute = NAME if s.chance(0.4) else s.pick(ATTRIBUTES)
    old, new = attribute.value(s), attribute.value(s)
    change = s.phrase("No, sorry: it is {0}.|Actually, it is {0}.|I was wrong, it is {0}.|Correction: it is {0}.")
    turns = _told(s, attribute, old)
    turns += [user(change.format(new)), says("OK, now it is " + new + ".")]
    for _ in range(s.number(0, 2)):
        turns += _distraction(s)
    turns += [user(s.phrase(attribute.ask)), says(attribute.recall.format(new))]
    return Conversation(tuple(turns), check="contains", key=new)


def untold(s: Source) -> Conversation:
    """Asked for something never said."""
    attribute, other = NAME if s.chance(0.5) else s.pick(ATTRIBUTES), s.pick(ATTRIBUTES)
    turns: list[Message] = []
    if s.chance(0.5) and other.label != attribute.label:
        turns += _told(s, other, other.value(s))
    if s.chance(0.4):
        turns += _distraction(s)
    subject = "your " + attribute.label if attribute.recall.startswith("Your") else "the " + attribute.label
    answer = f"You have not told me {subject}."
    return Conversation((*turns, user(s.phrase(attribute.ask)), says(answer)), check="contains", key="not told")


def within(s: Source) -> Conversation:
    """Told and asked in the same message."""
    attribute = NAME if s.chance(0.4) else s.pick(ATTRIBUTES)
    value = attribute.value(s)
    tell = s.phrase(attribute.tell).format(value).rstrip(".")
    question = f"{tell}. {s.phrase(attribute.ask)}"
    return Conversation((user(question), says(attribute.recall.format(value))), check="contains", key=value)


def quoted(s: Source) -> Conversation:
    """What did I just say?"""
    said = echo.repeat(s) if s.chance(0.4) else basics.sampled(s)
    ask = s.phrase("What did I just say?|What was my last message?|Repeat my last message.|What did I just ask?")
    turns = (user(said.question), says(said.answer), user(ask), says(f"You said: {said.question}"))
    return Conversation((*_distraction(s), *turns) if s.chance(0.4) else turns)


def sampled(s: Source) -> Conversation:
    makers = (recall, correction, untold, within, quoted)
    return s.rng.choices(makers, (68, 9, 17, 4, 2))[0](s)
