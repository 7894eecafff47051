"""What the small server's model says: rules in place of weights, always the same. Knows no HTTP."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

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
    if last["role"] == "tool":
        return Speech("It is sunny at 21 degrees.")
    name = _wanted(request, text)
    if name:
        return Speech(calls=((name, json.dumps({"location": "Paris, France"})),))
    if text == "Mumble.":
        return Speech(".")
    if "Think step" in text:
        return Speech("It is 42.", "First add ten and twenty, then add seven and five.")
    if "short story" in text:
        return Speech("A small boat left the harbour at dawn and came home with stars in its sails.")
    if echo := re.search(r"Repeat exactly: (.*)", text):
        return Speech(echo[1])
    return Speech(_counting(text))


def _wanted(request: Json, text: str) -> str | None:
    """The function to call: by force of tool_choice, or because the question asks for it."""
    choice = request.get("tool_choice") or "auto"
    if not request.get("tools") or choice == "none":
        return None
    if isinstance(choice, dict):
        return str(choice["function"]["name"])
    names = [tool["function"]["name"] for tool in request["tools"] if tool["type"] == "function"]
    asked = [name for name in names if name in text]
    return (asked or names)[0] if asked or choice == "required" else None


def _counting(text: str) -> str:
    upto = 2000 if "very long" in text else 30 if "Count" in text else 0
    return " ".join(str(number) for number in range(1, upto + 1)) or "Hello there, how are you?"
