"""The Engine that keeps an MLX worker alive in a child process: Jobs in, Outputs out, and what happened as events.

Spawns, watches, restarts and stops the worker; routes its reports to the jobs. Knows no MLX, no HTTP, no text.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import assert_never, cast

from mlxtui.engine.child import Child
from mlxtui.engine.interface import (
    ChatPrompt,
    EngineState,
    EngineStatus,
    Failure,
    Job,
    Output,
    ParsedCall,
    Piece,
    Rendered,
)
from mlxtui.engine.mailbox import Mailbox
from mlxtui.engine.questions import Questions, error_of
from mlxtui.engine.wire import (
    Cancel,
    Declined,
    Detokenize,
    LoadFailed,
    Loading,
    Note,
    ParseCalls,
    Parsed,
    Question,
    Ready,
    Report,
    Setup,
    StepReport,
    Submit,
    Tokenize,
    Tokenized,
)
from mlxtui.errors import ApiError, EngineFailed, Unavailable
from mlxtui.events import (
    Decoded,
    EngineDown,
    EngineStep,
    Event,
    Logged,
    ModelLoading,
    ModelReady,
    PrefillProgress,
    RequestQueued,
)
from mlxtui.settings import Settings
from mlxtui.types import ModelInfo, TextPrompt, Tool

_FIRST_PAUSE, _LONGEST_PAUSE, _HEALTHY = 0.1, 30.0, 60.0
_UNAVAILABLE_CODES: dict[EngineState, str] = {
    "loading": "model_loading",
    "restarting": "engine_restarting",
    "failed": "model_failed",
    "closed": "shutting_down",
}


class EngineProcess:
    """One worker at a time. `stall_timeout`: seconds of silence with jobs in flight after which it is restarted."""

    def __init__(self, settings: Settings, publish: Callable[[Event], None], *, stall_timeout: float = 120.0) -> None:
        self._settings, self._publish, self.stall_timeout = settings, publish, stall_timeout
        self._status = EngineStatus("loading", "the engine is being started", retry_after=2)
        self._model: ModelInfo | None = None
        self._child: Child | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._jobs: dict[str, Mailbox] = {}
        self._questions = Questions()
        self._heard = 0.0
        self._spawned = 0.0

    @property
    def status(self) -> EngineStatus:
        return self._status

    @property
    def model(self) -> ModelInfo | None:
        return self._model

    @property
    def pid(self) -> int | None:
        """The worker's process id while there is one."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        self._supervisor = asyncio.create_task(self._supervise(), name="engine supervisor")

    async def run(self, job: Job) -> AsyncGenerator[tuple[Output, ...], None]:
        self._check_ready()
        mailbox = self._jobs[job.id] = Mailbox()
        ended = False
        self._send(Submit(job))
        try:
            while not ended:
                try:
                    outputs = await mailbox.take()
                except ApiError:
                    ended = True
                    raise
                ended = isinstance(outputs[-1], Piece) and outputs[-1].finish is not None
                yield outputs
        finally:
            self._jobs.pop(job.id, None)
            if not ended:
                self._send(Cancel(job.id))

    async def parse_calls(self, job: str, text: str, tools: tuple[Tool, ...]) -> tuple[ParsedCall, ...]:
        if self._status.state != "ready":
            return ()
        try:
            answer = await self._questions.ask(self._send, lambda ticket: ParseCalls(ticket, text, tools))
        except ApiError:
            return ()
        return cast(Parsed, answer).calls

    async def tokenize(self, prompt: ChatPrompt | TextPrompt) -> tuple[str, tuple[int, ...]]:
        self._check_ready()
        answer = await self._questions.ask(self._send, lambda ticket: Tokenize(ticket, prompt))
        return cast(Tokenized, answer).text, cast(Tokenized, answer).tokens

    async def detokenize(self, tokens: tuple[int, ...]) -> str:
        self._check_ready()
        answer = await self._questions.ask(self._send, lambda ticket: Detokenize(ticket, tokens))
        return cast(Tokenized, answer).text

    async def close(self) -> None:
        self._status = EngineStatus("closed", "the server is shutting down")
        self._abandon(Unavailable("the server is shutting down", code="shutting_down"))
        if self._child:
            await self._child.stop()
        if self._supervisor:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor

    def _check_ready(self) -> None:
        state = self._status.state
        if state != "ready":
            raise Unavailable(self._status.detail, code=_UNAVAILABLE_CODES[state], retry_after=self._status.retry_after)

    def _send(self, command: Submit | Cancel | Question) -> None:
        if self._child and self._status.state == "ready":
            self._child.send(command)

    async def _supervise(self) -> None:
        """Worker after worker, with growing pauses, until the model turns out unusable or the engine is closed."""
        pause = _FIRST_PAUSE
        while self._status.state not in ("closed", "failed"):
            self._spawned = self._heard = time.monotonic()
            died = await self._live()
            if self._status.state in ("closed", "failed"):
                return
            pause = _FIRST_PAUSE if time.monotonic() - self._spawned > _HEALTHY else pause
            self._go_down(died, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _live(self) -> str:
        """One worker from spawn to end; returns how it ended."""
        setup = Setup(
            self._settings.model, self._settings.context_length, self._settings.max_running, self._settings.cache_bytes
        )
        try:
            self._child = child = await Child.spawn(setup, self._log)
        except OSError as error:
            return f"the engine can't be started: {error}"
        watchdog = asyncio.create_task(self._watch(child), name="engine watchdog")
        try:
            while (report := await child.receive()) is not None:
                self._heard = time.monotonic()
                self._handle(report)
        finally:
            watchdog.cancel()
        if self._status.state == "closed":
            return "the engine was stopped"
        died = await child.ended()
        self._child = None
        return died

    def _go_down(self, died: str, pause: float) -> None:
        self._status = EngineStatus("restarting", "the engine died and is being restarted", retry_after=pause + 1)
        self._abandon(EngineFailed("the engine died while answering this request; it is being restarted"))
        self._publish(EngineDown(time.time(), f"{died}; it is being restarted", pause))

    def _abandon(self, error: ApiError) -> None:
        """Everything in flight ends here."""
        for mailbox in self._jobs.values():
            mailbox.fail(error)
        self._questions.abandon(error)

    async def _watch(self, child: Child) -> None:
        while True:
            await asyncio.sleep(min(1.0, self.stall_timeout / 4))
            silent = time.monotonic() - max(self._heard, self._jobs_since())
            if self._jobs and silent > self.stall_timeout:
                self._log(Note("error", f"the engine made no progress for {silent:.0f} s: it is killed and restarted"))
                child.kill()
                return

    def _jobs_since(self) -> float:
        return min((mailbox.opened for mailbox in self._jobs.values()), default=0.0)

    def _handle(self, report: Report) -> None:
        match report:
            case StepReport():
                self._step(report)
            case Rendered():
                if report.id in self._jobs:
                    self._publish(RequestQueued(time.time(), report.id, report.prompt_tokens))
                    self._jobs[report.id].put(report)
            case Failure():
                self._fail(report)
            case Parsed() | Tokenized() | Declined():
                self._questions.answered(report)
            case Note():
                self._log(report)
            case Loading() | Ready() | LoadFailed():
                self._loading(report)
            case _:
                assert_never(report)

    def _loading(self, report: Loading | Ready | LoadFailed) -> None:
        now, name = time.time(), self._settings.model
        match report:
            case Loading(detail):
                if self._model is None:
                    self._status = EngineStatus("loading", f"loading the model: {detail}", retry_after=2)
                self._publish(ModelLoading(now, name, detail))
            case Ready(model):
                self._model = model
                self._status = EngineStatus("ready")
                took = time.monotonic() - self._spawned
                self._publish(
                    ModelReady(
                        now, model.id, model.context_length, model.parameters, model.weights_bytes, model.device, took
                    )
                )
            case LoadFailed(message):
                if self._model is None:
                    self._status = EngineStatus("failed", message)
                    self._publish(EngineDown(now, message, None))
                else:
                    self._log(Note("error", message))

    def _step(self, report: StepReport) -> None:
        for prefill in report.prefills:
            if mailbox := self._jobs.get(prefill.id):
                mailbox.put(prefill)
        for piece in report.pieces:
            if mailbox := self._jobs.get(piece.id):
                mailbox.put(piece)
        for failure in report.failures:
            self._fail(failure)
        stats = report.stats
        self._publish(
            EngineStep(
                time.time(),
                tuple(PrefillProgress(p.id, p.done, p.total, p.cached) for p in report.prefills),
                tuple(Decoded(p.id, len(p.tokens)) for p in report.pieces),
                stats.active_bytes,
                stats.peak_bytes,
                stats.cache_bytes,
                stats.cache_entries,
            )
        )

    def _fail(self, failure: Failure) -> None:
        if mailbox := self._jobs.get(failure.id):
            mailbox.fail(error_of(failure))

    def _log(self, note: Note) -> None:
        self._publish(Logged(time.time(), note.level, note.message, note.job))
