"""START HERE. A Request goes in, Deltas come out: the same road for every API.

    Request ─▶ Jobs ─▶ engine ─▶ pieces of text ─▶ choices (output parser) ─▶ Deltas

The APIs (api/) sit before and after it, the engine (engine/) behind its interface; the server turns bytes into
requests and deltas into bytes. Knows no HTTP, no JSON of any API, no MLX.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from mlxtui.choice import Choice, joined
from mlxtui.engine.interface import ChatPrompt, Engine, Job, Miss, Output, Piece, Prefill, Rendered
from mlxtui.errors import ApiError, EngineFailed, InvalidRequest, RateLimited, Unavailable
from mlxtui.interleave import interleaved
from mlxtui.parting import field_at
from mlxtui.raw import Raw
from mlxtui.settings import Settings
from mlxtui.types import (
    NEUTRAL_SAMPLING,
    Channel,
    Delta,
    Dialect,
    Finish,
    ModelInfo,
    Priority,
    Request,
    Started,
    TextPrompt,
    Timings,
    Usage,
)
from mlxtui.volatile import without_volatile

PLAIN = Dialect()
"""Text that is gone on with has no markup."""
_DEAR = 256  # tokens to compute: below, finding the field that differs would cost more than the difference did


class Pipeline:
    """Admits requests up to the limits of `settings` and runs them on `engine`."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self._settings = settings
        self._admitted = 0

    def read(self, request: Request) -> Request:
        """The request as the model gets to read it, see `volatile`."""
        if self._settings.volatile_lines == "keep":
            return request
        return replace(request, messages=without_volatile(request.messages))

    async def tokenize(self, request: Request) -> tuple[str, tuple[int, ...]]:
        """The first prompt of the request as the model would get it: its text and its tokens.

        Raises:
            ApiError: as `Engine.tokenize`.
        """
        return await self.engine.tokenize(prompts(self.read(request))[0])

    def open(self, id: str, request: Request) -> Run:
        """The run of one request; nothing happens before its deltas are asked for."""
        return Run(self, id, request)

    @contextmanager
    def admit(self, jobs: int = 1) -> Iterator[ModelInfo]:
        """Places for `jobs` among the running and the queued, for as long as the context lasts.

        Raises:
            Unavailable: no model is loaded.
            RateLimited: the queue is full.
            InvalidRequest: it is too short for them even when it is empty.
        """
        status, model = self.engine.status, self.engine.model
        if status.state != "ready" or model is None:
            raise Unavailable(
                f"the model is not ready: {status.detail}", code=status.code, retry_after=status.retry_after or 1.0
            )
        running, queued = self._settings.max_running, self._settings.max_queued
        if jobs > running + queued:
            raise InvalidRequest(
                f"this request asks for {jobs} answers at once, more than the {running + queued} that may run or queue "
                "here (--max-running, --max-queued): ask for fewer",
                param="n",
            )
        if self._admitted + jobs > running + queued:
            raise RateLimited(
                f"{running} requests are running and {queued} are queued, "
                "which is the limit (--max-running, --max-queued); try again later",
                retry_after=max(1.0, queued / running),
            )
        self._admitted += jobs
        try:
            yield model
        finally:
            self._admitted -= jobs

    def jobs(self, id: str, request: Request, model: ModelInfo, priority: Priority = "normal") -> list[Job]:
        """What the engine is asked for, `n` jobs a prompt.

        Sampling is the request's over the operator's over the model's. A seed of the request counts on from choice to
        choice, so that they differ and each can be had again.
        """
        defaults = self._settings.sampling.over(model.sampling.over(NEUTRAL_SAMPLING))
        sampling = request.sampling.over(defaults)
        return [
            Job(
                id=job_id(id, i),
                prompt=prompt,
                sampling=sampling if sampling.seed is None else replace(sampling, seed=sampling.seed + i),
                max_tokens=request.max_tokens,
                top_logprobs=request.top_logprobs,
                constraint=request.constraint,
                reasoning_budget=request.reasoning_budget,
                priority=priority,
                cache_key=request.cache_key,
            )
            for i, prompt in enumerate(prompt for prompt in prompts(request) for _ in range(request.n))
        ]


def prompts(request: Request) -> tuple[ChatPrompt | TextPrompt, ...]:
    return request.texts or (ChatPrompt(request.messages, request.tools, request.template),)


def job_id(request: str, choice: int) -> str:
    """The engine's name for one choice of a request."""
    return f"{request}.{choice}" if choice else request


class Run:
    """One request on its way; `usage` and `timings` are right at any moment, also after a failure.

    `request` is as the model reads it. `model` and `job` (of the first choice) are None until it is admitted, `raw` is
    what the first choice came from.
    """

    def __init__(
        self, pipeline: Pipeline, id: str, request: Request, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.request = pipeline.read(request)
        self.model: ModelInfo | None = None
        self.job: Job | None = None
        self.raw = Raw()
        self.opens_in: Channel = "content"
        self._pipeline = pipeline
        self._id = id
        self._clock = clock
        self._begun = clock()
        self._prefill_begun: float | None = None
        self._spans: dict[int, tuple[float, float]] = {}  # when the first and the last token of each choice came
        self._prompt_tokens: dict[int, int] = {}
        self._cached_tokens: dict[int, int] = {}
        self._miss: Miss | None = None
        self._parted: Callable[[], object] = lambda: None
        self._choices: dict[int, Choice] = {}
        self._expected = len(request.texts or (None,)) * request.n
        self.priority = request.priority

    @property
    def usage(self) -> Usage:
        """Prompts count once, however many choices are drawn for them."""
        choices = self._choices.values()
        firsts = range(0, self._expected, self.request.n)
        return Usage(
            prompt_tokens=sum(self._prompt_tokens.get(first, 0) for first in firsts),
            cached_tokens=sum(self._cached_tokens.get(first, 0) for first in firsts),
            completion_tokens=sum(choice.tokens for choice in choices),
            reasoning_tokens=sum(choice.reasoning_tokens for choice in choices),
        )

    @property
    def prompt(self) -> ChatPrompt | TextPrompt:
        """The first one."""
        return prompts(self.request)[0]

    @property
    def rendered(self) -> int | None:
        """How many tokens the first prompt had for the engine; None: it has not taken it."""
        return self._prompt_tokens.get(0)

    @property
    def cached(self) -> int | None:
        """How many of them came from the cache; None: it has not begun with them."""
        return self._cached_tokens.get(0)

    @property
    def timings(self) -> Timings:
        now, spans = self._clock(), self._spans.values()
        later = sum(self._choices[index].tokens - 1 for index in self._spans)
        return Timings(
            queued=(self._prefill_begun or now) - self._begun,
            ttft=min(first for first, _ in spans) - self._begun if spans else None,
            total=now - self._begun,
            per_token=sum(last - first for first, last in spans) / later if later else None,
        )

    def prioritise(self, priority: Priority) -> bool:
        """Let its jobs go first or last from now on; False when the answer has begun, which is too late for that."""
        if self._spans:
            return False
        self.priority = priority
        for index in range(self._expected):
            self._pipeline.engine.prioritise(job_id(self._id, index), priority)
        return True

    async def miss(self) -> dict[str, Any] | None:
        """Why no more of the first prompt came from the cache, and in which field (`where`; None: that can't be told).

        Renders the prompt again: for whoever looks, not for every request. None: nothing was missed.
        """
        miss = self._miss
        if miss is None:
            return None
        known = {"reason": miss.reason, "at": miss.at, "was": miss.was, "now": miss.now}
        return known | {"where": await self._where(miss.at) if miss.reason != "new" else None}

    async def _where(self, at: int) -> str | None:
        request, engine = self.request, self._pipeline.engine
        if not request.messages:
            return "prompt"
        try:
            text, tokens = await engine.tokenize(self.prompt)
            return field_at(request, text, len(await engine.detokenize(tokens[:at])))
        except ApiError:  # the engine is gone or has another model by now
            return None

    async def deltas(self, parted: Callable[[], object] = lambda: None) -> AsyncGenerator[tuple[Delta, ...], None]:
        """Started first, a Finish for each choice, one of them last. What is ready together comes together.

        Closing it early cancels the jobs. `parted` is called when much of the first prompt has to be computed although
        an earlier one began like it: `miss` is worth its while then.

        Raises:
            ApiError: as `Engine.run` and `Pipeline.admit`. Before Started it is the answer to the whole request.
        """
        with self._pipeline.admit(self._expected) as model:
            self._parted = parted
            jobs = self._pipeline.jobs(self._id, self.request, model, self.priority)
            self.model, self.job = model, jobs[0]
            answers = [self._answer(index, job, model) for index, job in enumerate(jobs)]
            async with aclosing(interleaved(answers)) as batches:
                async for _, deltas in batches:
                    yield tuple(joined(deltas))

    async def _answer(self, index: int, job: Job, model: ModelInfo) -> AsyncGenerator[list[Delta], None]:
        """One choice; its job ends with it, whether the engine is done or not."""
        async with aclosing(self._pipeline.engine.run(job)) as batches:
            async for batch in batches:
                if deltas := [delta for output in batch for delta in await self._take(index, output, model)]:
                    yield deltas
                if index in self._choices and self._choices[index].finish:
                    return
        raise EngineFailed("the engine ended this answer without finishing it")

    async def _take(self, index: int, output: Output, model: ModelInfo) -> list[Delta]:
        match output:
            case Rendered(prompt_tokens=tokens, opens_in=channel):
                first = not self._choices
                self.opens_in = self.opens_in if index else channel
                self._prompt_tokens[index] = tokens
                parse = partial(self._pipeline.engine.parse_calls, job_id(self._id, index))
                dialect = model.dialect if self.request.messages else PLAIN
                self._choices[index] = Choice(index, self.request, dialect, channel, parse)
                return [Started(tokens)] if first else []
            case Prefill():
                self._prefill_begun = self._prefill_begun or self._clock()
                self._cached_tokens[index] = output.cached
                if output.miss and not index:
                    self._missed(output.miss, output.total - output.cached)
                return []
            case Piece():
                if not index:
                    self.raw.take(output)
                return await self._read(index, output)

    def _missed(self, miss: Miss, tokens: int) -> None:
        self._miss = miss
        if miss.reason != "new" and tokens >= _DEAR:
            self._parted()

    async def _read(self, index: int, piece: Piece) -> list[Delta]:
        choice = self._choices[index]
        if choice.finish:
            return []
        if piece.tokens:
            now = self._clock()
            self._spans[index] = (self._spans.get(index, (now,))[0], now)
        deltas = await choice.read(piece)
        if choice.finish:
            deltas.append(Finish(choice.finish, self.usage, self.timings, index))
        return deltas
