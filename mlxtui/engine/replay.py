"""The engine without a model: plays recorded runs, job by job, at their own speed or as fast as can be read.

Recorded (or scripted) runs come in; the same Outputs and events as from a real worker go out. Knows no MLX, no HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from mlxtui import errors
from mlxtui.engine.interface import (
    ChatPrompt,
    EngineStatus,
    Job,
    Output,
    ParsedCall,
    Piece,
    Prefill,
    Rendered,
    Spelling,
)
from mlxtui.errors import ApiError, Conflict, EngineFailed, NotFound, Unavailable
from mlxtui.events import Decoded, EngineStep, Event, ModelReady, RequestQueued
from mlxtui.kept import Cache, CacheAction
from mlxtui.recorded import RecordedCalls, RecordedFailure, RecordedPiece, RecordedRun
from mlxtui.types import Channel, Dialect, ModelInfo, Priority, TextPrompt, Tool

Pace = Callable[[Job, int, float], Awaitable[None]]
"""Awaited before each batch of a job: number -1 is the rendered prompt, 0 the first pieces; with the recorded wait."""

_NO_CACHE = "this server replays recorded sessions: there is no prompt cache"
_NO_TOKENIZER = "this server replays recorded sessions: there is no tokenizer to ask"

SCRIPTED_MODEL = ModelInfo(
    id="scripted",
    context_length=4096,
    dialect=Dialect(think=("<think>", "</think>"), tool=("<tool_call>", "</tool_call>"), tool_syntax="json_tools"),
    created=1_700_000_000,
)


class ReplayEngine:
    """`sessions` by job id; a repeated job may carry a suffix after "+". `speed` 1: as recorded, None: at once."""

    def __init__(
        self,
        sessions: Mapping[str, RecordedRun],
        model: ModelInfo,
        speed: float | None = None,
        publish: Callable[[Event], None] = lambda _: None,
        pace: Pace | None = None,
    ) -> None:
        self.live: dict[str, Job] = {}
        self._find: Callable[[str], RecordedRun | None] = lambda job: sessions.get(_recorded_id(job))
        self._info = model
        self._publish = publish
        self._pace = pace or _at(speed)
        self._status = EngineStatus("loading", "the replay has not begun", retry_after=1)

    @classmethod
    def scripted(
        cls,
        pieces: Iterable[str | tuple[str, ...]] = (),
        *,
        model: ModelInfo = SCRIPTED_MODEL,
        publish: Callable[[Event], None] = lambda _: None,
        pace: Pace | None = None,
        prompt_tokens: int | None = 7,
        cached_tokens: int = 0,
        opens_in: Channel = "content",
        finish: Literal["stop", "length"] | None = "stop",
        calls: Mapping[str, tuple[ParsedCall, ...]] | None = None,
        failure: ApiError | None = None,
    ) -> ReplayEngine:
        """The same run for every job: each piece a token, a tuple of pieces one batch.

        With `failure` the run fails after the pieces; with `prompt_tokens` None as well, before the prompt is taken.
        """
        run = RecordedRun(
            prompt_tokens=prompt_tokens,
            cached_tokens=cached_tokens,
            opens_in=opens_in,
            pieces=tuple(_scripted(pieces)) or (RecordedPiece(0.001, "", ()),),
            finish=None if failure else finish,
            calls=tuple(_recorded_calls(calls or {})),
            failure=failure_of(failure) if failure else None,
        )
        engine = cls({}, model, publish=publish, pace=pace)
        engine._find = lambda _: run
        return engine

    @property
    def status(self) -> EngineStatus:
        return self._status

    @property
    def model(self) -> ModelInfo | None:
        return None if self._status.state == "loading" else self._info

    @property
    def wanted(self) -> str | None:
        return self._info.id

    async def load(self, name: str) -> ModelInfo:
        raise Conflict("this server plays a recording: it has no model to exchange")

    async def unload(self) -> None:
        raise Conflict("this server plays a recording: it has no model to unload")

    async def start(self) -> None:
        self._status = EngineStatus("ready")
        info = self._info
        ready = (info.id, info.context_length, info.parameters, info.weights_bytes, "replay", 0.0)
        self._publish(ModelReady(time.time(), *ready))

    async def run(self, job: Job) -> AsyncGenerator[tuple[Output, ...], None]:
        run = self._find(job.id)
        if run is None:
            raise NotFound("this request is not in the recording", code="not_recorded")
        self.live[job.id] = job
        try:
            number = -2
            for number, (dt, batch) in enumerate(_batches(job.id, run), -1):
                await self._pace(job, number, dt)
                self._check_ready()
                self._tell(batch)
                yield batch
            if run.finish is None:
                await self._pace(job, number + 1, 0)
                raise _end(run)
        finally:
            self.live.pop(job.id, None)

    def prioritise(self, job: str, priority: Priority) -> None:
        """Recorded sessions have no queue."""

    async def parse_calls(self, job: str, text: str, tools: tuple[Tool, ...]) -> tuple[ParsedCall, ...]:
        run = self._find(job) or RecordedRun()
        read = next((read.calls for read in run.calls if read.text == text), ())
        return tuple(ParsedCall(call["name"], call["arguments"]) for call in read)

    async def tokenize(self, prompt: ChatPrompt | TextPrompt) -> tuple[str, tuple[int, ...]]:
        raise NotFound(_NO_TOKENIZER, code="not_recorded")

    async def detokenize(self, tokens: tuple[int, ...]) -> str:
        raise NotFound(_NO_TOKENIZER, code="not_recorded")

    async def spell(self, tokens: tuple[int, ...]) -> tuple[Spelling, ...]:
        raise NotFound(_NO_TOKENIZER, code="not_recorded")

    async def cache(self, action: CacheAction | None = None, id: str = "") -> Cache:
        if action is not None:
            raise NotFound(_NO_CACHE, param="id", code="cache_entry_not_found")
        return Cache()

    async def close(self) -> None:
        self._status = EngineStatus("closed", "the server is shutting down")

    def _check_ready(self) -> None:
        if self._status.state != "ready":
            raise Unavailable(self._status.detail, code="shutting_down", retry_after=self._status.retry_after)

    def _tell(self, batch: tuple[Output, ...]) -> None:
        now = time.time()
        for output in batch:
            if isinstance(output, Rendered):
                self._publish(RequestQueued(now, output.id, output.prompt_tokens))
        prefills = tuple(o.progress for o in batch if isinstance(o, Prefill))
        decoded = tuple(Decoded(o.id, len(o.tokens)) for o in batch if isinstance(o, Piece))
        if prefills or decoded:
            self._publish(EngineStep(now, prefills, decoded, 0, 0, 0, 0))


def model_json(model: ModelInfo) -> dict[str, Any]:
    """What a recording's header keeps of the model."""
    dialect = model.dialect
    return {
        "id": model.id,
        "context_length": model.context_length,
        "created": model.created,
        "parameters": model.parameters,
        "weights_bytes": model.weights_bytes,
        "dialect": {"think": dialect.think, "tool": dialect.tool, "tool_syntax": dialect.tool_syntax},
    }


def model_from_json(data: Mapping[str, Any]) -> ModelInfo:
    """Raises:
    UserError: the header's model lacks something.
    """
    try:
        marks = data["dialect"]
        think, tool = (tuple(marks[name]) if marks[name] else None for name in ("think", "tool"))
        dialect = Dialect(think, tool, marks["tool_syntax"])
        return ModelInfo(
            id=data["id"],
            context_length=data["context_length"],
            dialect=dialect,
            created=data["created"],
            parameters=data.get("parameters", 0),
            weights_bytes=data.get("weights_bytes", 0),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise errors.UserError(f"the recording's header does not describe its model: {error!r}") from error


def failure_of(error: ApiError) -> RecordedFailure:
    return RecordedFailure(type(error).__name__, error.message, error.param, error.code, error.retry_after)


def error_of(failure: RecordedFailure) -> ApiError:
    kind = getattr(errors, failure.error, ApiError)
    known = isinstance(kind, type) and issubclass(kind, ApiError) and kind is not errors.MethodNotAllowed
    build: type[ApiError] = kind if known else ApiError
    return build(failure.message, param=failure.param, code=failure.code, retry_after=failure.retry_after)


def _end(run: RecordedRun) -> ApiError:
    """Why a run without a `finish` is over."""
    if run.failure:
        return error_of(run.failure)
    return EngineFailed("the recording of this request ends here: its client had left")


def _at(speed: float | None) -> Pace:
    async def pace(job: Job, number: int, dt: float) -> None:
        await asyncio.sleep(dt / speed if speed else 0)

    return pace


def _batches(id: str, run: RecordedRun) -> Iterator[tuple[float, tuple[Output, ...]]]:
    """The run's outputs as the engine gave them, each batch with the seconds before it."""
    if run.prompt_tokens is None:
        return
    total, cached = run.prompt_tokens, run.cached_tokens
    yield 0.0, (Rendered(id, total, run.opens_in), Prefill(id, cached, total, cached))
    batch: list[Output] = [Prefill(id, total, total, cached)]
    wait = 0.0
    for number, piece in enumerate(run.pieces, 1):
        if piece.dt and number > 1:
            yield wait, tuple(batch)
            batch = []
        wait = piece.dt or wait
        batch.append(
            Piece(id, piece.text, piece.tokens, run.finish if number == len(run.pieces) else None, piece.logprobs)
        )
    if run.pieces:
        yield wait, tuple(batch)


def _recorded_id(job: str) -> str:
    """Without the round of a repeated exchange: "a+1.2" is the third choice of exchange "a", as "a.2" is."""
    exchange, _, again = job.partition("+")
    return exchange + again[len(again.partition(".")[0]) :]


def _scripted(pieces: Iterable[str | tuple[str, ...]]) -> Iterator[RecordedPiece]:
    token = 0
    for batch in pieces:
        for at, text in enumerate((batch,) if isinstance(batch, str) else batch):
            token += 1
            yield RecordedPiece(0.0 if at else 0.001, text, (token,))


def _recorded_calls(calls: Mapping[str, tuple[ParsedCall, ...]]) -> Iterator[RecordedCalls]:
    for text, read in calls.items():
        yield RecordedCalls(text, tuple({"name": call.name, "arguments": call.arguments} for call in read))
