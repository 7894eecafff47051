"""What a recording holds: per exchange the client's request, the engine's run and the server's answer. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlxtui.types import Channel, Logprob

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Header:
    """The first line. `created` is ISO 8601, `model` what the engine knew of it, in JSON's types."""

    created: str
    server: str
    model: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """`path` with its query string, header names in lower case."""

    method: str
    path: str
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class RecordedPiece:
    """`dt` seconds after the piece before it (the first: after the prompt); 0: in one batch with it."""

    dt: float
    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedCalls:
    """What the engine read in a tool call's markup: objects with `name` and `arguments`."""

    text: str
    calls: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class RecordedFailure:
    """The error that ended a run; `error` is its class in `mlxtui.errors`."""

    error: str
    message: str
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What the engine gave for one choice of an answer; `prompt_tokens` None: it refused the prompt.

    Neither `finish` nor `failure`: the run was closed, by the client's leaving or by a stop string.
    """

    t: float = 0.0
    prompt_tokens: int | None = None
    cached_tokens: int = 0
    opens_in: Channel = "content"
    pieces: tuple[RecordedPiece, ...] = ()
    finish: Literal["stop", "length"] | None = None
    calls: tuple[RecordedCalls, ...] = ()
    failure: RecordedFailure | None = None
    choice: int = 0


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """A server-sent event `dt` seconds after the one before it; `data` is JSON's value, or text that is no JSON."""

    dt: float
    event: str | None
    data: Any


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """`status` None: the client left before the answer began. `cancelled`: before it was complete."""

    status: int | None
    headers: Headers = ()
    body: bytes = b""
    events: tuple[RecordedEvent, ...] | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class RecordedExchange:
    """From `t` to `ended`, in seconds since the recording began. `run` None: the engine was not asked.

    `further` are the runs of the choices after the first.
    """

    id: str
    t: float
    ended: float
    request: RecordedRequest
    response: RecordedResponse
    run: RecordedRun | None = None
    further: tuple[RecordedRun, ...] = ()


def runs_by_job(exchanges: Iterable[RecordedExchange]) -> dict[str, RecordedRun]:
    """All runs by the id of the engine's job: the exchange's, with "." and the number for choices after the first."""
    runs = ((e.id, run) for e in exchanges for run in (*((e.run,) if e.run else ()), *e.further))
    return {f"{id}.{run.choice}" if run.choice else id: run for id, run in runs}


@dataclass(frozen=True, slots=True)
class Recording:
    """`exchanges` in order of arrival. `damage` says which line could not be read; what stood before it is here."""

    header: Header
    exchanges: tuple[RecordedExchange, ...]
    damage: str | None = None
