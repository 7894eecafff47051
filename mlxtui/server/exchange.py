"""One exchange with a client: from the first byte of its request to the last of its answer, and what is kept after.

An Exchange drives a pipeline Run in a task of its own and logs its deltas; the client's response, the inspector and
whoever comes later read that log at their own pace.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any
from uuid import uuid4

from mlxtui.api.body import parse_object
from mlxtui.choice import joined
from mlxtui.errors import ApiError, Cancelled
from mlxtui.events import (
    Event,
    Logged,
    LogLevel,
    Outcome,
    PromptParted,
    RequestFinished,
    RequestPrioritised,
    RequestReceived,
)
from mlxtui.pipeline import Run
from mlxtui.server.journal import Journal
from mlxtui.server.wire import FIRST, Wire
from mlxtui.text import safe_line
from mlxtui.types import CallArguments, CallStart, Delta, Finish, Priority, Reasoning, Started, Text, Timings, Usage

log = logging.getLogger(__name__)


class Exchange:
    """Begun with the request's body; ends exactly once, with an answer or an error."""

    def __init__(self, endpoint: str, client: str, raw: bytes, publish: Callable[[Event], None], id: str = "") -> None:
        self.id = id or uuid4().hex[:16]
        self.endpoint = endpoint
        self.client = client
        self.wire = Wire()
        self.created = int(time.time())
        self.body: dict[str, Any] = {}
        self.error: ApiError | None = None
        self.outcome: Outcome | None = None
        self.background = False
        """Whether it goes on when its client leaves."""
        self._publish = publish
        self._asked_bytes = len(raw)
        self._begun = time.monotonic()
        self._run: Run | None = None
        self._task: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._explaining: asyncio.Task[None] | None = None
        self._log: Journal[Delta] = Journal()
        self._stop_with: ApiError | None = None
        self._fault = self._read(raw)

    def _read(self, raw: bytes) -> ApiError | None:
        fault = None
        try:
            self.body = parse_object(raw)
        except ApiError as error:
            fault, self.wire.unread = error, raw[:FIRST]
        model, stream = self.body.get("model"), self.body.get("stream")
        self._publish(
            RequestReceived(
                t=time.time(),
                id=self.id,
                endpoint=self.endpoint,
                client=safe_line(self.client, 40),
                model=safe_line(model, 80) if isinstance(model, str) else "",
                stream=stream is True,
            )
        )
        return fault

    def json(self) -> dict[str, Any]:
        """The request's body.

        Raises:
            InvalidRequest: it is no JSON object.
        """
        if self._fault:
            raise self._fault
        return self.body

    @property
    def run(self) -> Run | None:
        """None: it has not reached the model's door."""
        return self._run

    @property
    def size(self) -> int:
        """Bytes that are kept of it, about."""
        return self._asked_bytes + self.wire.nbytes + (self._run.raw.nbytes if self._run else 0)

    @property
    def usage(self) -> Usage:
        return self._run.usage if self._run else Usage()

    @property
    def timings(self) -> Timings:
        return self._run.timings if self._run else Timings(total=time.monotonic() - self._begun)

    @property
    def finished(self) -> bool:
        return self.outcome is not None

    @property
    def over(self) -> bool:
        """Finished, and its answer is kept where it is to be kept."""
        return self.finished and (self._keeper is None or self._keeper.done())

    def start(self, run: Run) -> None:
        self._run = run
        if run.priority != "normal":
            self._publish(RequestPrioritised(t=time.time(), id=self.id, priority=run.priority))
        self._task = asyncio.create_task(self._drive(run), name=f"exchange {self.id}")
        # A task that is cancelled before its first step never enters `_drive`.
        self._task.add_done_callback(lambda _: None if self.finished else self._end_cancelled())

    def keep(self, keeper: asyncio.Task[None]) -> None:
        """`keeper` stores the answer: the server does not stop before it is done."""
        self._keeper = keeper

    def tell(self, level: LogLevel, message: str) -> None:
        """Something about this request that an operator should see."""
        self._publish(Logged(t=time.time(), level=level, message=safe_line(message, 300), request=self.id))

    def cancel(self, reason: ApiError) -> bool:
        """End the run with `reason`; False when it has ended already."""
        if self.finished or self._task is None:
            return False
        self._stop_with = reason
        self._task.cancel()
        return True

    def prioritise(self, priority: Priority) -> bool:
        """Let it go before or after others; False when it is too late for that."""
        if self.finished or self._run is None or not self._run.prioritise(priority):
            return False
        self._publish(RequestPrioritised(t=time.time(), id=self.id, priority=priority))
        return True

    @contextmanager
    def rejecting(self) -> Iterator[None]:
        """Ends the exchange when the block fails: its request never reaches the engine, by its own fault or a bug."""
        try:
            yield
        except asyncio.CancelledError:
            self._end_cancelled()
            raise
        except Exception as error:
            self._end("error", error if isinstance(error, ApiError) else internal_error())
            raise

    async def started(self) -> None:
        """Wait until the answer begins: from then on a failure is reported within it.

        Raises:
            ApiError: it never begins.
        """
        await self._log.begun()

    async def ended(self) -> None:
        """Wait until the last event of this exchange is out, and its answer kept."""
        for task in (self._task, self._keeper):
            if task:
                await asyncio.wait([task])

    def follow(self, silence: float | None = None) -> AsyncGenerator[tuple[Delta, ...], None]:
        """All deltas so far, then those to come, in batches; an empty batch after `silence` seconds without any.

        Raises:
            ApiError: the exchange's own, after the last delta.
        """
        return self._log.follow(silence=silence)

    async def _drive(self, run: Run) -> None:
        try:
            async with aclosing(run.deltas(self._explain_later)) as batches:
                async for batch in batches:
                    self._log.add(batch)
            last = self._log.entries[-1]
            assert isinstance(last, Finish)
            self._end(last.reason, None)
        except asyncio.CancelledError:
            self._end_cancelled()
        except ApiError as error:
            self._end("error", error)
        except Exception:
            log.exception("request %s broke the server's own code", self.id)
            self._end("error", internal_error())

    def _explain_later(self) -> None:
        self._explaining = asyncio.create_task(self._explain(), name=f"parting of {self.id}")

    async def _explain(self) -> None:
        """Tell which field made the prompt part from an earlier one; its words are for the inspector only."""
        if (miss := await self.miss()) and miss["where"]:
            self._publish(PromptParted(t=time.time(), id=self.id, at=miss["at"], where=miss["where"]))

    def _end_cancelled(self) -> None:
        self._end("cancelled", self._stop_with or Cancelled("the request was cancelled"))

    def _end(self, outcome: Outcome, error: ApiError | None) -> None:
        self.outcome, self.error = outcome, error
        self._log.end(error)
        self._log = Journal(joined(self._log.entries))  # for who comes later: text, not a delta a token
        self._log.end(error)
        usage, timings = self.usage, self.timings
        self._publish(
            RequestFinished(
                t=time.time(),
                id=self.id,
                status=error.status if error else 200,
                outcome=outcome,
                error=safe_line(error.message, 300) if error else None,
                prompt_tokens=usage.prompt_tokens,
                cached_tokens=usage.cached_tokens,
                completion_tokens=usage.completion_tokens,
                reasoning_tokens=usage.reasoning_tokens,
                ttft=timings.ttft,
                total=timings.total,
                per_token=timings.per_token,
            )
        )

    def output(self) -> dict[str, Any]:
        """What the model has said so far in its first choice: `reasoning`, `content`, `tool_calls`."""
        text: dict[type, list[str]] = {Text: [], Reasoning: []}
        calls: list[dict[str, str]] = []
        for delta in self._log.entries:
            match delta:
                case Started() | Finish():
                    pass
                case _ if delta.choice:
                    pass
                case Text() | Reasoning():
                    text[type(delta)].append(delta.text)
                case CallStart():
                    calls.append({"id": delta.id, "name": delta.name, "arguments": ""})
                case CallArguments():
                    calls[delta.index]["arguments"] += delta.text
        return {"reasoning": "".join(text[Reasoning]), "content": "".join(text[Text]), "tool_calls": calls}

    async def miss(self) -> dict[str, Any] | None:
        """Why no more of its prompt came from the cache, see `Run.miss`."""
        return await self._run.miss() if self._run else None

    def to_json(self) -> dict[str, Any]:
        """For the inspector."""
        usage, timings = self.usage, self.timings
        return {
            "id": self.id,
            "endpoint": self.endpoint,
            "client": self.client,
            "created": self.created,
            "request": self.body,
            "output": self.output(),
            "finished": self.finished,
            "outcome": self.outcome,
            "error": self.error.body()["error"] if self.error else None,
            "status": self.error.status if self.error else 200,
            "priority": self._run.priority if self._run else "normal",
            "usage": {name: getattr(usage, name) for name in Usage.__dataclass_fields__},
            "timings": {name: getattr(timings, name) for name in Timings.__dataclass_fields__},
        }


def internal_error() -> ApiError:
    return ApiError("internal error; the server's log tells more", code="internal_error")
