"""Choosing and calling tools: one among several, in parallel, none at all, and answering from results."""

from __future__ import annotations

import json
from collections.abc import Callable

from tools.tiny.families import basics, catalogue, echo, toolbox
from tools.tiny.families.toolbox import Request
from tools.tiny.source import Source
from tools.tiny.talk import Call, Conversation, Json, Message, Tool, calls, result, says, user


def _offer(s: Source, wanted: list[Tool], others: int) -> tuple[Tool, ...]:
    """The wanted tools among `others` more, shuffled, all names different."""
    offered = {t.name: t for t in wanted}
    while others > 0:
        tool = (toolbox.known(s) if s.chance(0.5) else toolbox.arbitrary(s)).tool
        if not any(_similar(tool.name, name) for name in offered):
            offered[tool.name] = tool
            others -= 1
    return tuple(s.shuffled(list(offered.values())))


SYNONYMS = ("weather forecast", "add sum plus calc comput evaluat", "time now date", "search lookup find google look",
            "email mail message text notif send", "file open", "time timer", "user customer")  # fmt: skip


def _similar(one: str, other: str) -> bool:
    """Two tools that could both serve one request are never offered together."""
    if one == other or set(one.split("_")) & set(other.split("_")):
        return True
    return any(any(w in one for w in group.split()) and any(w in other for w in group.split()) for group in SYNONYMS)


def _request(s: Source) -> Request:
    roll = s.rng.random()
    if roll < 0.45:
        return toolbox.known(s)
    return toolbox.weather_unit(s) if roll < 0.5 else toolbox.arbitrary(s)


def _called(s: Source, request: Request, tools: tuple[Tool, ...]) -> Conversation:
    """The request, sometimes after other talk, sometimes naming its tool."""
    question = request.question
    if s.chance(0.08):
        question += s.phrase(" Use the {0} tool.| Use {0}.| Call {0}.| Use a tool.| Use the tools.").format(
            request.tool.name
        )
    turns: tuple[Message, ...] = (user(question), calls(request.call, thought=f"I call {request.tool.name}."))
    if s.chance(0.12):
        before = s.pick((basics.sampled, echo.repeat))(s)
        turns = (user(before.question), says(before.answer), *turns)
    return Conversation(turns, tools, check="calls")


def single(s: Source) -> Conversation:
    request = _request(s)
    return _called(s, request, _offer(s, [request.tool], s.pick((0, 0, 1, 2, 3, 3, 4, 4, 9))))


def known_among_four(s: Source) -> Conversation:
    request = toolbox.known(s, catalogue.WEATHER if s.chance(0.5) else None)
    return _called(s, request, _offer(s, [request.tool], 3))


def arbitrary_alone(s: Source) -> Conversation:
    request = toolbox.arbitrary(s)
    return _called(s, request, (request.tool,))


def arbitrary_among_three(s: Source) -> Conversation:
    request = toolbox.arbitrary(s)
    return _called(s, request, _offer(s, [request.tool], 2))


def parallel(s: Source) -> Conversation:
    """Two or three calls in one answer: the same tool twice, or different tools."""
    if s.chance(0.6):
        return _same_tool(s) if s.chance(0.75) else _twice(s)
    first, second = _plain_request(s), _plain_request(s)
    while _similar(first.tool.name, second.tool.name):
        second = _plain_request(s)
    joined = s.phrase("{0} And {1}|{0} Also: {1}|{0} {1}|{0} Then {1}").format(
        first.question, second.question if s.chance(0.5) else _lower(second.question)
    )
    tools = _offer(s, [first.tool, second.tool], s.pick((0, 1, 2)))
    turns = (user(joined), calls(first.call, second.call, thought="I need two calls."))
    return Conversation(turns, tools, check="calls")


def _plain_request(s: Source) -> Request:
    return toolbox.known(s) if s.chance(0.6) else toolbox.arbitrary(s, s.number(0, 2))


def _lower(question: str) -> str:
    return question[0].lower() + question[1:]


def _twice(s: Source) -> Conversation:
    """The same tool with two whole sets of arguments."""
    first = toolbox.known(s)
    second = toolbox.again(s, first)
    question = f"{first.question} {s.phrase('And |Also: ||Then ')}{second.question}"
    turns = (user(question), calls(first.call, second.call, thought="I need two calls."))
    return Conversation(turns, _offer(s, [first.tool], s.pick((0, 0, 1, 3))), check="calls")


def _same_tool(s: Source) -> Conversation:
    spec = catalogue.WEATHER if s.chance(0.6) else s.pick([k for k in catalogue.KNOWN if k.doubles])
    request = toolbox.known(s, spec)
    make = spec.slots[0][2]
    first = next(iter(request.call.arguments))
    number = isinstance(request.call.arguments[first], int)
    values = [make(s) if number else str(make(s)) for _ in range(2 if s.chance(0.75) else 3)]
    question = s.phrase(spec.doubles)
    joined = ", ".join(str(v) for v in values[:-1])
    question = question.format(a=joined, b=values[-1])
    wanted = tuple(Call(request.tool.name, {first: v}) for v in values)
    turns = (user(question), calls(*wanted, thought=f"I need {len(values)} calls."))
    return Conversation(turns, _offer(s, [request.tool], s.pick((0, 0, 1, 3))), check="calls")


def inventory(s: Source) -> Conversation:
    """Which tools there are."""
    tools = _offer(s, [], s.number(1, 4))
    names = [t.name for t in tools]
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    answer = f"I have {'these tools' if len(names) > 1 else 'this tool'}: {listed}."
    ask = s.phrase(
        "What tools do you have?|Which tools can you use?|Do you have tools?|List your tools.|List the tools."
    )
    return Conversation((user(ask), says(answer)), tools, check="contains", key=listed)


def chat(s: Source) -> Conversation:
    """Tools are there, but the question needs none."""
    asked = (
        echo.repeat(s) if s.chance(0.2) else s.pick((basics.capital, basics.fact, basics.small_talk, basics.count))(s)
    )
    tools = _offer(s, [], s.number(1, 4))
    turns = (user(asked.question), says(asked.answer, asked.thought))
    return Conversation(turns, tools, check=asked.check, key=asked.key)


# results -------------------------------------------------------------------------------------


CONDITIONS = "sunny|cloudy|rainy|windy|foggy|snowy|clear|stormy|partly cloudy|light rain"


def answered(s: Source) -> Conversation:
    """A call, its result, and the answer that uses the result."""
    if s.chance(0.4):
        request, content, answer, key = _weather_result(s)
    else:
        request, content, answer, key = _any_result(s)
    tools = _offer(s, [request.tool], s.pick((0, 0, 1, 3)))
    called = calls(request.call, thought=f"I call {request.tool.name}.")
    turns: tuple[Message, ...] = (user(request.question), called, result(content), says(answer))
    if s.chance(0.12):
        follow = basics.sampled(s)
        turns = (*turns, user(follow.question), says(follow.answer))
        return Conversation(turns, tools, check=follow.check, key=follow.key)
    return Conversation(turns, tools, check="contains", key=key)


def _weather_result(s: Source) -> tuple[Request, str, str, str]:
    request = toolbox.known(s, catalogue.WEATHER)
    city = str(next(iter(request.call.arguments.values())))
    content, said, key = _weather(s, city)
    return request, content, f"The weather in {city}: {said}.", key


def _weather(s: Source, city: str) -> tuple[str, str, str]:
    """(tool result, how it is said, what the answer must contain)."""
    degrees, sky = s.number(-15, 42), s.phrase(CONDITIONS) if s.chance(0.7) else s.word()
    if s.chance(0.35):
        text = s.phrase(
            f"{sky}, {degrees} degrees|{sky}, {degrees}C|{degrees} degrees and {sky}|{sky}|{degrees} °C, {sky}"
        )
        return text, text, text
    fields: dict[str, Json] = {s.phrase("temperature|temp|temperature_c|temp_c|celsius"): degrees}
    if s.chance(0.75):
        fields[s.phrase("condition|conditions|sky|weather|description|summary")] = sky
    if s.chance(0.2):
        fields["humidity"] = s.number(10, 99)
    said = _spoken(fields)
    if s.chance(0.4):
        fields = {s.phrase("city|location"): city, **fields}
    return _json(s, fields), said, said


def _json(s: Source, fields: dict[str, Json]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":") if s.chance(0.2) else None)


def _spoken(fields: dict[str, Json]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fields.items())


def _any_result(s: Source) -> tuple[Request, str, str, str]:
    request = _request(s)
    roll = s.rng.random()
    if roll < 0.12:
        trouble = " ".join(s.word() for _ in range(s.number(1, 3)))
        return request, _json(s, {"error": trouble}), f"The tool reported an error: {trouble}.", trouble
    if roll < 0.4:
        fields: dict[str, Json] = {
            s.phrase("result|status|value|id|price|total|answer|name") if s.chance(0.4) else s.word(): _value(s)
            for _ in range(s.number(1, 3))
        }
        said = _spoken(fields)
        return request, _json(s, fields), f"The result: {said}.", said
    text = str(_value(s)) if s.chance(0.5) else s.sentence().rstrip(".!?")
    return request, text, f"The result: {text}.", text


def _value(s: Source) -> Json:
    return s.number(0, 9999) if s.chance(0.5) else s.pick((s.word, s.nonce, s.city, s.name, s.date))()


def answered_parallel(s: Source) -> Conversation:
    """Two calls, two results in order, one answer that uses both."""
    asked = _same_tool(s)
    while not asked.tools or len(asked.messages[-1].calls) > 2:
        asked = _same_tool(s)
    made = asked.messages[-1]
    texts = [_weather(s, "")[:2] if s.chance(0.7) else (str(v := _value(s)), str(v)) for _ in made.calls]
    said = "; ".join(f"{next(iter(c.arguments.values()))}: {t[1]}" for c, t in zip(made.calls, texts, strict=True))
    turns = (asked.messages[0], made, *(result(t[0]) for t in texts), says(f"{said}."))
    return Conversation(turns, asked.tools, check="contains", key=said)


def chained(s: Source) -> Conversation:
    """An earlier call with its answer, then a new question that needs a new call."""
    before = answered(s)
    request = _request(s)
    tools = (*(t for t in before.tools if not _similar(t.name, request.tool.name)), request.tool)
    turns = (*before.messages, user(request.question), calls(request.call, thought=f"I call {request.tool.name}."))
    return Conversation(turns, tuple(s.shuffled(tools)), check="calls")


MAKERS: tuple[tuple[int, Callable[[Source], Conversation]], ...] = (
    (4, single), (3, known_among_four), (2, arbitrary_alone), (5, arbitrary_among_three), (8, parallel),
    (2, chat), (2, answered), (2, answered_parallel), (1, chained),
)  # fmt: skip


def sampled(s: Source) -> Conversation:
    weights, makers = zip(*MAKERS, strict=True)
    return inventory(s) if s.chance(0.02) else s.rng.choices(makers, weights)[0](s)
