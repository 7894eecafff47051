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
    def from_json(cls, output: Mapping[str, Any] | None) -> Answer:
        """The `output` object of GET /mlxtui/requests/{id}."""
        answer = cls()
        answer.take("snapshot", output or {})
        return answer

    def take(self, event: str, data: Mapping[str, Any]) -> None:
        """One event of the output stream; kinds it does not know change nothing."""
        if event == "snapshot":
            self.reasoning, self.content = data.get("reasoning") or "", data.get("content") or ""
            self.calls = [
                Call(call.get("id") or "", call.get("name") or "", call.get("arguments") or "")
                for call in data.get("tool_calls") or ()
            ]
        elif event == "delta":
            self._grow(data)
        elif event == "raw":
            self.raw += [(str(text), int(count)) for text, count in data.get("pieces") or ()]

    def _grow(self, delta: Mapping[str, Any]) -> None:
        text = delta.get("text") or ""
        match delta.get("channel"):
            case "content":
                self.content += text
            case "reasoning":
                self.reasoning += text
            case "tool":
                index = min(int(delta.get("index") or 0), MOST_CALLS)
                self.calls += [Call() for _ in range(index + 1 - len(self.calls))]
                call = self.calls[index]
                call.name = delta.get("name") or call.name
                call.arguments += text
