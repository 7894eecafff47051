"""The tools that conversations offer: well-known ones with natural requests, and arbitrary invented ones."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tools.tiny.facts import CAPITALS
from tools.tiny.families.catalogue import KNOWN, WEATHER, WEATHER_UNIT, Known
from tools.tiny.source import Source
from tools.tiny.talk import Call, Json, Param, Tool


@dataclass(frozen=True, slots=True)
class Request:
    """A tool together with a question that needs it and the call that answers the question."""

    tool: Tool
    question: str
    call: Call
    known: Known | None = None


def known(s: Source, spec: Known | None = None) -> Request:
    spec = spec or (s.pick((WEATHER, WEATHER, WEATHER_UNIT)) if s.chance(0.3) else s.pick(KNOWN))
    params = tuple(_param(s, names, kind) for names, kind, _ in spec.slots)
    return _filled(s, Tool(s.phrase(spec.names), s.phrase(spec.description), params), spec)


def again(s: Source, request: Request) -> Request:
    """The same known tool, asked for something else."""
    assert request.known
    return _filled(s, request.tool, request.known)


def _filled(s: Source, tool: Tool, spec: Known) -> Request:
    values: list[Json] = [make(s) for _, _, make in spec.slots]
    if spec is WEATHER and s.chance(0.05):
        values = [f"{values[0]}, {s.pick(list(CAPITALS)) if s.chance(0.5) else s.invented().capitalize()}"]
    question = s.phrase(spec.asks).format(*values, tool=tool.name)
    if s.chance(0.04):
        question = s.phrase("Please use a tool. |Hi! |Hello, |Hey, ") + question
    arguments: dict[str, Json] = {
        p.name: str(v) if p.kind == "string" else v for p, v in zip(tool.params, values, strict=True)
    }
    return Request(tool, question, Call(tool.name, arguments), spec)


def _param(s: Source, names: str, kind: str) -> Param:
    if kind in ("celsius|fahrenheit", "on|off"):
        return Param(s.phrase(names), "string", s.chance(0.6), tuple(kind.split("|")))
    return Param(s.phrase(names), s.phrase(kind), s.chance(0.9))


def weather_unit(s: Source) -> Request:
    """A unit that nobody asked for: left out where it is optional, celsius where it is not."""
    request = known(s, WEATHER)
    required = s.chance(0.4)
    unit = Param(s.phrase("unit|units"), "string", required, ("celsius", "fahrenheit"))
    tool = Tool(request.tool.name, request.tool.description, (*request.tool.params, unit))
    extra: dict[str, Json] = {unit.name: "celsius"} if required else {}
    return Request(tool, request.question, Call(tool.name, request.call.arguments | extra), WEATHER)


ORDERS = (
    "{do} the {noun} {args}.|Please {do} the {noun} {args}.|{Do} {noun} {args}.|I want to {do} the {noun} {args}.|"
    "Can you {do} a {noun} {args}?|Use the {tool} tool {args}.|Call {tool} {args}.|Call the tool {tool} {args}.|"
    "{Do} a {noun} {args}|Call {tool} {args}|Use {tool} {args}.|Could you please {do} the {noun} {args}?"
)


def arbitrary(s: Source, params: int = -1) -> Request:
    """A tool nobody has seen, `verb_noun`, whose arguments are named in the request."""
    verb, noun = s.verb(), s.noun()
    joiner = s.phrase("_|_|_|-|.")
    name = f"{verb}{joiner}{noun}" if s.chance(0.9) else f"{verb}{noun.capitalize()}"
    count = params if params >= 0 else s.pick((0, 1, 1, 1, 2, 2, 3))
    slots = [_slot(s) for _ in range(count)]
    unique = {param.name: (param, value) for param, value in slots}
    tool = Tool(name, _describe(s, verb, noun), tuple(p for p, _ in unique.values()))
    asked = [(p, v) for p, v in unique.values() if p.required or s.chance(0.5)]
    question = s.phrase(ORDERS).format(do=verb, Do=verb.capitalize(), noun=noun, tool=name, args=_spoken(s, asked))
    question = question.replace(" .", ".").replace(" ?", "?").rstrip()
    return Request(tool, question, Call(name, {p.name: v for p, v in asked}))


def _describe(s: Source, verb: str, noun: str) -> str:
    return s.phrase(f"{verb.capitalize()} a {noun}|{verb.capitalize()} the {noun}||{verb.capitalize()}s {noun}s|"
                    f"{s.word().capitalize()} {s.word()} {s.word()}")  # fmt: skip


def _slot(s: Source) -> tuple[Param, Json]:
    name = s.noun() if s.chance(0.5) else f"{s.word()}_{s.word()}"
    if s.chance(0.15):
        name = f"{s.word()}_{s.phrase('id|name|type|date|count|url|key')}"
    roll = s.rng.random()
    if roll < 0.1:
        choices = tuple(dict.fromkeys(s.word() for _ in range(s.number(2, 4))))
        return Param(name, "string", True, choices), s.pick(choices)
    if roll < 0.3:
        return Param(name, s.phrase("integer|number"), s.chance(0.85)), s.number(0, s.pick((9, 99, 999, 99999)))
    if roll < 0.35:
        return Param(name, "number", True), float(s.decimal())
    if roll < 0.42:
        return Param(name, "boolean", True), s.chance(0.5)
    if roll < 0.435:
        numbers: list[Json] = [s.number(0, 999) for _ in range(s.number(2, 3))]
        words_: list[Json] = [s.word() for _ in range(s.number(2, 3))]
        return Param(name, "array"), s.pick((words_, words_, numbers))
    if roll < 0.44:
        return Param(name, "object"), {s.word(): s.word(), s.word(): s.number(0, 99)}
    return Param(name, "string", s.chance(0.85)), _string(s)


def _string(s: Source) -> str:
    if s.chance(0.04):
        return f'{s.word()} "{s.word()}"'
    makers = (
        s.word,
        s.word,
        s.name,
        s.city,
        s.nonce,
        s.email,
        s.date,
        s.foreign,
        lambda: f"{s.word()} {s.word()}",
        s.person,
    )
    return s.pick(makers)()


def _spoken(s: Source, arguments: list[tuple[Param, Json]]) -> str:
    if not arguments:
        return ""
    style = s.phrase(
        "with {n} {v}|with {n} {v}|with {n} set to {v}|where {n} is {v}|with {n}={v}|with {n}: {v}|using {n} {v}"
    )
    first, _, _ = style.partition(" ")
    rest = style.removeprefix(f"{first} ")
    plain = s.chance(0.25)
    parts = [rest.format(n=p.name.replace("_", " ") if plain else p.name, v=_say(v)) for p, v in arguments]
    return f"{first} {', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else f"{first} {parts[0]}"


def _say(value: Json) -> str:
    if isinstance(value, list):
        return ", ".join(str(v) for v in value)
    return json.dumps(value) if isinstance(value, bool | dict) else str(value)
