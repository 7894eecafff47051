"""`--record FILE`: every exchange under /v1 goes to a recording when it ends, with what the engine gave for it.

Two wrappers that pass everything on and take notes: one around the engine, one around the application.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
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
from mlxtui.engine.interface import (
    ChatPrompt,
    Engine,
    EngineStatus,
    Job,
    Output,
    ParsedCall,
    Piece,
    Prefill,
    Rendered,
    Spelling,
)
from mlxtui.engine.replay import failure_of, model_json
from mlxtui.errors import ApiError, Conflict
from mlxtui.kept import Cache, CacheAction
from mlxtui.recorded import (
    Header,
    Headers,
    RecordedCalls,
    RecordedEvent,
    RecordedExchange,
    RecordedPiece,
    RecordedRequest,
    RecordedResponse,
    RecordedRun,
)
from mlxtui.recording import Writer
from mlxtui.server.exchange import Exchange
from mlxtui.types import Channel, ModelInfo, Priority, TextPrompt, Tool

log = logging.getLogger(__name__)

SHORTEST = 0.0001
"""Seconds: what is apart at all stays apart in the recording."""

MOST_BODY = 32 << 20
"""Bytes of a request's body that are kept: a client may send without end what the application refuses to read."""


_ONE_MODEL = "what this server does is being recorded (--record), and a recording is of one model"


@dataclass(slots=True)
class Tape:
    """What the engine gave for one job so far."""

    begun: float
    at: float = 0.0
    prompt_tokens: int | None = None
    cached_tokens: int = 0
    opens_in: Channel = "content"
    pieces: list[RecordedPiece] = field(default_factory=list)
    finish: Literal["stop", "length"] | None = None
    calls: list[RecordedCalls] = field(default_factory=list)

    def note(self, batch: tuple[Output, ...], now: float) -> None:
        dt = max(round(now - (self.at or self.begun), 4), SHORTEST)
        for output in batch:
            match output:
                case Rendered():
                    self.begun, self.at = now, now
                    self.prompt_tokens, self.opens_in = output.prompt_tokens, output.opens_in
                case Prefill():
                    self.cached_tokens = output.cached
                case Piece():
                    self.pieces.append(RecordedPiece(dt, output.text, output.tokens, output.logprobs))
                    self.finish, self.at, dt = output.finish, now, 0.0

    def run(self, since: float, error: ApiError | None, choice: int = 0) -> RecordedRun:
        """`error` is what ended the exchange, unless its client left."""
        return RecordedRun(
            t=round(self.begun - since, 4),
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            opens_in=self.opens_in,
            pieces=tuple(self.pieces),
            finish=self.finish,
            calls=tuple(self.calls),
            failure=failure_of(error) if error else None,
            choice=choice,
        )


class RecordingEngine:
    """Passes everything through; `take` gives the tapes of an exchange's jobs."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._tapes: dict[str, Tape] = {}

    @property
    def status(self) -> EngineStatus:
        return self._engine.status

    @property
    def model(self) -> ModelInfo | None:
        return self._engine.model

    @property
    def wanted(self) -> str | None:
        return self._engine.wanted

    async def load(self, name: str) -> ModelInfo:
        raise Conflict(_ONE_MODEL)

    async def unload(self) -> None:
        raise Conflict(_ONE_MODEL)

    async def start(self) -> None:
        await self._engine.start()

    async def run(self, job: Job) -> AsyncGenerator[tuple[Output, ...], None]:
        tape = self._tapes[job.id] = Tape(self._clock())
        async with aclosing(self._engine.run(job)) as outputs:
            async for batch in outputs:
                tape.note(batch, self._clock())
                yield batch

    def prioritise(self, job: str, priority: Priority) -> None:
        self._engine.prioritise(job, priority)

    async def parse_calls(self, job: str, text: str, tools: tuple[Tool, ...]) -> tuple[ParsedCall, ...]:
        calls = await self._engine.parse_calls(job, text, tools)
        if tape := self._tapes.get(job):
            read = tuple({"name": call.name, "arguments": dict(call.arguments)} for call in calls)
            tape.calls.append(RecordedCalls(text, read))
        return calls

    async def tokenize(self, prompt: ChatPrompt | TextPrompt) -> tuple[str, tuple[int, ...]]:
        return await self._engine.tokenize(prompt)

    async def detokenize(self, tokens: tuple[int, ...]) -> str:
        return await self._engine.detokenize(tokens)

    async def spell(self, tokens: tuple[int, ...]) -> tuple[Spelling, ...]:
        return await self._engine.spell(tokens)

    async def cache(self, action: CacheAction | None = None, id: str = "") -> Cache:
        return await self._engine.cache(action, id)

    async def close(self) -> None:
        await self._engine.close()

    def take(self, id: str) -> dict[int, Tape]:
        """Those of an exchange, by the number of the choice."""
        jobs = [job for job in self._tapes if job.partition(".")[0] == id]
        return {int(job.partition(".")[2] or 0): self._tapes.pop(job) for job in jobs}


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
