"""START HERE. A Request goes in, Deltas come out: the same road for every API.

    Request ─▶ Job ─▶ engine ─▶ pieces of text ─▶ output parser ─▶ Deltas

The APIs (api/) sit before and after it, the engine (engine/) behind its interface; the server turns bytes into
requests and deltas into bytes. Knows no HTTP, no JSON of any API, no MLX.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from mlxtui.engine.interface import ChatPrompt, Engine, Job, ModelInfo, Output, Piece, Prefill, Rendered
from mlxtui.errors import EngineFailed, RateLimited, Unavailable
from mlxtui.output.json_call import CallBody, CallEnd, CallHead
from mlxtui.output.parser import OutputParser, Part, RawCall
from mlxtui.settings import Settings
from mlxtui.types import (
    NEUTRAL_SAMPLING,
    CallArguments,
    CallStart,
    Delta,
    Finish,
    FinishReason,
    Reasoning,
    Request,
    Started,
    Text,
    Timings,
    Usage,
)


class Pipeline:
    """Admits requests up to the limits of `settings` and runs them on `engine`."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self._settings = settings
        self._admitted = 0

    def open(self, id: str, request: Request) -> Run:
        """The run of one request; nothing happens before its deltas are asked for."""
        return Run(self, id, request)

    @contextmanager
    def admit(self) -> Iterator[ModelInfo]:
        """A place among the running and the queued, for as long as the context lasts.

        Raises:
            Unavailable: no model is loaded.
            RateLimited: the queue is full.
        """
        status, model = self.engine.status, self.engine.model
        if status.state != "ready" or model is None:
            raise Unavailable(f"the model is not ready: {status.detail}", retry_after=status.retry_after or 1.0)
        limit = self._settings.max_running + self._settings.max_queued
        if self._admitted >= limit:
            raise RateLimited(
                f"{self._settings.max_running} requests are running and {self._settings.max_queued} are queued, "
                "which is the limit (--max-running, --max-queued); try again later",
                retry_after=max(1.0, self._settings.max_queued / self._settings.max_running),
            )
        self._admitted += 1
        try:
            yield model
        finally:
            self._admitted -= 1

    def job(self, id: str, request: Request, model: ModelInfo) -> Job:
        """What the engine is asked for: sampling is the request's over the operator's over the model's."""
        defaults = self._settings.sampling.over(model.sampling.over(NEUTRAL_SAMPLING))
        return Job(
            id=id,
            prompt=ChatPrompt(request.messages, request.tools, request.template),
            sampling=request.sampling.over(defaults),
            max_tokens=request.max_tokens,
        )


class Run:
    """One request on its way; `usage` and `timings` are right at any moment, also after a failure."""

    def __init__(
        self, pipeline: Pipeline, id: str, request: Request, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.usage = Usage()
        self._pipeline = pipeline
        self._id = id
        self._request = request
        self._clock = clock
        self._begun = clock()
        self._prefill_begun: float | None = None
        self._first_token: float | None = None
        self._parser: OutputParser | None = None
        self._model: ModelInfo | None = None
        self._begun_calls = 0
        self._calls = 0
        self._finished = False

    @property
    def timings(self) -> Timings:
        now = self._clock()
        return Timings(
            queued=(self._prefill_begun or now) - self._begun,
            ttft=self._first_token and self._first_token - self._begun,
            total=now - self._begun,
        )

    async def deltas(self) -> AsyncGenerator[tuple[Delta, ...], None]:
        """Started first, Finish last; what is ready together comes together. Closing it early cancels the job.

        Raises:
            ApiError: as `Engine.run` and `Pipeline.admit`. Before Started it is the answer to the whole request.
        """
        with self._pipeline.admit() as self._model:
            job = self._pipeline.job(self._id, self._request, self._model)
            async with aclosing(self._pipeline.engine.run(job)) as outputs:
                async for batch in outputs:
                    deltas = [delta for output in batch for delta in await self._take(output)]
                    if deltas:
                        yield tuple(_joined(deltas))
                    if self._finished:
                        return
        raise EngineFailed("the engine ended this answer without finishing it")

    async def _take(self, output: Output) -> list[Delta]:
        if self._finished:
            return []
        match output:
            case Rendered(prompt_tokens=tokens, opens_in=channel):
                assert self._model is not None
                self.usage = replace(self.usage, prompt_tokens=tokens)
                self._parser = OutputParser(
                    self._model.dialect,
                    opens_in=channel,
                    tools=[tool.name for tool in self._request.tools],
                    stop=self._request.stop,
                )
                return [Started(tokens)]
            case Prefill(cached=cached):
                self._prefill_begun = self._prefill_begun or self._clock()
                self.usage = replace(self.usage, cached_tokens=cached)
                return []
            case Piece():
                return await self._read(output)

    async def _read(self, piece: Piece) -> list[Delta]:
        """A piece of text through the parser; the end of the answer when the piece, a stop or a single call ends it."""
        if self._parser is None:
            raise EngineFailed("the engine sent text before the prompt was rendered")
        if piece.tokens and self._first_token is None:
            self._first_token = self._clock()
        parts = self._count(piece, self._parser)
        deltas = await self._deltas(parts)
        if self._finished:
            return [*deltas, self._finish("tool_calls")]
        if self._parser.stopped:
            return [*deltas, self._finish("stop")]
        if piece.finish:
            deltas += await self._deltas(self._parser.finish())
            reason: FinishReason = "tool_calls" if self._calls else "stop"
            return [*deltas, self._finish("length" if piece.finish == "length" else reason)]
        return deltas

    def _count(self, piece: Piece, parser: OutputParser) -> list[Part]:
        before = parser.channel
        parts = parser.feed(piece.text)
        thought = "reasoning" in (before, parser.channel)
        self.usage = replace(
            self.usage,
            completion_tokens=self.usage.completion_tokens + len(piece.tokens),
            reasoning_tokens=self.usage.reasoning_tokens + (len(piece.tokens) if thought else 0),
        )
        return parts

    async def _deltas(self, parts: list[Part]) -> list[Delta]:
        deltas: list[Delta] = []
        for part in parts:
            if self._finished:
                break
            match part:
                case Text() | Reasoning():
                    deltas.append(part)
                case CallHead(name=name):
                    deltas.append(self._call(name))
                case CallBody(text=text):
                    deltas.append(CallArguments(self._begun_calls - 1, text))
                case CallEnd():
                    self._end_call()
                case RawCall():
                    deltas += await self._calls_in(part)
        return deltas

    async def _calls_in(self, raw: RawCall) -> list[Delta]:
        """The calls in a block of tool markup; markup that holds none of the offered tools is text."""
        offered = {tool.name for tool in self._request.tools}
        parsed = await self._pipeline.engine.parse_calls(raw.body, self._request.tools)
        if not parsed or any(call.name not in offered for call in parsed):
            return [Text(raw.whole)]
        deltas: list[Delta] = []
        for call in parsed:
            deltas.append(self._call(call.name))
            deltas.append(CallArguments(self._begun_calls - 1, _json(call.arguments)))
            self._end_call()
            if self._finished:
                break
        return deltas

    def _call(self, name: str) -> CallStart:
        self._begun_calls += 1
        return CallStart(self._begun_calls - 1, f"call_{uuid4().hex[:24]}", name)

    def _end_call(self) -> None:
        self._calls += 1
        self._finished = not self._request.parallel_tool_calls

    def _finish(self, reason: FinishReason) -> Finish:
        self._finished = True
        return Finish(reason, self.usage, self.timings)


def _json(arguments: Mapping[str, Any]) -> str:
    """JSON text that UTF-8 can carry: half a surrogate pair stays the escape that the model wrote."""
    return json.dumps(arguments, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _joined(deltas: list[Delta]) -> Iterator[Delta]:
    """Neighbouring text of one channel or call as one delta: one write to the client."""
    last: Delta | None = None
    for delta in deltas:
        match last, delta:
            case (Text(text=a), Text(text=b)):
                last = Text(a + b)
            case (Reasoning(text=a), Reasoning(text=b)):
                last = Reasoning(a + b)
            case (CallArguments(index=i, text=a), CallArguments(index=j, text=b)) if i == j:
                last = CallArguments(i, a + b)
            case _:
                if last is not None:
                    yield last
                last = delta
    if last is not None:
        yield last
