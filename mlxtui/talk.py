"""One answer as a chat client sees it: chunks of a streamed chat completion come in, a growing Reply comes out.

Chunks are parsed JSON with the time they came, in any sizes the wire cut them into. It knows neither HTTP nor how an
answer is shown, and takes nothing for granted about the shape of what a server sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlxtui.answer import MOST_CALLS, Answer, Call
from mlxtui.dialogue import Figures, Turn
from mlxtui.types import ToolCall


@dataclass(slots=True)
class Reply:
    """`asked`, `first` and `last` are seconds on one clock: when it was asked, when the first and the last piece came.

    `ended` is the finish reason, or our own word where there is none: "stopped" by the person, "failed" with `trouble`.
    """

    asked: float
    request: str = ""
    answer: Answer = field(default_factory=Answer)
    ended: str = ""
    trouble: str = ""
    first: float | None = None
    last: float = 0.0
    usage: Mapping[str, Any] = field(default_factory=dict)

    def take(self, chunk: Mapping[str, Any], now: float) -> None:
        """One chunk of the stream, or the error object that a server sends in its place."""
        if error := chunk.get("error"):
            self.fail(str(_object(error).get("message") or error))
            return
        self.usage = _object(chunk.get("usage")) or self.usage
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            self._choose(_object(choice), now)

    def _choose(self, choice: Mapping[str, Any], now: float) -> None:
        if choice.get("index"):
            return  # we ask for one choice
        delta = _object(choice.get("delta"))
        before = (len(self.answer.content), len(self.answer.reasoning), len(self.answer.calls))
        self.answer.content += _text(delta.get("content"))
        self.answer.reasoning += _text(delta.get("reasoning_content") or delta.get("reasoning"))
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            self._call(_object(call))
        if calls or before != (len(self.answer.content), len(self.answer.reasoning), len(self.answer.calls)):
            self.first = self.first if self.first is not None else now
            self.last = now
        self.ended = _text(choice.get("finish_reason")) or self.ended

    def _call(self, piece: Mapping[str, Any]) -> None:
        index = piece.get("index")
        index = min(max(0, index), MOST_CALLS) if isinstance(index, int) else len(self.answer.calls)
        self.answer.calls += [Call() for _ in range(index + 1 - len(self.answer.calls))]
        call, function = self.answer.calls[index], _object(piece.get("function"))
        call.id = _text(piece.get("id")) or call.id
        call.name = _text(function.get("name")) or call.name
        call.arguments += _text(function.get("arguments"))

    def stop(self) -> None:
        """The person wants no more of it."""
        self.ended = self.ended or "stopped"

    def fail(self, trouble: str) -> None:
        self.ended, self.trouble = "failed", trouble

    def turn(self) -> Turn:
        """What becomes part of the conversation; not `ended` yet while it grows."""
        calls = tuple(
            ToolCall(call.id or f"call_{index}", call.name, call.arguments)
            for index, call in enumerate(self.answer.calls)
        )
        return Turn(
            "assistant",
            self.answer.content,
            reasoning=self.answer.reasoning,
            calls=calls,
            ended=self.ended,
            trouble=self.trouble,
            request=self.request,
            figures=self._figures(),
        )

    def _figures(self) -> Figures:
        prompt, out = self.usage.get("prompt_tokens"), self.usage.get("completion_tokens")
        cached = _object(self.usage.get("prompt_tokens_details")).get("cached_tokens")
        return Figures(
            prompt=prompt if isinstance(prompt, int) else None,
            cached=cached if isinstance(cached, int) else None,
            out=out if isinstance(out, int) else None,
            ttft=self.first - self.asked if self.first is not None else None,
            seconds=self.last - self.first if self.first is not None else None,
        )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    """JSON can name halves of characters that no file and no wire can hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
