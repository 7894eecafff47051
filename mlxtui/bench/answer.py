"""The reads of one chat completion become an Answer: when its text came, and how many tokens it is. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mlxtui.bench.wire import Read, RequestFailed
from mlxtui.text import safe_line


@dataclass(frozen=True, slots=True)
class Answer:
    """Times are monotonic seconds; `arrivals` is one for each piece of text, reasoning and tool calls included.

    `counted`: `tokens` is what the endpoint's usage says; else it is the number of pieces.
    """

    sent: float
    ended: float
    arrivals: tuple[float, ...]
    text: str
    tokens: int
    counted: bool
    prompt_tokens: int | None
    cached_tokens: int | None

    @property
    def ttft(self) -> float:
        """An answer without text has its end for its first token."""
        return (self.arrivals[0] if self.arrivals else self.ended) - self.sent

    @property
    def gaps(self) -> list[float]:
        """Seconds between one piece of text and the next."""
        return [later - earlier for earlier, later in pairwise(self.arrivals)]


def read_answer(status: int, sent: float, reads: Sequence[Read]) -> Answer:
    """A whole answer, streamed or not.

    Raises:
        RequestFailed: it is an error, or was cut short.
    """
    payload = b"".join(data for _, data in reads)
    is_object = payload.lstrip().startswith(b"{")
    if status != 200:
        said = _message(_json(payload)) if is_object else safe_line(payload.decode(errors="replace"), 200)
        raise RequestFailed(f"HTTP {status}: {said}")
    if is_object:
        return _read_whole(sent, reads[-1][0], _json(payload))
    return _read_stream(sent, reads)


def arrivals(reads: Sequence[Read]) -> list[float]:
    """When text came, of a stream that may still go on."""
    return [at for at, chunk in _chunks(reads) if _text(_choice(chunk).get("delta"))]


def _read_stream(sent: float, reads: Sequence[Read]) -> Answer:
    times: list[float] = []
    content: list[str] = []
    usage: dict[str, Any] = {}
    ended = 0.0
    for at, chunk in _chunks(reads):
        usage = _mapping(chunk.get("usage")) or usage
        choice = _choice(chunk)
        delta = _mapping(choice.get("delta"))
        if _text(delta):
            times.append(at)
            content.append(str(delta.get("content") or ""))
        if choice.get("finish_reason"):
            ended = at
    if not ended:
        raise RequestFailed("the stream ended without a finish_reason")
    return _answer(sent, ended, times, "".join(content), usage)


def _read_whole(sent: float, ended: float, body: Any) -> Answer:
    message = _mapping(_choice(_mapping(body)).get("message"))
    times = [ended] if _text(message) else []
    return _answer(sent, ended, times, str(message.get("content") or ""), _mapping(_mapping(body).get("usage")))


def _answer(sent: float, ended: float, times: list[float], text: str, usage: dict[str, Any]) -> Answer:
    told = usage.get("completion_tokens")
    return Answer(
        sent,
        ended,
        tuple(times),
        text,
        tokens=told if isinstance(told, int) else len(times),
        counted=isinstance(told, int),
        prompt_tokens=usage.get("prompt_tokens"),
        cached_tokens=_mapping(usage.get("prompt_tokens_details")).get("cached_tokens"),
    )


def _chunks(reads: Sequence[Read]) -> Iterator[tuple[float, dict[str, Any]]]:
    """Each chunk at the time of the read that completed it."""
    rest = b""
    for at, data in reads:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            event = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and event != b"[DONE]":
                chunk = _mapping(_json(event))
                if chunk.get("error"):
                    raise RequestFailed(f"the stream broke: {_message(chunk)}")
                yield at, chunk


def _choice(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = chunk.get("choices")
    return _mapping(choices[0]) if isinstance(choices, list) and choices else {}


def _text(delta: Any) -> bool:
    """Whether a client would see something: a token came."""
    fields = _mapping(delta)
    return any(fields.get(name) for name in ("content", "reasoning_content", "reasoning", "tool_calls"))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        raise RequestFailed(f"this is no JSON: {safe_line(data.decode(errors='replace'), 200)}") from None


def _message(body: Any) -> str:
    """The endpoint's own words, where it has some."""
    error = _mapping(body).get("error")
    said = _mapping(error).get("message") or error or body
    return safe_line(str(said), 300)
