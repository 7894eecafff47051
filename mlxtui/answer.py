"""One answer as the inspector sees it grow: reasoning, content and tool calls apart.

The server's output object comes in, then its deltas; it knows neither HTTP nor how it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_CALLS = 255


@dataclass(slots=True)
class Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Answer:
    reasoning: str = ""
    content: str = ""
    calls: list[Call] = field(default_factory=list)
    raw: list[tuple[str, int]] = field(default_factory=list)
    """Text as the model emits it, in pieces, each with its number of tokens; only while it is followed."""

    @classmethod
    def from_json(cls, output: Any) -> Answer:
        """The `output` object of GET /mlxtui/requests/{id}; None is one without anything in it.

        Raises:
            ValueError: it was written by another version.
        """
        answer = cls()
        answer.take("snapshot", {} if output is None else output)
        return answer

    def take(self, event: str, data: Any) -> None:
        """One event of the output stream; kinds it does not know change nothing.

        Raises:
            ValueError: it was written by another version.
        """
        try:
            known = _mapping(data)
            match event:
                case "snapshot":
                    self.reasoning, self.content = _text(known, "reasoning"), _text(known, "content")
                    self.calls = [_call(call) for call in known.get("tool_calls") or ()]
                case "delta":
                    self._grow(known)
                case "raw":
                    self.raw += [(str(text), int(count)) for text, count in known.get("pieces") or ()]
        except (TypeError, ValueError) as error:
            raise ValueError(f"not an answer of this version of mlxtui: {error}") from error

    def _grow(self, delta: Mapping[str, Any]) -> None:
        text = _text(delta, "text")
        match delta.get("channel"):
            case "content":
                self.content += text
            case "reasoning":
                self.reasoning += text
            case "tool":
                index = min(max(0, int(delta.get("index") or 0)), MOST_CALLS)
                self.calls += [Call() for _ in range(index + 1 - len(self.calls))]
                call = self.calls[index]
                call.name = _text(delta, "name") or call.name
                call.arguments += text


def _call(data: Any) -> Call:
    known = _mapping(data)
    return Call(_text(known, "id"), _text(known, "name"), _text(known, "arguments"))


def _mapping(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise TypeError(f"{type(data).__name__} instead of an object")
    return data


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name) or ""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {type(value).__name__} instead of text")
    return value
