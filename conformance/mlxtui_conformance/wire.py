"""Requests of both clients pass through here, are written down, and are held to one deadline.

Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from .check import Fail

KEPT = 200_000  # bytes of a body kept for the report; the checks see the whole


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment a check has to be over, on the monotonic clock."""

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds, seconds)

    def left(self) -> float:
        return self.at - time.monotonic()


@dataclass(slots=True)
class Exchange:
    """One request and what came back so far; grows while a stream is read."""

    method: str
    url: str
    sent: str
    sent_bytes: int = 0  # of the whole body, of which `sent` may be the beginning
    asked_as: tuple[tuple[str, str], ...] = ()  # the request's headers
    status: int | None = None
    answered_as: tuple[tuple[str, str], ...] = ()
    received: bytearray = field(default_factory=bytearray)

    @property
    def content_type(self) -> str:
        return next((value for name, value in self.answered_as if name == "content-type"), "")

    def brief(self, limit: int = 2000) -> tuple[str, str]:
        """What was asked and what came back, cut to `limit` characters."""
        answer = bytes(self.received[:limit]).decode("utf-8", "backslashreplace")
        more = "…" if len(self.received) > limit else ""
        status = "no answer" if self.status is None else f"{self.status} "
        sent = self.sent if len(self.sent) <= limit else f"{self.sent[:limit]}…"
        return f"{self.method} {self.url} {sent}".rstrip(), f"{status}{self.content_type} {answer}{more}".rstrip()


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: httpx2.Headers
    body: bytes
    exchange: Exchange | None = None

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def brief(self) -> str:
        """Status, where it redirects to, media type and the start of the body, on one line."""
        text = self.body[:300].decode("utf-8", "replace").replace("\n", "⏎")
        goal = f" to {self.headers['location']}" if "location" in self.headers else ""
        return f"{self.status}{goal} {self.media or '(no content-type)'} {text}".rstrip()

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Fail("a JSON body", self.brief, self.exchange) from error


@dataclass(frozen=True, slots=True)
class Streamed(Reply):
    """An answer with the moment each read arrived; `broken` says how the transfer was cut."""

    reads: tuple[tuple[float, bytes], ...] = ()
    broken: str = ""


def whole(response: httpx2.Response) -> Reply:
    """A read response with the exchange it came from."""
    exchange = response.request.extensions.get("exchange")
    return Reply(response.status_code, response.headers, response.content, exchange)


class Recorder(httpx2.BaseTransport):
    """Passes requests on with the user's `headers`, keeps every exchange, and holds all of them to one deadline."""

    def __init__(
        self, inner: httpx2.BaseTransport, deadline: Deadline, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.inner = inner
        self.deadline = deadline
        self.headers = headers
        self.exchanges: list[Exchange] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        left = self.deadline.left()
        if left <= 0:
            raise httpx2.ReadTimeout("the check's time was over", request=request)
        request.extensions["timeout"] = _capped(request.extensions.get("timeout", {}), left)
        request.headers.update(self.headers)
        asked_as = tuple(request.headers.multi_items())
        exchange = Exchange(request.method, str(request.url), *_sent(request), asked_as)
        request.extensions["exchange"] = exchange
        self.exchanges.append(exchange)
        response = self.inner.handle_request(request)
        exchange.status = response.status_code
        exchange.answered_as = tuple(response.headers.multi_items())
        assert isinstance(response.stream, httpx2.SyncByteStream)
        return httpx2.Response(
            status_code=response.status_code,
            headers=response.headers,
            stream=_Kept(response.stream, exchange, self.deadline),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """The inner transport is shared by the whole run and closed by it."""


class _Kept(httpx2.SyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream, exchange: Exchange, deadline: Deadline) -> None:
        self.inner = inner
        self.exchange = exchange
        self.deadline = deadline

    def __iter__(self) -> Iterator[bytes]:
        for part in self.inner:
            self.exchange.received += part[: max(0, KEPT - len(self.exchange.received))]
            # A server that trickles bytes never trips a read timeout, so look at the clock too.
            if self.deadline.left() <= 0:
                raise httpx2.ReadTimeout("the answer was still coming when the time was over")
            yield part

    def close(self) -> None:
        self.inner.close()


def _capped(asked: dict[str, float | None], left: float) -> dict[str, float]:
    phases = ("connect", "read", "write", "pool")
    return {phase: min(left, asked.get(phase) or left) for phase in phases}


def _sent(request: httpx2.Request) -> tuple[str, int]:
    try:
        body = request.content
    except httpx2.RequestNotRead:
        return "(a streamed body)", 0
    return body[:KEPT].decode("utf-8", "backslashreplace"), len(body)


def transport(insecure: bool = False) -> httpx2.HTTPTransport:
    """One pool per run, without reuse of connections: a fault must not spill into the next."""
    return httpx2.HTTPTransport(verify=not insecure, limits=httpx2.Limits(max_keepalive_connections=0))
