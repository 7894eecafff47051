"""The Engine whose worker is a child process: Jobs in, Outputs out, and what happened as events.

Routes the worker's reports to the jobs, and says what a report, a death or a wish for another model means for it; a
`Supervisor` keeps it alive. Knows no MLX, no HTTP, no text.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import assert_never

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
from mlxtui.engine.mailbox import Mailboxes
from mlxtui.engine.questions import Questions, error_of
from mlxtui.engine.supervisor import Supervisor
from mlxtui.engine.wanted import Wanted
from mlxtui.engine.wire import (
    AskCache,
    CacheTold,
    Cancel,
    Declined,
    LoadFailed,
    Loading,
    Note,
    Parsed,
    Prioritise,
    Question,
    Ready,
    Report,
    Setup,
    Spelled,
    StepReport,
    Submit,
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

_SOME_TIME = 30.0  # until a person may have loaded another model, in seconds
_AT_WORK = ("ready", "draining")
_OVER = ("closed", "failed", "unloaded", "draining")


class EngineProcess:
    """One worker at a time."""

    def __init__(self, settings: Settings, publish: Callable[[Event], None]) -> None:
        self._settings, self._publish = settings, publish
        self._status = EngineStatus("loading", "the engine is being started", retry_after=2)
        self._model: ModelInfo | None = None
        self._wanted = Wanted(settings.model)
        self._exchanging = asyncio.Lock()
        self.supervisor = Supervisor(self)
        self._jobs = Mailboxes()
        self._questions = Questions(self._send)

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
        return self.supervisor.pid

    async def start(self) -> None:
        self.supervisor.start()

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
        mailbox = self._jobs.open(job.id)
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
            self._jobs.close(job.id)
            if not ended:
                self._send(Cancel(job.id))

    def prioritise(self, job: str, priority: Priority) -> None:
        if job in self._jobs:
            self._send(Prioritise(job, priority))

    async def parse_calls(self, job: str, text: str, tools: tuple[Tool, ...]) -> tuple[ParsedCall, ...]:
        if self._status.state not in _AT_WORK:
            return ()
        try:
            return await self._questions.calls(text, tools)
        except ApiError:
            return ()

    async def tokenize(self, prompt: ChatPrompt | TextPrompt) -> tuple[str, tuple[int, ...]]:
        self._check_ready()
        return await self._questions.tokens(prompt)

    async def detokenize(self, tokens: tuple[int, ...]) -> str:
        self._check_ready()
        return await self._questions.text(tokens)

    async def spell(self, tokens: tuple[int, ...]) -> tuple[Spelling, ...]:
        self._check_ready()
        return await self._questions.spellings(tokens)

    async def cache(self, action: CacheAction | None = None, id: str = "") -> Cache:
        self._check_ready()
        return await self._questions.cache(action, id)

    async def close(self) -> None:
        self._status = EngineStatus("closed", "the server is shutting down")
        self._wanted.drop(self._unavailable())
        self._abandon(self._unavailable())
        await self.supervisor.end()

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
                await self._jobs.all_closed()
        if self._status.state != "closed":
            self._status = then
        cut = f"this request did not finish in time before its model was unloaded: {then.detail}"
        self._abandon(Unavailable(cut, code="model_unloaded", retry_after=then.retry_after))
        await self.supervisor.end()

    def _check_ready(self) -> None:
        if self._status.state != "ready":
            raise self._unavailable()

    def _unavailable(self) -> Unavailable:
        status = self._status
        return Unavailable(status.detail, code=status.code, retry_after=status.retry_after)

    def _send(self, command: Submit | Cancel | Prioritise | Question | AskCache) -> None:
        if self._status.state in _AT_WORK:
            self.supervisor.send(command)

    def setup(self) -> Setup | None:
        """What the next worker is to load; None: there is to be none."""
        name = self._wanted.name
        return None if name is None or self._status.state in _OVER else Setup.of(name, self._settings)

    def died(self, model: str, how: str, pause: float) -> bool:
        """What the end of the worker that had `model` means; whether the next one is to wait for the pause."""
        if self._status.state == "draining":
            self._abandon(EngineFailed(f"the engine died while answering this request: {how}"))
        elif self._wanted.awaited and self._wanted.name == model:
            self._unusable(f"model {model!r} can't be loaded: {how}")
        if self._status.state in _OVER or self._wanted.name != model:
            return False
        self._go_down(how, pause)
        return True

    def waiting_since(self) -> float | None:
        return self._jobs.oldest()

    def _go_down(self, died: str, pause: float) -> None:
        self._status = EngineStatus("restarting", "the engine died and is being restarted", retry_after=pause + 1)
        self._abandon(EngineFailed("the engine died while answering this request; it is being restarted"))
        self._publish(EngineDown(time.time(), f"{died}; it is being restarted", pause))

    def _abandon(self, error: ApiError) -> None:
        """Everything in flight ends here."""
        self._jobs.fail_all(error)
        self._questions.abandon(error)

    def heard(self, report: Report) -> None:
        match report:
            case StepReport():
                self._step(report)
            case Rendered():
                if report.id in self._jobs:
                    self._publish(RequestQueued(time.time(), report.id, report.prompt_tokens))
                    self._jobs.put(report)
            case Failure(id=id):
                self._jobs.fail(id, error_of(report))
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
                took = time.monotonic() - self.supervisor.spawned
                sizes = (model.context_length, model.parameters, model.weights_bytes)
                self._publish(ModelReady(now, model.id, *sizes, model.device, took, model.draft))
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
            self._jobs.put(prefill)
        for piece in report.pieces:
            self._jobs.put(piece)
        for failure in report.failures:
            self._jobs.fail(failure.id, error_of(failure))
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

    def _log(self, note: Note) -> None:
        self._publish(Logged(time.time(), note.level, note.message, note.job))
