"""`/v1/chat/completions`: Deltas become the wire's JSON, as one object or as a stream of chunks. Pure: no I/O.

Field order and presence follow OpenAI's API reference ("The chat completion object", "... chunk object"); reasoning,
which OpenAI's chat API has no field for, comes as both `reasoning_content` (DeepSeek, vLLM) and `reasoning`
(OpenRouter, newer vLLM).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from json.encoder import encode_basestring as quoted
from typing import Any

from mlxtui.errors import ApiError
from mlxtui.types import CallArguments, CallStart, Delta, Finish, Reasoning, Started, Text, Usage

DONE = b"data: [DONE]\n\n"


class ChatAnswer:
    """Collects the deltas of one answer into a `chat.completion` object."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._finish: Finish | None = None

    def feed(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            match delta:
                case Text(text=text):
                    self._content.append(text)
                case Reasoning(text=text):
                    self._reasoning.append(text)
                case CallStart(id=id, name=name):
                    function = {"name": name, "arguments": ""}
                    self._calls.append({"id": id, "type": "function", "function": function})
                case CallArguments(index=index, text=text):
                    self._calls[index]["function"]["arguments"] += text
                case Finish():
                    self._finish = delta

    def to_json(self, id: str, created: int, model: str) -> dict[str, Any]:
        """The whole object; the answer must have finished."""
        assert self._finish is not None
        choice = {
            "index": 0,
            "message": self._message(),
            "logprobs": None,
            "finish_reason": self._finish.reason,
        }
        return {
            "id": id,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": [choice],
            "usage": usage_json(self._finish.usage),
        }

    def _message(self) -> dict[str, Any]:
        content = "".join(self._content)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if self._calls and not content else content,
            "refusal": None,
        }
        if reasoning := "".join(self._reasoning):
            message |= {"reasoning_content": reasoning, "reasoning": reasoning}
        if self._calls:
            message["tool_calls"] = self._calls
        return message


class ChatStream:
    """Encodes the deltas of one answer as server-sent `chat.completion.chunk` events.

    Chunks are cut from a template around the delta: a hundred times cheaper than dumping an object per token, and the
    frame (`id`, `created`, `model`) can't differ between chunks.
    """

    def __init__(self, id: str, created: int, model: str, *, include_usage: bool) -> None:
        frame = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = json.dumps(frame, ensure_ascii=False)[:-1]
        self._choice = self._head + ', "choices": [{"index": 0, "delta": '
        tail = ', "usage": null' if include_usage else ""
        self._open = ', "logprobs": null, "finish_reason": null}]' + tail + "}\n\n"
        self._tail = tail
        self._include_usage = include_usage

    def encode(self, deltas: Iterable[Delta]) -> bytes:
        """The bytes of all events for `deltas`; a Finish closes the stream with `[DONE]`."""
        return b"".join(self._event(delta) for delta in deltas)

    def error(self, error: ApiError) -> bytes:
        """A failure after the stream began: in band, where openai clients raise it; then the end of the stream."""
        return f"data: {json.dumps(error.body(), ensure_ascii=False)}\n\n".encode() + DONE

    def _event(self, delta: Delta) -> bytes:
        match delta:
            case Text(text=text):
                return self._chunk(f'{{"content": {quoted(text)}}}')
            case Reasoning(text=text):
                return self._chunk(f'{{"reasoning_content": {quoted(text)}, "reasoning": {quoted(text)}}}')
            case Started():
                return self._chunk('{"role": "assistant", "content": "", "refusal": null}')
            case CallStart(index=index, id=id, name=name):
                function = {"name": name, "arguments": ""}
                return self._call({"index": index, "id": id, "type": "function", "function": function})
            case CallArguments(index=index, text=text):
                return self._call({"index": index, "function": {"arguments": text}})
            case Finish():
                return self._end(delta)

    def _call(self, call: dict[str, Any]) -> bytes:
        return self._chunk(json.dumps({"tool_calls": [call]}, ensure_ascii=False))

    def _chunk(self, delta: str) -> bytes:
        return f"data: {self._choice}{delta}{self._open}".encode()

    def _end(self, finish: Finish) -> bytes:
        last = f'data: {self._choice}{{}}, "logprobs": null, "finish_reason": "{finish.reason}"}}]{self._tail}}}\n\n'
        if self._include_usage:
            usage = json.dumps(usage_json(finish.usage))
            last += f'data: {self._head}, "choices": [], "usage": {usage}}}\n\n'
        return last.encode() + DONE


def usage_json(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
