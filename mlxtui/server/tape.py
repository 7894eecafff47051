"""The engine with a tape running: what it gave for each job, noted as it passes.

A wrapper around the engine. It knows neither HTTP nor the file that the tapes go to.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

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
from mlxtui.engine.replay import failure_of
from mlxtui.errors import ApiError, Conflict
from mlxtui.kept import Cache, CacheAction
from mlxtui.recorded import RecordedCalls, RecordedPiece, RecordedRun
from mlxtui.types import Channel, ModelInfo, Priority, TextPrompt, Tool

SHORTEST = 0.0001
"""Seconds: what is apart at all stays apart in the recording."""

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
