"""What happened, as frozen values: published by the server and the engine, folded into the State, sent as SSE.

Never per token (one EngineStep per engine step) and never with prompt or answer text. `t` is Unix time in seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mlxtui.types import Priority

Outcome = Literal["stop", "length", "tool_calls", "cancelled", "error"]
DownloadStatus = Literal["running", "done", "failed", "cancelled"]
LogLevel = Literal["debug", "info", "warning", "error"]
MissReason = Literal["new", "parted", "uncut", "evicted"]


@dataclass(frozen=True, slots=True)
class ServerStarted:
    """`memory_bytes` of the machine, 0 unknown."""

    t: float
    version: str
    url: str
    pid: int
    max_running: int
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ServerStopping:
    """No new requests are taken; those in flight have `grace` seconds."""

    t: float
    grace: float


@dataclass(frozen=True, slots=True)
class ModelLoading:
    t: float
    model: str
    detail: str


@dataclass(frozen=True, slots=True)
class ModelReady:
    """Sizes in bytes; `load_seconds` from spawning the worker to its being ready; `draft` is the model that drafts."""

    t: float
    model: str
    context_length: int
    parameters: int
    weights_bytes: int
    device: str
    load_seconds: float
    draft: str = ""


@dataclass(frozen=True, slots=True)
class ModelUnloaded:
    """No model is loaded any more, and none is going to be until somebody asks; `detail` says why, if it went wrong."""

    t: float
    detail: str


@dataclass(frozen=True, slots=True)
class Downloading:
    """How far a model has come from the Hub; sizes in bytes, `total_bytes` 0 not known yet. `detail`: why it ended."""

    t: float
    model: str
    status: DownloadStatus
    done_bytes: int
    total_bytes: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EngineDown:
    """The worker died or could not load. `retry_in` seconds until the next try; None: no further try."""

    t: float
    detail: str
    retry_in: float | None


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A request on a generating endpoint, `endpoint` as in "chat". `client` is a short name from its User-Agent."""

    t: float
    id: str
    endpoint: str
    client: str
    model: str
    stream: bool


@dataclass(frozen=True, slots=True)
class RequestQueued:
    """Validated and rendered; it waits for its prefill."""

    t: float
    id: str
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class RequestPrioritised:
    """By its client or from the dashboard: whether it goes before or after others that wait or prefill."""

    t: float
    id: str
    priority: Priority


@dataclass(frozen=True, slots=True)
class PrefillProgress:
    """Part of an EngineStep: `done` of `total` prompt tokens, `cached` of them reused; in the first one of a request
    `miss` says why no more were."""

    id: str
    done: int
    total: int
    cached: int
    miss: MissReason | None = None


@dataclass(frozen=True, slots=True)
class PromptParted:
    """Much of a prompt is computed again: it parts from an earlier one after `at` tokens, in the field `where`.

    Found out beside the request, so it may even come after its last event.
    """

    t: float
    id: str
    at: int
    where: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """Part of an EngineStep: request `id` got `tokens` new tokens."""

    id: str
    tokens: int


@dataclass(frozen=True, slots=True)
class EngineStep:
    """One step of the batch loop. Bytes as MLX accounts them; `rss` of the worker is added by the server, 0 unknown."""

    t: float
    prefills: tuple[PrefillProgress, ...]
    decoded: tuple[Decoded, ...]
    active_bytes: int
    peak_bytes: int
    cache_bytes: int
    cache_entries: int


@dataclass(frozen=True, slots=True)
class RequestFinished:
    """The one last event of every request. `status` is the HTTP status (499: the client left, or it was cancelled).

    `ttft` and `total` in seconds since RequestReceived; `ttft` None when no token came. `per_token`: mean seconds
    between two tokens of one choice, None when none had a second one.
    """

    t: float
    id: str
    status: int
    outcome: Outcome
    error: str | None
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    ttft: float | None
    total: float
    per_token: float | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """A log line worth showing; `request` is the id of the request it is about, if any."""

    t: float
    level: LogLevel
    message: str
    request: str | None = None


Event = (
    ServerStarted
    | ServerStopping
    | ModelLoading
    | ModelReady
    | ModelUnloaded
    | Downloading
    | EngineDown
    | RequestReceived
    | RequestQueued
    | RequestPrioritised
    | PromptParted
    | EngineStep
    | RequestFinished
    | Logged
)


def _wire_name(kind: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


_KINDS: dict[str, type] = {_wire_name(kind): kind for kind in get_args(Event)}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_json(event: Event) -> dict[str, Any]:
    """The event as a JSON object, its kind under "type" (e.g. "request_finished")."""
    return {"type": _NAMES[type(event)], **_written(event)}


def from_json(data: Mapping[str, Any]) -> Event:
    """The event that `to_json` wrote.

    Raises:
        ValueError: an unknown type, or fields missing (a newer or foreign server).
    """
    kind = _KINDS.get(data.get("type", ""))
    if kind is None:
        raise ValueError(f"unknown event type {data.get('type')!r}")
    event: Event = _reader(kind)(data)
    return event


# Steps come up to 200 times a second with 32 parts each: what is known of a kind is worked out once.


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


def _written(value: Any) -> dict[str, Any]:
    pairs = ((name, getattr(value, name)) for name in _names(value.__class__))
    return {name: tuple(map(_written, part)) if isinstance(part, tuple) else part for name, part in pairs}


@cache
def _reader(kind: type) -> Callable[[Mapping[str, Any]], Any]:
    hints = get_type_hints(kind)
    converters = [(name, _converter(hints[name])) for name in _names(kind)]

    def read(data: Mapping[str, Any]) -> Any:
        try:
            return kind(*[convert(data[name]) if convert else data[name] for name, convert in converters])
        except (KeyError, TypeError) as error:
            raise ValueError(f"{_wire_name(kind)} lacks or misuses {error}") from error

    return read


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    if get_origin(hint) is tuple:
        read = _reader(get_args(hint)[0])
        return lambda items: tuple(map(read, items))
    return float if hint is float else None
