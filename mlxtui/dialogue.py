"""Conversations of the chat screen as values: what was said, what becomes of it when one asks, retries or edits.

Turns and settings come in, a new Conversation or the body of a request goes out. Pure: it knows no files, no wire
and no screen.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from mlxtui.errors import UserError
from mlxtui.types import ToolCall

TITLE = 48
"""Characters of the first question that name a conversation nobody has named."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What an answer cost: tokens; seconds to its first piece, and from there to its last. None: not known."""

    prompt: int | None = None
    cached: int | None = None
    out: int | None = None
    ttft: float | None = None
    seconds: float | None = None

    @property
    def rate(self) -> float | None:
        """Tokens a second after the first; None where there were too few to tell."""
        if self.out is None or not self.seconds or self.out < 2:
            return None
        return (self.out - 1) / self.seconds

    @property
    def cached_share(self) -> float | None:
        return self.cached / self.prompt if self.prompt and self.cached is not None else None


@dataclass(frozen=True, slots=True)
class Turn:
    """`call` is the id of the call that a tool turn answers. `ended` and what follows it is said of answers only:
    the finish reason, "stopped" or "failed"; why it failed; its id on the server; what it cost."""

    role: Literal["user", "assistant", "tool"]
    content: str
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    call: str = ""
    ended: str = ""
    trouble: str = ""
    request: str = ""
    figures: Figures = Figures()

    @property
    def whole_calls(self) -> tuple[ToolCall, ...]:
        """Calls to be answered: those of an answer that was cut off are not."""
        return self.calls if self.ended == "tool_calls" else ()


@dataclass(frozen=True, slots=True)
class Setup:
    """What goes with every question; None and empty: the server decides. `tools` are objects as on OpenAI's wire."""

    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    tools: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """`changed` is Unix time. `name` is what the person called it, if they did."""

    id: str
    changed: float
    name: str = ""
    setup: Setup = Setup()
    turns: tuple[Turn, ...] = ()

    @property
    def title(self) -> str:
        if self.name:
            return self.name
        said = next((turn.content for turn in self.turns if turn.role == "user"), "")
        first = said.strip().split("\n")[0]
        return (first if len(first) <= TITLE else first[: TITLE - 1] + "…") or "new conversation"


def unanswered(conversation: Conversation) -> tuple[ToolCall, ...]:
    """The calls of the last answer whose results are still to be typed, in their order."""
    answered = set()
    for turn in reversed(conversation.turns):
        if turn.role != "tool":
            return tuple(call for call in turn.whole_calls if call.id not in answered)
        answered.add(turn.call)
    return ()


def said(conversation: Conversation, text: str, now: float) -> Conversation:
    """With what the person typed: the result of the first open call if there is one, a question else."""
    calls, text = unanswered(conversation), text.encode("utf-8", "replace").decode()
    turn = Turn("tool", text, call=calls[0].id) if calls else Turn("user", text)
    return _with(conversation, (*conversation.turns, turn), now)


def answered(conversation: Conversation, turn: Turn, now: float) -> Conversation:
    return _with(conversation, (*conversation.turns, turn), now)


def waiting(conversation: Conversation) -> bool:
    """It is the model's turn."""
    return bool(conversation.turns) and conversation.turns[-1].role != "assistant" and not unanswered(conversation)


def retried(conversation: Conversation, now: float) -> Conversation:
    """Without the last answer, so that it can be asked for again."""
    turns = conversation.turns
    while turns and turns[-1].role == "assistant":
        turns = turns[:-1]
    return _with(conversation, turns, now)


def edited(conversation: Conversation, now: float) -> tuple[Conversation, str]:
    """Without the last question and all that came of it, and the text of that question."""
    turns = conversation.turns
    last = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=None)
    if last is None:
        return conversation, ""
    return _with(conversation, turns[:last], now), turns[last].content


def _with(conversation: Conversation, turns: tuple[Turn, ...], now: float) -> Conversation:
    return replace(conversation, turns=turns, changed=now)


def request(conversation: Conversation, model: str) -> dict[str, Any]:
    """The body of POST /v1/chat/completions that asks for the next turn, streamed."""
    setup = conversation.setup
    body: dict[str, Any] = {
        "model": model,
        "messages": messages(conversation),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    for name in ("temperature", "top_p", "max_tokens", "seed"):
        if (value := getattr(setup, name)) is not None:
            body[name] = value
    if setup.tools:
        body["tools"] = [*setup.tools]
    return body


def messages(conversation: Conversation) -> list[dict[str, Any]]:
    """What the model gets to see. A question that got nothing but an error is left out together with the error:
    many chat templates allow no two questions in a row."""
    turns = [*conversation.turns]
    for index in reversed(range(len(turns))):
        if _nothing(turns[index]):
            begin = index - 1 if index and turns[index - 1].role == "user" else index
            del turns[begin : index + 1]
    system = [{"role": "system", "content": conversation.setup.system}] if conversation.setup.system else []
    return [*system, *map(_message, turns)]


def _nothing(turn: Turn) -> bool:
    return turn.role == "assistant" and not turn.content and not turn.whole_calls


def _message(turn: Turn) -> dict[str, Any]:
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": turn.call, "content": turn.content}
    message: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.reasoning:
        message["reasoning_content"] = turn.reasoning
    if turn.whole_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in turn.whole_calls
        ]
    return message


NUMBERS: dict[str, tuple[type, float, float]] = {
    "temperature": (float, 0, 2),
    "top_p": (float, 0, 1),
    "max_tokens": (int, 1, 1 << 24),
    "seed": (int, 0, (1 << 63) - 1),
}


def setup_from(texts: Mapping[str, str]) -> Setup:
    """A Setup from what a person typed into a form; an empty text leaves it to the server.

    Raises:
        UserError: names the field and what it takes.
    """
    numbers = {name: _number(name, texts[name].strip()) for name in NUMBERS}
    system = texts["system"].encode("utf-8", "replace").decode().strip()
    return Setup(system=system, tools=_tools(texts["tools"]), **numbers)


def _number(name: str, text: str) -> Any:
    kind, low, high = NUMBERS[name]
    try:
        value = kind(text) if text else None
    except ValueError:
        value = math.nan
    if value is None or low <= value <= high:
        return value
    raise UserError(f"{name} is a {'whole ' if kind is int else ''}number from {low} to {high}, not {text!r}")


def _tools(text: str) -> tuple[Mapping[str, Any], ...]:
    """A JSON list of tools as on OpenAI's wire; a single one, and functions alone, are taken as well."""
    if not text.strip():
        return ()
    try:
        given = json.loads(text)
        json.dumps(given, ensure_ascii=False, allow_nan=False).encode()  # what can't be sent is told here
    except ValueError as error:
        raise UserError(f"tools is no JSON: {error}") from error
    tools = [_tool(each) for each in (given if isinstance(given, list) else [given])]
    if not all(tools):
        raise UserError('tools is a JSON list like [{"name": "get_weather", "parameters": {"type": "object"}}]')
    return tuple(tools)


def _tool(given: Any) -> dict[str, Any]:
    """Empty for what is none."""
    if not isinstance(given, dict):
        return {}
    function = given.get("function", given)
    named = isinstance(function, dict) and isinstance(function.get("name"), str)
    return {"type": "function", "function": function} if named else {}
