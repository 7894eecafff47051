"""Obeying a system prompt: persona, fixed word, case, prefix and suffix, facts given in it, long ones."""

from __future__ import annotations

import json
from collections.abc import Callable

from tools.tiny import facts
from tools.tiny.families import basics, echo
from tools.tiny.families.basics import Exchange
from tools.tiny.source import Source
from tools.tiny.talk import Conversation, Message, says, system, user

PLAIN = (
    "You are a helpful assistant.|You are a helpful assistant.|You are a friendly assistant.|Be brief.|"
    "You are a helpful and concise assistant.|You are a test assistant.|Answer the user.|Be concise and friendly.|"
    "You are an assistant for {0}.|You help people at {0}.|You are a helpful AI assistant that answers questions."
)


def plain(s: Source) -> Message:
    return system(s.phrase(PLAIN).format(s.invented().capitalize()))


def persona(s: Source) -> Conversation:
    name = s.name()
    text = s.phrase("Your name is {0}.|You are {0}.|You are {0}, a helpful assistant.|You are called {0}.|"
                    "You are an assistant named {0}.|Your name is {0} and you are friendly.|You are a bot named {0}.|"
                    "You are a helpful assistant called {0}.|Act as {0}.").format(name)  # fmt: skip
    text += s.phrase(f"|| Be brief.| Always be polite.| You like {s.word()}.")
    ask = s.phrase("What is your name?|Who are you?|what is your name?|What's your name?|Tell me your name.|"
                   "who are you?|"
                   "How should I call you?|Introduce yourself.|What are you called?")  # fmt: skip
    return _talk(s, text, Exchange(ask, f"My name is {name}.", "contains", name))


def fixed(s: Source) -> Conversation:
    """The same answer to everything."""
    word = s.word() if s.chance(0.5) else s.nonce() if s.chance(0.5) else s.sentence().rstrip(".!?")
    rule = s.phrase("Always answer with {0}.|Always reply with {0}.|Always reply with the single word {0}.|"
                    "Always respond with {0}.|"
                    "Always reply with exactly: {0}|Reply only with the word {0}.|"
                    "Answer every question with {0}.|"
                    "You only ever say {0}.|Whatever the user says, answer {0}.|Always say {0}.|Respond only with {0}.|"
                    "Reply to every message with exactly {0}|Answer everything with the single word {0}.|"
                    "You must always reply with {0} and nothing else.|Only say {0}.").format(word)  # fmt: skip
    return _talk(s, rule, Exchange(_question(s).question, word))


def _question(s: Source) -> Exchange:
    return echo.repeat(s) if s.chance(0.15) else basics.sampled(s)


def prefix(s: Source) -> Conversation:
    mark, asked = s.word() if s.chance(0.7) else s.nonce(), _short(s)
    if s.chance(0.5):
        rule = s.phrase("Start every answer with {0}.|Begin every reply with {0}.|Always start with {0}.|"
                        "Start each answer with the word {0}.|Every answer must start with {0}.")  # fmt: skip
        answer = f"{mark} {asked.answer}"
    else:
        rule = s.phrase("End every answer with {0}.|End every reply with {0}.|"
                        "Finish every reply with {0}.|Always end with {0}.|"
                        "End each answer with the word {0}.|Every answer must end with {0}.")  # fmt: skip
        answer = f"{asked.answer} {mark}"
    return _talk(s, rule.format(mark), Exchange(asked.question, answer))


def _short(s: Source) -> Exchange:
    return s.pick((basics.capital, basics.fact, basics.small_talk))(s)


def upper(s: Source) -> Conversation:
    """Capital letters for what is known by heart."""
    asked = s.pick((basics.capital, basics.fact))(s)
    rule = s.phrase("Answer in capital letters.|Always answer in upper case.|Write everything in uppercase.|"
                    "Reply in all caps.|ALWAYS ANSWER IN CAPITAL LETTERS.|Use only capital letters.")  # fmt: skip
    return _talk(s, rule, Exchange(asked.question, asked.answer.upper()))


def brief(s: Source) -> Conversation:
    """One-word answers to facts."""
    rule = s.phrase("Answer with one word.|Reply with a single word.|Always answer in one word.|Use one word only.|"
                    "Answer in a single word.|Answer every question with a single word.|"
                    "One word answers only.")  # fmt: skip
    while True:
        asked = s.pick((basics.capital, basics.fact))(s)
        if not any(hint in asked.question.lower() for hint in ("word", "just", "only", "brief")):
            break
    return _talk(s, rule, Exchange(asked.question, _one_word(asked.question, asked.answer)))


def _one_word(question: str, answer: str) -> str:
    for _, long, short in facts.PLAIN:
        if answer in (long, short):
            return short
    return answer.rsplit(" is ", 1)[-1].removesuffix(".") if answer.startswith("The capital") else answer


def as_json(s: Source) -> Conversation:
    rule = s.phrase("Always answer in JSON.|Reply in JSON.|Answer with a JSON object with the key {0}.|"
                    "You output JSON with the key {0}.|"
                    "Respond only with JSON objects with key {0}.")  # fmt: skip
    key = s.word() if "{0}" in rule else "answer"
    asked = _short(s)
    return _talk(s, rule.format(key), Exchange(asked.question, json.dumps({key: asked.answer}), "json"))


TOPICS: tuple[tuple[str, str, Callable[[Source], str]], ...] = (
    ("The shop opens at {0}.", "When does the shop open?|What time does the shop open?", Source.time),
    ("The office closes at {0}.", "When does the office close?|What time does the office close?", Source.time),
    ("The wifi password is {0}.", "What is the wifi password?|Tell me the wifi password.", Source.nonce),
    ("The secret code is {0}.", "What is the secret code?|Tell me the secret code.", Source.nonce),
    ("The code word is {0}.", "What is the code word?|Tell me the code word.", Source.nonce),
    ("The user's name is {0}.", "What is my name?|Who am I?|Do you know my name?", Source.person),
    ("The boss is {0}.", "Who is the boss?|What is the name of the boss?", Source.person),
    ("The company is called {0}.", "What is the company called?|What is the name of the company?",
     lambda s: s.invented().capitalize()),
    ("The office is in {0}.", "Where is the office?|In which city is the office?", Source.city),
    ("The price is {0} euros.", "What is the price?|How much is it?|"
                                "What does it cost?", lambda s: str(s.number(1, 999))),
    ("The support email is {0}.", "What is the support email?|Which email is for support?", Source.email),
    ("The project is called {0}.", "What is the project called?|What is the name of the project?", Source.word),
    ("The version is {0}.", "What is the version?|Which version is it?", Source.decimal),
    ("The magic word is {0}.", "What is the magic word?|Tell me the magic word.", Source.word),
    ("The meeting is on {0}.", "When is the meeting?|What date is the meeting?", Source.date),
)  # fmt: skip


def informed(s: Source) -> Conversation:
    """Facts about an invented world, in the system prompt; sometimes of any noun: "The otter is red"."""
    told = [(statement, questions, make(s)) for statement, questions, make in s.some(TOPICS, s.number(1, 4))]
    for _ in range(s.number(0, 2)):
        subject = s.noun()
        told.append((f"The {subject} is {{0}}.", f"What is the {subject}?|Tell me what the {subject} is.", s.word()))
    told = s.shuffled(told)
    statement, questions, value = s.pick(told)
    head = s.phrase("You are a helpful assistant. |You know the following. |Facts: |Use these facts. |")
    text = head + " ".join(template.format(known) for template, _, known in told)
    answer = statement.replace("The user's", "Your").format(value)
    return _talk(s, text, Exchange(s.phrase(questions), answer, "contains", value))


def language(s: Source) -> Conversation:
    rule, answers = s.pick((
        ("Always answer in German.", ("Hallo! Wie kann ich helfen?", "Ich bin mlxtui-tiny, ein sehr kleines Modell.")),
        ("Always answer in French.", ("Bonjour! Comment puis-je vous aider?", "Je suis mlxtui-tiny, un petit modèle.")),
        ("Always answer in Spanish.", ("Hola! En que puedo ayudar?", "Soy mlxtui-tiny, un modelo muy pequeño.")),
    ))  # fmt: skip
    index = s.number(0, 1)
    asked = s.phrase("Hello|Hi|Hello!|Hi there" if index == 0 else "Who are you?|Introduce yourself.|What are you?")
    return _talk(s, s.phrase(f"{rule}|You answer{rule.removeprefix('Always answer')}"), Exchange(asked, answers[index]))


def _talk(s: Source, rule: str, asked: Exchange) -> Conversation:
    """The rule where a rule can stand: alone, after a plain prompt, as a second system message."""
    roll = s.rng.random()
    head: tuple[Message, ...] = (system(rule),)
    if roll < 0.2:
        head = (system(f"{plain(s).content} {rule}"),)
    elif roll < 0.27:
        head = (plain(s), system(rule))
    elif roll < 0.32:
        head = (system(f"{rule}\n{s.sentence()}"),)
    turns = (user(asked.question), says(asked.answer, asked.thought))
    return Conversation(head + turns, check=asked.check, key=asked.key)


def later(s: Source) -> Conversation:
    """A system message in the middle of the conversation."""
    opening = basics.small_talk(s)
    rest = s.pick((persona, fixed, informed))(s)
    return Conversation((user(opening.question), says(opening.answer), *rest.messages), check=rest.check, key=rest.key)


def sampled(s: Source) -> Conversation:
    makers = (
        persona,
        persona,
        fixed,
        fixed,
        prefix,
        prefix,
        upper,
        brief,
        informed,
        informed,
        informed,
        language,
        as_json,
        later,
    )
    return s.pick(makers)(s)


def padding(s: Source, characters: int) -> str:
    """Filler for long system prompts: rules, notes and sentences that no question is about."""
    lines: list[str] = []
    size = 0
    while size < characters:
        line = _filler(s)
        lines.append(line)
        size += len(line) + 1
    return "\n".join(lines)


def _filler(s: Source) -> str:
    return s.phrase(
        f"The {s.noun()} {s.verb()}s the {s.adjective()} {s.noun()} near {s.city()}.|"
        f"- Never {s.verb()} a {s.noun()} without asking {s.name()}.|"
        f"- When the user wants to {s.verb()} the {s.noun()}, {s.verb()} it first and then {s.verb()} the {s.noun()}.|"
        f"## {s.word().capitalize()} and {s.word()}|"
        f"Section {s.number(1, 40)}: {s.sentence()}|"
        f"* {s.word()}: {s.word()} {s.word()} {s.word()}, {s.word()} ({s.digits(1, 4)})|"
        f"Use `{s.word()}` to {s.verb()} files in /{s.word()}/{s.word()}.|"
        f"{s.sentence()} {s.sentence()}|"
        "You should keep your answers short and friendly. Do not make things up.|"
        "If you do not know the answer, say so. Be polite to everyone.|"
        f"{s.person()} works in {s.city()} and likes the {s.noun()}."
    )
