"""`/v1/chat/completions`: Deltas become the wire's JSON, as one object or as a stream of chunks. Pure: no I/O.

Field order and presence follow OpenAI's API reference ("The chat completion object", "... chunk object"); reasoning,
which OpenAI's chat API has no field for, comes under the keys that the server was told: `reasoning_content` (DeepSeek,
vLLM), `reasoning` (OpenRouter, newer vLLM), both or none.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring as quoted
from typing import Any

from mlxtui.api.stream import Frame, error_event, usage_json
from mlxtui.errors import ApiError
from mlxtui.types import (
    CallArguments,
    CallStart,
    Delta,
    Finish,
    FinishReason,
    Logprob,
    Reasoning,
    Started,
    Text,
    TokenLogprob,
    Usage,
)


class ChatAnswer:
    """Collects the deltas of one answer into a `chat.completion` object; its reasoning under `reasoning_keys`."""

    def __init__(self, reasoning_keys: Sequence[str]) -> None:
        self._reasoning_keys = reasoning_keys
        self._choices: dict[int, _Collected] = defaultdict(_Collected)
        self._usage = Usage()

    def feed(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            if not isinstance(delta, Started):
                self._choices[delta.choice].feed(delta)
            if isinstance(delta, Finish):
                self._usage = delta.usage

    def to_json(self, id: str, created: int, model: str) -> dict[str, Any]:
        """The whole object; the answer must have finished."""
        return {
            "id": id,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": [choice.to_json(index, self._reasoning_keys) for index, choice in sorted(self._choices.items())],
            "usage": usage_json(self._usage),
        }


class _Collected:
    """One choice as it comes together."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._logprobs: list[Logprob] = []
        self._calls: list[dict[str, Any]] = []
        self._finish: FinishReason = "stop"

    def feed(self, delta: Delta) -> None:
        match delta:
            case Text(text=text, logprobs=logprobs):
                self._content.append(text)
                self._logprobs.extend(logprobs)
            case Reasoning(text=text):
                self._reasoning.append(text)
            case CallStart(id=id, name=name):
                function = {"name": name, "arguments": ""}
                self._calls.append({"id": id, "type": "function", "function": function})
            case CallArguments(index=index, text=text):
                self._calls[index]["function"]["arguments"] += text
            case Finish(reason=reason):
                self._finish = reason

    def to_json(self, index: int, reasoning_keys: Sequence[str]) -> dict[str, Any]:
        logprobs, message = logprobs_json(self._logprobs) if self._logprobs else None, self._message(reasoning_keys)
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": self._finish}

    def _message(self, reasoning_keys: Sequence[str]) -> dict[str, Any]:
        content = "".join(self._content)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if self._calls and not content else content,
            "refusal": None,
        }
        if reasoning := "".join(self._reasoning):
            message |= dict.fromkeys(reasoning_keys, reasoning)
        if self._calls:
            message["tool_calls"] = self._calls
        return message


class ChatStream:
    """Encodes the deltas of one answer as server-sent `chat.completion.chunk` events."""

    def __init__(
        self, id: str, created: int, model: str, *, include_usage: bool, reasoning_keys: Sequence[str], choices: int = 1
    ) -> None:
        kind = "chat.completion.chunk"
        self._frame = Frame(kind, id, created, model, include_usage=include_usage, choices=choices)
        self._reasoning_keys = reasoning_keys
        self._choices = choices

    def encode(self, deltas: Iterable[Delta]) -> bytes:
        """The bytes of all events for `deltas`; the Finish of the last choice closes the stream with `[DONE]`."""
        return "".join(self._event(delta) for delta in deltas).encode()

    def error(self, error: ApiError) -> bytes:
        return error_event(error)

    def _event(self, delta: Delta) -> str:
        match delta:
            case Text(text=text, choice=choice, logprobs=logprobs):
                figures = json.dumps(logprobs_json(logprobs), ensure_ascii=False) if logprobs else "null"
                return self._chunk(choice, f'{{"content": {quoted(text)}}}', figures)
            case Reasoning(text=text, choice=choice):
                told = ", ".join(f'"{key}": {quoted(text)}' for key in self._reasoning_keys)
                return self._chunk(choice, f"{{{told}}}") if told else ""
            case Started():
                begin = '{"role": "assistant", "content": "", "refusal": null}'
                return "".join(self._chunk(choice, begin) for choice in range(self._choices))
            case CallStart(index=index, id=id, name=name, choice=choice):
                function = {"name": name, "arguments": ""}
                return self._call(choice, {"index": index, "id": id, "type": "function", "function": function})
            case CallArguments(index=index, text=text, choice=choice):
                return self._call(choice, {"index": index, "function": {"arguments": text}})
            case Finish(reason=reason, usage=usage, choice=choice):
                return self._frame.last(choice, '"delta": {}', reason, usage)

    def _call(self, choice: int, call: dict[str, Any]) -> str:
        return self._chunk(choice, json.dumps({"tool_calls": [call]}, ensure_ascii=False))

    def _chunk(self, choice: int, delta: str, logprobs: str = "null") -> str:
        return self._frame.chunk(choice, f'"delta": {delta}', logprobs)


def logprobs_json(logprobs: Iterable[Logprob]) -> dict[str, Any]:
    content = [_token(p.drawn) | {"top_logprobs": [_token(other) for other in p.top]} for p in logprobs]
    return {"content": content, "refusal": None}


def _token(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.logprob, "bytes": list(token.raw)}
