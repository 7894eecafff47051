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
    EngineStatus,
    Failure,
    Job,
    Output,
    ParsedCall,
    Piece,
    Rendered,
    Spelling,
)
from mlxtui.engine.mailbox import Mailbox
from mlxtui.engine.questions import Questions, error_of
from mlxtui.engine.wanted import Wanted
from mlxtui.engine.wire import (
    AskCache,
    CacheTold,
    Cancel,
    Declined,
    Detokenize,
    LoadFailed,
    Loading,
    Note,
    ParseCalls,
    Parsed,
    Prioritise,
    Question,
    Ready,
    Report,
    Setup,
    Spell,
    Spelled,
    StepReport,
    Submit,
    Tokenize,
    Tokenized,
)
from mlxtui.errors import ApiError, Conflict, EngineFailed, InvalidRequest, Unavailable
from mlxtui.events import (
    Decoded,
    EngineDown,
    EngineStep,
    Event,
    Logged,
    ModelLoading,
    ModelReady,
    ModelUnloaded,
    RequestQueued,
)
from mlxtui.kept import Cache, CacheAction
from mlxtui.settings import Settings
from mlxtui.types import ModelInfo, Priority, TextPrompt, Tool

_FIRST_PAUSE, _LONGEST_PAUSE, _HEALTHY = 0.1, 30.0, 60.0
_SOME_TIME = 30.0  # until a person may have loaded another model, in seconds
_AT_WORK = ("ready", "draining")
_OVER = ("closed", "failed", "unloaded")


class EngineProcess:
    """One worker at a time. `stall_timeout`: seconds of silence with jobs in flight after which it is restarted."""

    def __init__(self, settings: Settings, publish: Callable[[Event], None], *, stall_timeout: float = 120.0) -> None:
        self._settings, self._publish, self.stall_timeout = settings, publish, stall_timeout
        self._status = EngineStatus("loading", "the engine is being started", retry_after=2)
        self._model: ModelInfo | None = None
        self._wanted = Wanted(settings.model)
        self._exchanging = asyncio.Lock()
        self._left = asyncio.Event()
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
    def wanted(self) -> str | None:
        return self._wanted.name

    @property
    def pid(self) -> int | None:
        """The worker's process id while there is one."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        self._supervisor = asyncio.create_task(self._supervise(), name="engine supervisor")

    async def load(self, name: str) -> ModelInfo:
        if self._status.state == "closed":
            raise self._unavailable()
        if name == self._wanted.name and self._model is not None:
            return self._model
        outcome = self._wanted.ask(name)
        async with self._exchanging:
            await self._retire(EngineStatus("loading", f"{name} is being loaded", retry_after=2))
            if not outcome.done():
                await self.start()
        return await outcome

    async def unload(self) -> None:
        if self._status.state == "closed":
            raise self._unavailable()
        self._wanted.drop(Conflict("it was unloaded while it was being loaded", code="model_not_loaded"))
        async with self._exchanging:
            if self._wanted.name is None and self._status.state not in ("closed", "unloaded"):
                await self._retire(EngineStatus("unloaded", "no model is loaded", retry_after=_SOME_TIME))
                self._publish(ModelUnloaded(time.time(), ""))

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
            self._left.set()
            if not ended:
                self._send(Cancel(job.id))

    def prioritise(self, job: str, priority: Priority) -> None:
        if job in self._jobs:
            self._send(Prioritise(job, priority))

    async def parse_calls(self, job: str, text: str, tools: tuple[Tool, ...]) -> tuple[ParsedCall, ...]:
        if self._status.state not in _AT_WORK:
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

    async def spell(self, tokens: tuple[int, ...]) -> tuple[Spelling, ...]:
        self._check_ready()
        answer = await self._questions.ask(self._send, lambda ticket: Spell(ticket, tokens))
        return cast(Spelled, answer).spellings

    async def cache(self, action: CacheAction | None = None, id: str = "") -> Cache:
        self._check_ready()
        answer = await self._questions.ask(self._send, lambda ticket: AskCache(ticket, action, id))
        return cast(CacheTold, answer).cache

    async def close(self) -> None:
        self._status = EngineStatus("closed", "the server is shutting down")
        self._wanted.drop(self._unavailable())
        self._abandon(self._unavailable())
        await self._end()

    async def _retire(self, then: EngineStatus) -> None:
        """Take nothing new, let what runs finish for the grace period, end the rest, then the worker."""
        if self._status.state == "ready":
            self._status = EngineStatus("draining", then.detail, then.retry_after)
        self._model = None
        if then.state == "loading":
            running = len(self._jobs)
            wait = f"waiting for {running} running request{'s' if running != 1 else ''}" if running else ""
            self._publish(ModelLoading(time.time(), self._wanted.name or "", wait))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.grace):
                while self._jobs:
                    self._left.clear()
                    await self._left.wait()
        if self._status.state != "closed":
            self._status = then
        cut = f"this request did not finish in time before its model was unloaded: {then.detail}"
        self._abandon(Unavailable(cut, code="model_unloaded", retry_after=then.retry_after))
        await self._end()

    async def _end(self) -> None:
        """No worker any more, and nobody who would start another."""
        if self._supervisor:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        if self._child:
            await self._child.stop()
            self._child = None

    def _check_ready(self) -> None:
        if self._status.state != "ready":
            raise self._unavailable()

    def _unavailable(self) -> Unavailable:
        status = self._status
        return Unavailable(status.detail, code=status.code, retry_after=status.retry_after)

    def _send(self, command: Submit | Cancel | Prioritise | Question | AskCache) -> None:
        if self._child and self._status.state in _AT_WORK:
            self._child.send(command)

    async def _supervise(self) -> None:
        """Worker after worker, with growing pauses, until the model turns out unusable or the engine is closed."""
        pause = _FIRST_PAUSE
        while (name := self._wanted.name) is not None and self._status.state not in _OVER:
            self._spawned = self._heard = time.monotonic()
            died = await self._live(name)
            if self._status.state == "draining":
                self._abandon(EngineFailed(f"the engine died while answering this request: {died}"))
                return
            if self._wanted.awaited and self._wanted.name == name:
                self._unusable(f"model {name!r} can't be loaded: {died}")
            if self._status.state in _OVER or self._wanted.name != name:
                continue
            pause = _FIRST_PAUSE if time.monotonic() - self._spawned > _HEALTHY else pause
            self._go_down(died, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _live(self, model: str) -> str:
        """One worker from spawn to end; returns how it ended."""
        setup = Setup.of(model, self._settings)
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
            case Parsed() | Tokenized() | Spelled() | CacheTold() | Declined():
                self._questions.answered(report)
            case Note():
                self._log(report)
            case Loading() | Ready() | LoadFailed():
                self._loading(report)
            case _:
                assert_never(report)

    def _loading(self, report: Loading | Ready | LoadFailed) -> None:
        now, name = time.time(), self._wanted.name or ""
        match report:
            case Loading(detail):
                if self._model is None:
                    self._status = EngineStatus("loading", f"loading the model: {detail}", retry_after=2)
                self._publish(ModelLoading(now, name, detail))
            case Ready(model):
                self._model = model
                self._status = EngineStatus("ready")
                self._wanted.loaded(model)
                took = time.monotonic() - self._spawned
                self._publish(
                    ModelReady(
                        now, model.id, model.context_length, model.parameters, model.weights_bytes, model.device, took
                    )
                )
            case LoadFailed(message):
                if self._model is not None:
                    self._log(Note("error", message))
                elif self._wanted.settled:
                    self._unusable(message)
                else:
                    self._status = EngineStatus("failed", message)
                    self._publish(EngineDown(now, message, None))

    def _unusable(self, message: str) -> None:
        """What was asked for at run time can't be loaded: back to the model before, or on without any."""
        back = self._wanted.failed(InvalidRequest(message, param="model", code="model_unusable"))
        self._log(Note("error", f"{message}; {f'going back to {back}' if back else 'no model is loaded'}"))
        if back is None:
            self._status = EngineStatus("unloaded", f"no model is loaded: {message}", retry_after=_SOME_TIME)
            self._publish(ModelUnloaded(time.time(), message))
        else:
            self._status = EngineStatus("loading", f"going back to {back}", retry_after=2)

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
                tuple(prefill.progress for prefill in report.prefills),
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
