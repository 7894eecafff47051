"""`--record FILE`: every exchange under /v1 goes to a recording when it ends, with what the engine gave for it.

A wrapper around the application that passes everything on and takes notes; the engine has one of its own, see `tape`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
)

from mlxtui import __version__
from mlxtui.engine.replay import model_json
from mlxtui.recorded import Header, Headers, RecordedEvent, RecordedExchange, RecordedRequest, RecordedResponse
from mlxtui.recording import Writer
from mlxtui.server.exchange import Exchange
from mlxtui.server.tape import RecordingEngine

log = logging.getLogger(__name__)

MOST_BODY = 32 << 20
"""Bytes of a request's body that are kept: a client may send without end what the application refuses to read."""


class Answer:
    """What an application sends, collected; server-sent events are taken apart, comments left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.status: int | None = None
        self.headers: Headers = ()
        self.events: list[RecordedEvent] = []
        self.complete = False
        self._body = bytearray()
        self._clock = clock
        self._at = clock()

    @property
    def streams(self) -> bool:
        return dict(self.headers).get("content-type", "").startswith("text/event-stream")

    def take(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = _text(message["headers"])
        elif message["type"] == "http.response.body":
            self._body += message["body"]
            self.complete = not message["more_body"]
            if self.streams:
                self._split()

    def _split(self) -> None:
        *blocks, rest = bytes(self._body).split(b"\n\n")
        self._body[:] = rest
        now = self._clock()
        for block in blocks:
            lines = [line.partition(": ") for line in block.decode("utf-8").split("\n") if not line.startswith(":")]
            if data := [value for name, _, value in lines if name == "data"]:
                kind = next((value for name, _, value in lines if name == "event"), None)
                self.events.append(RecordedEvent(round(now - self._at, 4), kind, _data("\n".join(data))))
                self._at = now

    def response(self) -> RecordedResponse:
        body = b"" if self.streams else bytes(self._body)
        events = tuple(self.events) if self.streams else None
        return RecordedResponse(self.status, self.headers, body, events, cancelled=not self.complete)


class Recorder:
    """An ASGI application around `app`. What ends before the model is loaded is not recorded: all of it is a 503."""

    def __init__(
        self, app: ASGIFramework, engine: RecordingEngine, writer: Writer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._engine = engine
        self._writer: Writer | None = writer
        self._clock = clock
        self._begun = clock()
        self._created = datetime.now(UTC).isoformat(timespec="seconds")
        self._headed = False

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            return await self._app(scope, receive, send)
        body, answer, t = bytearray(), Answer(self._clock), self._clock() - self._begun

        async def hear() -> ASGIReceiveEvent:
            message = await receive()
            if message["type"] == "http.request" and len(body) < MOST_BODY:
                body.extend(message["body"])
            return message

        async def say(message: ASGISendEvent) -> None:
            answer.take(message)
            await send(message)

        try:
            await self._app(scope, hear, say)
        finally:
            await self._end(scope, t, bytes(body), answer)

    async def _end(self, scope: HTTPScope, t: float, body: bytes, answer: Answer) -> None:
        exchange: Exchange | None = scope.get("mlxtui.exchange")  # type: ignore[assignment]
        try:
            if exchange:
                await exchange.ended()
        finally:
            id = exchange.id if exchange else uuid4().hex[:16]
            tapes = sorted(self._engine.take(id).items())
            error = exchange.error if exchange and answer.complete else None
            runs = [tape.run(self._begun, error, choice) for choice, tape in tapes]
            self._write(
                RecordedExchange(
                    id=id,
                    t=t,
                    ended=self._clock() - self._begun,
                    request=RecordedRequest(scope["method"], _path(scope), _text(scope["headers"]), body),
                    response=answer.response(),
                    run=next((run for run in runs if not run.choice), None),
                    further=tuple(run for run in runs if run.choice),
                )
            )

    def _write(self, exchange: RecordedExchange) -> None:
        """A disk that is full ends the recording, not the server."""
        model = self._engine.model
        if self._writer is None or model is None:
            return
        try:
            if not self._headed:
                self._headed = True
                self._writer.header(Header(self._created, f"mlxtui {__version__}", model_json(model)))
            self._writer.exchange(exchange)
        except OSError as error:
            log.error("recording has ended: %s", error)
            self._writer = None


def _path(scope: HTTPScope) -> str:
    query = scope["query_string"].decode("latin-1")
    raw = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1").partition("?")[0] + (f"?{query}" if query else "")


def _text(headers: Any) -> Headers:
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)


def _data(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict | list) else text
