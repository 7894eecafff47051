"""The frame that all chunks of one streamed answer share; what goes into it is each API's own.

Chunks are cut from a template around the delta instead of dumping an object per token, and `id`, `created` and `model`
can't differ between them.
"""

from __future__ import annotations

import json
from typing import Any

from mlxtui.errors import ApiError
from mlxtui.types import Usage

DONE = "data: [DONE]\n\n"


class Frame:
    """`choices` finishes are to come; the last one ends the stream, after a chunk of usage if that was asked for."""

    def __init__(self, kind: str, id: str, created: int, model: str, *, include_usage: bool, choices: int) -> None:
        head = {"id": id, "object": kind, "created": created, "model": model}
        self._head = "data: " + json.dumps(head, ensure_ascii=False)[:-1] + ', "choices": ['
        self._tail = (', "usage": null' if include_usage else "") + "}\n\n"
        self._include_usage = include_usage
        self._unfinished = choices

    def chunk(self, choice: int, content: str, logprobs: str = "null", finish: str = "null") -> str:
        """One event. `content` is the member that differs by API, as JSON text: `"delta": {...}` or `"text": "..."`."""
        body = f'{{"index": {choice}, {content}, "logprobs": {logprobs}, "finish_reason": {finish}}}]'
        return self._head + body + self._tail

    def last(self, choice: int, content: str, reason: str, usage: Usage) -> str:
        """The chunk that finishes `choice`, and the end of the stream if it was the last one open."""
        self._unfinished -= 1
        chunk = self.chunk(choice, content, finish=f'"{reason}"')
        if self._unfinished:
            return chunk
        counts = f'{self._head}], "usage": {json.dumps(usage_json(usage))}}}\n\n' if self._include_usage else ""
        return chunk + counts + DONE


def error_event(error: ApiError) -> bytes:
    """A failure after the stream began: in band, where openai clients raise it; then the end of the stream."""
    return f"data: {json.dumps(error.body(), ensure_ascii=False)}\n\n{DONE}".encode()


def usage_json(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
