"""The words the tables of defects are written in: small changes to JSON become hooks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .brain import Json, flat
from .server import Asked, Hook, Said, say

HTML = Said(404, b"<html>Not Found</html>", "text/html")
CRASH = say(500, {"error": {"message": "boom", "type": "x", "param": None, "code": None}})


def chat(asked: Asked) -> bool:
    return asked.path.endswith("/chat/completions") and asked.method == "POST"


def body(asked: Asked) -> Json:
    return asked.body if isinstance(asked.body, dict) else {}


def on(test: Callable[[Asked], object], change: Callable[[Asked, Any], Any]) -> Hook:
    """A hook that acts on some requests only."""
    return lambda asked, value: change(asked, value) if test(asked) else value


def instead(said: Said) -> Hook:
    return lambda asked, _: said


def dropping(*names: str) -> Hook:
    """The server never sees these fields: it ignores them silently."""

    def drop(asked: Asked, request: Any) -> Any:
        if not isinstance(request, dict):
            return request
        return {name: value for name, value in request.items() if name not in names}

    return drop


def setting(**fields: Any) -> Hook:
    return lambda asked, request: {**request, **fields} if isinstance(request, dict) else request


def path(ends: str) -> Callable[[Asked], bool]:
    return lambda asked: asked.path.endswith(ends)


def edited(change: Callable[[Any], Any]) -> Hook:
    """`change` alters parsed JSON in place, of an answer or of a list of chunks."""

    def edit(asked: Asked, value: Any) -> Any:
        copy = json.loads(json.dumps(value))
        change(copy)
        return copy

    return edit


def on_body(change: Callable[[Json], Any]) -> Hook:
    """`edited` for a whole Said that holds JSON."""

    def edit(asked: Asked, said: Said) -> Said:
        if said.media != "application/json" or not said.body:
            return said
        value = said.json()
        change(value)
        return replace(said, body=json.dumps(value).encode())

    return edit


def on_error(change: Callable[[Json], Any]) -> Hook:
    """`on_body` for errors only."""

    def inner(value: Json) -> None:
        change(value["error"])

    edit = on_body(inner)
    return lambda asked, said: edit(asked, said) if said.status >= 400 else said


def each(change: Callable[[Json], Any]) -> Hook:
    """Alter every chunk in place."""

    def edit(parts: Any) -> None:
        for part in parts:
            change(part)

    return edited(edit)


def deltas(change: Callable[[int, Json], Any]) -> Hook:
    """Alter every delta in place, told its position."""

    def edit(parts: Any) -> None:
        found = [choice["delta"] for part in parts for choice in part["choices"]]
        for at, delta in enumerate(found):
            change(at, delta)

    return edited(edit)


def first_choice(change: Callable[[Json], Any]) -> Hook:
    return edited(lambda answer: change(answer["choices"][0]))


def finishes(finish: str | None) -> Hook:
    """Every finish_reason given becomes this one."""

    def edit(part: Json) -> None:
        for choice in part["choices"]:
            choice["finish_reason"] = choice["finish_reason"] and finish

    return each(edit)


def calls(change: Callable[[Json], Any]) -> Hook:
    """Alter every tool call of a whole answer."""

    def edit(choice: Json) -> None:
        for call in choice["message"].get("tool_calls", []):
            change(call)

    return first_choice(edit)


def call_deltas(change: Callable[[int, Json], Any]) -> Hook:
    """Alter every tool delta of a stream, told its position."""

    def edit(at: int, delta: Json) -> None:
        for call in delta.get("tool_calls", []):
            change(at, call)

    return deltas(edit)


def refusing(test: Callable[[Json], object]) -> Hook:
    """A 400 for requests that should pass."""

    def refuse(asked: Asked, request: Any) -> Any:
        if isinstance(request, dict) and test(request):
            return {"refused": True}  # no chat request any more, so the refusal is a clean one
        return request

    return refuse


def roles(request: Json) -> list[str]:
    return [message["role"] for message in request.get("messages", []) if isinstance(message, dict)]


def text_of(request: Json) -> str:
    return flat(request["messages"][-1]["content"]) if request.get("messages") else ""


class Memory:
    """A hook with a past: what a defect needs to be wrong the second time only."""

    def __init__(self, change: Callable[[dict[str, Any], Asked, Any], Any]) -> None:
        self.past: dict[str, Any] = {}
        self.change = change

    def __call__(self, asked: Asked, value: Any) -> Any:
        return self.change(self.past, asked, value)
