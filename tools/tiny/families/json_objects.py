"""JSON objects for simple schemas: with given values, with free values, extracted from a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable

from tools.tiny.families import basics
from tools.tiny.families.basics import Exchange
from tools.tiny.source import Source
from tools.tiny.talk import Conversation, Json, Message, user

FIELDS: dict[str, tuple[Callable[[Source], Json], Json]] = {
    "name": (Source.person, "Anna"), "age": (lambda s: s.number(1, 99), 30), "city": (Source.city, "Paris"),
    "country": (lambda s: s.invented().capitalize(), "France"), "email": (Source.email, "anna@example.com"),
    "color": (Source.word, "blue"), "price": (lambda s: s.number(1, 999), 10), "title": (Source.word, "Hello"),
    "id": (lambda s: s.number(1, 9999), 1), "count": (lambda s: s.number(0, 99), 3),
    "date": (Source.date, "2024-01-01"),
    "temperature": (lambda s: s.number(-20, 40), 20), "status": (Source.word, "ok"), "answer": (Source.word, "yes"),
    "animal": (Source.noun, "cat"), "first_name": (Source.name, "Anna"), "last_name": (Source.name, "Smith"),
    "active": (lambda s: s.chance(0.5), True), "job": (Source.word, "teacher"), "language": (Source.word, "English"),
    "capital": (Source.city, "Paris"), "population": (lambda s: s.number(1, 99999), 1000),
    "value": (Source.word, "blue"),
    "score": (lambda s: s.number(0, 100), 10), "fruit": (Source.word, "apple"),
    "year": (lambda s: s.number(1900, 2030), 2024),
}  # fmt: skip
WHAT = "a JSON object|a JSON object|JSON|a json object|an object in JSON|a JSON|only a JSON object|only JSON|valid JSON"
DO = "Reply with|Answer with|Give me|Return|Write|Respond with|Output|Create|Please reply with|Make|Reply only with"


def _pick(s: Source) -> dict[str, Json]:
    """Some fields; a third of them with invented names."""
    fields: dict[str, Json] = {}
    for _ in range(s.pick((1, 2, 2, 2, 3, 3, 4))):
        if s.chance(0.65):
            key = s.pick(list(FIELDS))
            fields[key] = FIELDS[key][0](s)
        else:
            key = s.word() if s.chance(0.7) else f"{s.word()}_{s.word()}"
            fields[key] = s.number(0, 999) if s.chance(0.35) else s.pick((s.word, s.city, s.name, s.nonce))()
    return fields


def _keys(keys: list[str]) -> str:
    return f"{', '.join(keys[:-1])} and {keys[-1]}" if len(keys) > 1 else keys[0]


def _plain(value: Json) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def given(s: Source) -> Exchange:
    """Keys and values both named in the request."""
    fields = _pick(s)
    what, do = s.phrase(WHAT), s.phrase(DO)
    pairs = [f"{k} {_plain(v)}" for k, v in fields.items()]
    if s.chance(0.35):
        pairs = [f"{k}: {_plain(v)}" for k, v in fields.items()]
    elif s.chance(0.25):
        pairs = [f"{k} set to {_plain(v)}" for k, v in fields.items()]
    values = s.phrase(", |; ").join(_plain(v) for v in fields.values())
    noun = s.phrase("keys|fields|the keys|properties") if len(fields) > 1 else s.phrase("key|field|the key")
    question = s.pick((
        f"{do} {what} with {_keys(pairs)}.", f"{do} {what} with {noun} {_keys(list(fields))} for: {values}",
        f"{do} {what} with {noun} {_keys(list(fields))} for {values}.", f"{do} {what}: {_keys(pairs)}",
        f"{do} {what} with {_keys([f'the key {k} and the value {_plain(v)}' for k, v in fields.items()])}.",
        f"{do} {what} with {noun} {_keys(list(fields))}. Values: {values}", f"Convert to JSON: {', '.join(pairs)}",
    ))  # fmt: skip
    return _exchange(question, fields)


def free(s: Source) -> Exchange:
    """Only keys are named: known ones get their usual value, others an empty-ish one."""
    keys = s.some(list(FIELDS), s.number(1, 4))
    if s.chance(0.2):
        keys[-1] = s.word()
    fields: dict[str, Json] = {k: FIELDS[k][1] if k in FIELDS else "example" for k in keys}
    noun = "keys" if len(keys) > 1 else "key"
    question = s.phrase(
        f"{s.phrase(DO)} {s.phrase(WHAT)} with {s.phrase('|the |')}{s.phrase(f'{noun}|{noun}|fields')} {_keys(keys)}.|"
        f"{s.phrase(DO)} {s.phrase(WHAT)} with {_keys(keys)}.|Give me an example JSON object with {_keys(keys)}."
    )
    return _exchange(question, fields)


def described(s: Source) -> Exchange:
    """A whole object from a single word."""
    thing = s.phrase("person|user|city|book|animal|product")
    keys = {"person": ("name", "age"), "user": ("id", "name", "email"), "city": ("name", "country", "population"),
            "book": ("title", "year"), "animal": ("animal", "age"), "product": ("title", "price")}[thing]  # fmt: skip
    question = s.phrase("Describe a {0} as JSON.|Give me a JSON object that describes a {0}.|"
                        "Invent a {0} and reply in JSON.|"
                        "Generate a {0} as a JSON object.|Return a {0} in JSON format.|"
                        "Give me a {0} as JSON.").format(thing)  # fmt: skip
    fields = {k: FIELDS[k][1] for k in keys}
    return _exchange(question, fields | {"name": "Paris"} if thing == "city" else fields)


def extracted(s: Source) -> Exchange:
    """The values stand in a sentence."""
    name, age, city = s.name(), s.number(1, 99), s.city()
    values: dict[str, Json] = {"name": name, "age": age, "city": city}
    sentence, told = s.pick((
        (f"{name} is {age} years old.", "name age"), (f"{name} lives in {city}.", "name city"),
        (f"{name} is {age} years old and lives in {city}.", "name age city"), (f"{name}, {age}", "name age"),
        (f"{name}, {age}, {city}", "name age city"), (f"{name} is {age} and lives in {city}.", "name age city"),
        (f"I am {name} and I am {age} years old.", "name age"),
        (f"My name is {name} and I live in {city}.", "name city"),
    ))  # fmt: skip
    wanted = told.split()
    if s.chance(0.3):
        wanted = s.some(wanted, s.number(1, len(wanted)))
    fields = {key: values[key] for key in wanted}
    keys = _keys(wanted)
    question = s.phrase(
        f"Extract {keys} as JSON: {sentence}|Extract the {keys} as a JSON object from: {sentence}|"
        f"{sentence} Reply with a JSON object with keys {keys}.|Reply with a JSON object with keys {keys}: {sentence}|"
        f"{sentence} Give me the {keys} as JSON.|{s.phrase(DO)} {s.phrase(WHAT)} with keys {keys} for: {sentence}|"
        f"Extract the person as JSON with {keys}: {sentence}|Turn this into JSON with keys {keys}: {sentence}"
    )
    return _exchange(question, fields)


def array(s: Source) -> Exchange:
    items: list[Json] = [s.word() for _ in range(s.number(2, 4))]
    question = s.phrase("Write these words as a JSON array: {0}|Reply with a JSON list of: {0}|JSON array with {0}")
    text = json.dumps(items, ensure_ascii=False)
    return Exchange(question.format(", ".join(str(i) for i in items)), text, "json", "", "I write JSON.")


def compelled(s: Source) -> Conversation:
    """Any question, where the server lets nothing but a JSON object through (`response_format` json_object)."""
    asked = basics.sampled(s)
    answer = json.dumps({"answer": asked.answer}, ensure_ascii=False)
    said = Message("assistant", answer, given=s.phrase('{|{"'))
    return Conversation((user(asked.question), said), check="json")


def _exchange(question: str, fields: dict[str, Json]) -> Exchange:
    return Exchange(
        question, json.dumps(fields, ensure_ascii=False), "json", "", f"I write JSON with {_keys(list(fields))}."
    )


def sampled(s: Source) -> Exchange:
    return s.pick((given, given, given, free, free, described, extracted, extracted, extracted, array))(s)
