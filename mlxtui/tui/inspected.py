"""All that is known of one request: what the server tells of it, asked for when somebody looks, followed while it runs.

A client and the request's name come in; values to draw go out. It knows no widgets.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from mlxtui.answer import Answer
from mlxtui.client import ServerClient
from mlxtui.errors import MlxtuiError
from mlxtui.row import Row
from mlxtui.tui.spelled import Spelled

WIRE_PACE = 1.0
"""Seconds between two looks at the wire of a request that runs."""


class Inspected:
    """`trouble` says why something is not there, by the name of what it is: "body", "prompt", "raw", "wire"."""

    def __init__(self, client: ServerClient, request: str) -> None:
        self.request = request
        self.answer = Answer()
        self.body: dict[str, Any] = {}
        self.prompt = Spelled()
        self.prompt_told: dict[str, Any] = {}
        self.raw = Spelled()
        self.raw_told: dict[str, Any] = {}
        self.wire: dict[str, Any] = {}
        self.trouble: dict[str, str] = {}
        self.live = True
        self.grew = False
        self._client = client
        self._asked: dict[str, Any] = {}
        self._asking: set[str] = set()

    async def follow(self) -> None:
        """The body at once; the output as it grows; the whole again when it is complete."""
        try:
            if not await self._tell():
                self.grew, seen = True, 0
                async with aclosing(self._client.output(self.request)) as answers:
                    async for self.answer in answers:
                        self.raw.add(self.answer.raw[seen:])
                        seen = len(self.answer.raw)
                        if not self.body.get("in_force"):
                            await self._tell()
                await self._tell()
        except (MlxtuiError, ValueError) as error:
            self.trouble["body"] = str(error)
        self.live = False

    async def _tell(self) -> bool:
        self.body = await self._client.inspect(self.request)
        answer = Answer.from_json(self.body.get("output"))
        if finished := bool(self.body.get("finished")):
            self.answer = answer
        return finished

    def due(self, what: str, row: Row | None, now: float) -> bool:
        """Whether there is news of it to ask for: only what somebody looks at is, and again as it changes."""
        return what not in self._asking and self._asked.get(what) != self._stage(what, row, now)

    def _stage(self, what: str, row: Row | None, now: float) -> Any:
        """How much of it there is to know by now; None: nothing yet."""
        match what:
            case "prompt":
                return "queued" if row is not None and row.state == "queued" else "begun"
            case "raw":
                return None if self.live else "whole"
        return now // WIRE_PACE if self.live else "whole"

    async def look(self, what: str, row: Row | None, now: float) -> None:
        """Ask for "prompt", "raw" or "wire". Nothing is raised: what went wrong is in `trouble`."""
        self._asked[what] = self._stage(what, row, now)
        self._asking.add(what)
        try:
            await getattr(self, f"_look_{what}")()
            self.trouble.pop(what, None)
        except (MlxtuiError, ValueError) as error:
            self.trouble[what] = str(error)
        finally:
            self._asking.discard(what)

    async def look_at_all(self, row: Row | None, now: float) -> None:
        """For who wants a copy of everything, as of now."""
        try:
            await self._tell()
        except (MlxtuiError, ValueError) as error:
            self.trouble["body"] = str(error)
        for what in ("prompt", "raw", "wire"):
            await self.look(what, row, now)

    async def _look_prompt(self) -> None:
        told = await self._client.look(self.request, "prompt")
        if self.live:
            await self._tell()  # why it missed is known once it has left the queue
        self.prompt_told, self.prompt = told, Spelled.from_json(told)

    async def _look_raw(self) -> None:
        told = await self._client.look(self.request, "raw")
        self.raw_told, self.raw = told, Spelled.from_json(told)

    async def _look_wire(self) -> None:
        chunks = (self.wire.get("response") or {}).get("chunks") or []
        told = await self._client.look(self.request, "wire", chunks[-1][0] + 1 if chunks else 0)
        try:
            new = [[int(number), float(t), str(text)] for number, t, text in told["response"]["chunks"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the server tells the wire in a way this version does not know: {error!r}") from error
        told["response"]["chunks"] = [*chunks, *new]
        self.wire = told
