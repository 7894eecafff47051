"""The dashboard's side of the wire: a server's URL comes in; its folded State, cancel, inspect and shutdown come out.

Everything it knows of the server it got over HTTP and SSE. It knows nothing of terminals or of the engine. A server
that is gone is a state (`Link`), never an exception of `follow`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import httpx2
from httpx2 import ServerSentEvent

from mlxtui.answer import Answer
from mlxtui.errors import UserError
from mlxtui.events import Event, from_json
from mlxtui.fold import fold
from mlxtui.kept import Cache, CacheAction
from mlxtui.models.entry import Entry
from mlxtui.models.hub import Hit
from mlxtui.reach import (
    SILENCE,
    TIMEOUT,
    NotThere,
    ReadOnly,
    ServerUnreachable,
    http_client,
    refusal,
    sentence,
    skew,
    told_state,
    understood,
    with_scheme,
)
from mlxtui.state import State
from mlxtui.types import Priority

LinkStatus = Literal["connecting", "connected", "gone"]

ModelAction = Literal["load", "unload", "pull", "pull/cancel", "remove"]

HUB_PATIENCE = 90.0  # seconds for a search: the Hub's client tries again for a while
MAX_EVENT_BYTES = 64 << 20
LISTED = 10_000  # finished requests that are remembered here: who watches all day sees more than a snapshot brings
BACKOFF = (0.1, 3.0)  # first and longest pause between two tries, in seconds


@dataclass(frozen=True, slots=True)
class Link:
    """How the feed stands; `detail` says why it is not connected."""

    status: LinkStatus
    detail: str = ""


class ServerClient:
    """One server, by URL. `state` and `link` are as fresh as the feed."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        backoff: tuple[float, float] = BACKOFF,
        readonly: bool = False,
    ) -> None:
        """With `readonly` whatever would change something raises ReadOnly, and the server hears nothing of it."""
        self.url = with_scheme(url)
        self.readonly = readonly
        self.state = State()
        self.link = Link("connecting")
        self.skew = 0.0
        """Seconds the server's clock is ahead of ours."""
        self._last_id: str | None = None
        self._backoff = backoff
        self.api_key = api_key
        self.has_key = bool(api_key)
        self._http = http_client(self.url, api_key)

    async def close(self) -> None:
        await self._http.aclose()

    async def follow(self) -> AsyncGenerator[Link | Event, None]:
        """Keep `state` up to date for as long as it is iterated; yields each change of `link` and each folded event."""
        pause = self._backoff[0]
        while True:
            try:
                async for change in self._read_feed():
                    pause = self._backoff[0]
                    yield change
                yield self._lost("the server closed the connection")
            except (httpx2.HTTPError, UserError, ValueError) as error:
                yield self._lost(sentence(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._backoff[1])

    async def _read_feed(self) -> AsyncIterator[Link | Event]:
        headers = {"last-event-id": self._last_id} if self._last_id else {}
        async with self._sse("/mlxtui/events", headers) as source:
            self.skew = skew(source.response.headers.get("date"), time.time())
            if self._last_id:
                yield self._linked(Link("connected"))
            async for item in source:
                change = self._take(item)
                self._last_id = item.id or self._last_id
                if change is not None:
                    yield change

    def _take(self, item: ServerSentEvent) -> Link | Event | None:
        data = json.loads(item.data)
        if not isinstance(data, dict):
            raise ServerUnreachable("this is no feed of an mlxtui server")
        if item.event == "snapshot":
            known, (self.state, notice) = self.state, told_state(data, LISTED)
            self.state.remember(known)
            return self._linked(Link("connected", notice))
        try:
            event = from_json(data)
        except ValueError:
            return None  # a newer server may tell of more than we know
        fold(self.state, event)
        return event

    def _linked(self, link: Link) -> Link:
        self.link = link
        return link

    def _lost(self, detail: str) -> Link:
        """Not connected: still, as long as it never was; else gone."""
        known = self.state.server.started > 0
        return self._linked(Link("gone" if known else "connecting", detail))

    async def health(self) -> dict[str, Any]:
        """What GET /health says: status, version, model, running, queued."""
        return await self._json("GET", "/health")

    async def inspect(self, request: str) -> dict[str, Any]:
        """The request's wire body and its answer so far.

        Raises:
            NotThere: its body is no longer kept.
        """
        return await self._json("GET", f"{_path(request)}")

    async def look(self, request: str, what: str, after: int = 0) -> dict[str, Any]:
        """The request's "prompt" or "raw" output token by token, or what went over the "wire" (`after`: from there on).

        Raises:
            NotThere: it is not kept, or never was.
        """
        return await self._json("GET", f"{_path(request)}/{what}" + (f"?after={after}" if after else ""))

    async def cancel(self, request: str) -> None:
        """End a request.

        Raises:
            NotThere: it has already ended.
        """
        answer = await self._json("POST", f"{_path(request)}/cancel")
        if not answer.get("cancelled"):
            raise NotThere("it has already ended")

    async def prioritise(self, request: str, priority: Priority) -> None:
        """Let a request that waits or prefills go before or after others.

        Raises:
            NotThere: its answer has begun, or it has ended.
        """
        answer = await self._json("POST", f"{_path(request)}/priority", {"priority": priority})
        if not answer.get("changed"):
            raise NotThere("its answer has already begun")

    async def models(self) -> list[Entry]:
        """The models on the server's machine."""
        told = await self._json("GET", "/mlxtui/models")
        return understood(lambda: [Entry.from_json(entry) for entry in told["models"]])

    async def change_models(self, action: ModelAction, model: str = "") -> dict[str, Any]:
        """Load, unload, download, cancel a download, remove. Loading answers when it is done, which may take minutes.

        Raises:
            NotThere: there is no such model.
            ServerUnreachable: the server refused, in its own words.
        """
        return await self._json("POST", f"/mlxtui/models/{action}", {"model": model}, patience=None)

    async def search_hub(self, text: str) -> list[Hit]:
        """Models for MLX on the Hub with `text` in their name."""
        told = await self._json("GET", f"/mlxtui/models/search?q={quote(text, safe='')}", patience=HUB_PATIENCE)
        return understood(lambda: [Hit.from_json(hit) for hit in told["models"]])

    async def cache(self) -> Cache:
        """What the prompt cache keeps."""
        told = await self._json("GET", "/mlxtui/cache")
        return understood(lambda: Cache.from_json(told))

    async def change_cache(self, action: CacheAction, id: str) -> Cache:
        """Pin, unpin or drop an entry; returns what is kept then.

        Raises:
            NotThere: it is kept no more.
        """
        path = f"/mlxtui/cache/{quote(id, safe='')}"
        told = await (self._json("DELETE", path) if action == "drop" else self._json("POST", f"{path}/{action}"))
        return understood(lambda: Cache.from_json(told))

    async def shutdown(self) -> None:
        """Ask the server to finish what it is doing and exit."""
        await self._json("POST", "/mlxtui/shutdown")

    async def output(self, request: str) -> AsyncGenerator[Answer, None]:
        """The request's answer, grown by each delta, until it is complete. It is the same object every time.

        Raises:
            NotThere: its output is no longer kept.
            ServerUnreachable: the connection broke.
        """
        answer = Answer()
        try:
            async with self._sse(f"{_path(request)}/output", {}) as source:
                async for item in source:
                    if item.event == "end":
                        return
                    answer.take(item.event, json.loads(item.data))
                    yield answer
        except (httpx2.HTTPError, ValueError) as error:
            raise ServerUnreachable(sentence(error)) from error

    async def chat(self, body: Mapping[str, Any]) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """Ask for a streamed chat completion; yields each chunk of it with the request's id. Closing it cancels.

        Raises:
            NotThere: the server knows no such model.
            ServerUnreachable: it refused the request (in its own words), or the connection broke.
        """
        try:
            async with self._sse("/v1/chat/completions", {}, body) as source:
                request = source.response.headers.get("x-request-id", "").removeprefix("req_")
                async for item in source:
                    if item.data == "[DONE]":
                        return
                    chunk = json.loads(item.data)
                    yield request, chunk if isinstance(chunk, dict) else {}
            raise ServerUnreachable("the answer broke off: the server closed the connection")
        except (httpx2.HTTPError, ValueError) as error:
            raise ServerUnreachable(sentence(error)) from error

    @asynccontextmanager
    async def _sse(
        self, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None
    ) -> AsyncIterator[httpx2.EventSource]:
        """A stream of events: asked for with POST where there is a body."""
        method = "GET" if body is None else "POST"
        self._allow(method)
        stream = self._http.sse(
            path,
            method=method,
            json=body,
            headers=dict(headers),
            timeout=TIMEOUT,
            max_event_size=MAX_EVENT_BYTES,
        )
        async with stream as source:
            if source.response.status_code != 200:
                await source.response.aread()
                raise refusal(source.response)
            yield source

    def _allow(self, method: str) -> None:
        if self.readonly and method != "GET":
            raise ReadOnly("this dashboard is read-only: nothing is changed from here")

    async def _json(
        self, method: str, path: str, body: dict[str, Any] | None = None, patience: float | None = SILENCE
    ) -> dict[str, Any]:
        self._allow(method)
        try:
            response = await self._http.request(method, path, json=body, timeout=httpx2.Timeout(5.0, read=patience))
            if response.is_error:
                raise refusal(response)
            data = response.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise ServerUnreachable(sentence(error)) from error
        if not isinstance(data, dict):
            raise ServerUnreachable(f"{path} did not answer with a JSON object: is this an mlxtui server?")
        return data


def _path(request: str) -> str:
    return f"/mlxtui/requests/{quote(request, safe='', errors='replace')}"
