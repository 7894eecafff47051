"""What the small server's model says: rules in place of weights, always the same. Knows no HTTP."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from .forms import instance

Json = dict[str, Any]

CONTEXT = 6000  # tokens
TOKEN = re.compile(r"\s|[^\s]{1,3}")  # words are several tokens, so that stop strings span some


@dataclass(frozen=True, slots=True)
class Speech:
    """What the model would say if nothing stopped it."""

    content: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()  # name, arguments as JSON text


def tokens(text: str) -> list[str]:
    return TOKEN.findall(text)


def flat(content: object) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content)
    return content if isinstance(content, str) else ""


def prompt_length(request: Json) -> int:
    text = " ".join(flat(message.get("content")) for message in request["messages"])
    return len(tokens(text)) + 4 * len(request["messages"])


def speak(request: Json) -> Speech:
    """Rules by the last message, in place of weights."""
    last = request["messages"][-1]
    text = flat(last.get("content"))
    biased = [token for token, bias in (request.get("logit_bias") or {}).items() if bias == 100]
    if biased:
        return Speech(f"token {biased[0]} " * 100)
    names = () if last["role"] == "tool" else tuple(_wanted(request, text))
    if names:
        return Speech(calls=tuple((name, dumps(instance(_parameters(request, name)))) for name in names))
    form = request.get("response_format") or {"type": "text"}
    if form["type"] != "text":
        return Speech(dumps(instance(form["json_schema"]["schema"]) if "json_schema" in form else {"answer": 42}))
    said = _said(last["role"], text)
    if request.get("reasoning_effort") == "none":
        said = replace(said, reasoning="")
    return replace(said, content=_mood(request) + said.content)


def dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _said(role: str, text: str) -> Speech:
    if role == "tool":
        return Speech("It is sunny at 21 degrees.")
    if text == "Mumble.":
        return Speech(".")
    if "Think step" in text:
        return Speech("It is 42.", "First add ten and twenty, then add seven and five.")
    if "Answer in JSON" in text:
        return Speech('{"answer": 42}')
    if "short story" in text:
        return Speech("A small boat left the harbour at dawn and came home with stars in its sails.")
    if echo := re.search(r"Repeat exactly: (.*)", text):
        return Speech(echo[1])
    return Speech(_counting(text))


def _mood(request: Json) -> str:
    """What chance adds to a text, when it is let in."""
    if not request.get("temperature") or (request.get("top_p") or 1) < 0.1:
        return ""
    return f"{random.Random(request.get('seed')).random()} "


def _wanted(request: Json, text: str) -> Iterator[str]:
    """The functions to call: by force of tool_choice, or because the question asks for them."""
    choice = request.get("tool_choice") or "auto"
    if not request.get("tools") or choice == "none":
        return
    if isinstance(choice, dict):
        yield str(choice["function"]["name"])
        return
    names = [tool["function"]["name"] for tool in request["tools"] if tool["type"] == "function"]
    asked = [name for name in names if name in text]
    if asked or choice == "required":
        yield (asked or names)[0]
    if len(asked) > 1 and request.get("parallel_tool_calls") is not False:
        yield from asked[1:]


def _parameters(request: Json, name: str) -> Json:
    functions = [tool["function"] for tool in request["tools"] if tool["type"] == "function"]
    found: Json = next(function for function in functions if function["name"] == name).get("parameters") or {}
    return {"type": "object", **found}


def _counting(text: str) -> str:
    upto = 2000 if "very long" in text else 30 if "Count" in text else 0
    return " ".join(str(number) for number in range(1, upto + 1)) or "Hello there, how are you?"
