"""Connections to an endpoint: requests go out, reads with their times come in. Knows nothing of chat or of figures.

No httpx2, no openai: see http1 for what those cost. While something is measured nothing is parsed but the framing.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mlxtui import __version__
from mlxtui.bench.http1 import Response
from mlxtui.text import safe_line

Read = tuple[float, bytes]
"""When it came (monotonic seconds), and what of the payload came."""


class RequestFailed(Exception):
    """One sentence for a person: why a request has no figures."""


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint: `base` ends in the API root (mostly /v1), `label` is its name in the report."""

    base: str
    label: str
    model: str = ""
    key: str | None = None

    @property
    def root(self) -> str:
        """What the API root is below: where /health lives."""
        return self.base.removesuffix("/v1")


class Connection(asyncio.Protocol):
    """Carries one request at a time; `reads` are those of the current one, `sent` is when it was written."""

    def __init__(self) -> None:
        self.sent = 0.0
        self.reads: list[Read] = []
        self.response = Response()
        self._goal = sys.maxsize
        self._waiter: asyncio.Future[None] | None = None
        self._broken = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        try:
            self.reads.append((now, self.response.feed(data)))
        except ValueError as error:
            self._broken = f"the answer can't be read: {safe_line(str(error), 200)}"
        if self.response.complete or self._broken or len(self.reads) >= self._goal:
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self.response.close()
        if not self.response.complete:
            self._broken = self._broken or "the connection broke before the answer was whole"
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def send(self, request: bytes) -> None:
        self.response, self.reads, self._broken = Response(), [], ""
        self.sent = time.monotonic()
        self._transport.write(request)

    async def until(self, reads: int = sys.maxsize) -> bool:
        """Wait for so many reads, or for the end; whether more is to come.

        Raises:
            RequestFailed: the connection broke.
        """
        self._goal = reads
        while not (self.response.complete or self._broken or len(self.reads) >= reads):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._broken:
            raise RequestFailed(self._broken)
        return not self.response.complete

    def close(self) -> None:
        """At once, as a client that is killed."""
        self._transport.abort()


def base_url(url: str) -> str:
    """`host:port`, `http://host:port` and `http://host:port/v1/` all mean the same API root, as for `mlxtui check`.

    Not the suite's own function: to import it is to import openai, half a second for three lines.
    """
    full = (url if "://" in url else f"http://{url}").rstrip("/")
    return full if urlsplit(full).path else f"{full}/v1"


@asynccontextmanager
async def connection(target: Target) -> AsyncIterator[Connection]:
    """An open connection; it is cut off with the block.

    Raises:
        RequestFailed: nothing answers there.
    """
    parts = urlsplit(target.base)
    secure = parts.scheme == "https"
    try:
        port = parts.port or (443 if secure else 80)
        loop = asyncio.get_running_loop()
        _, opened = await loop.create_connection(Connection, parts.hostname or "", port, ssl=secure)
    except (OSError, ValueError) as error:
        raise RequestFailed(f"nothing answers at {target.base}: {safe_line(str(error), 200)}") from error
    try:
        yield opened
    finally:
        opened.close()


def request(target: Target, url: str, body: object = None) -> bytes:
    """A request as bytes; made before any clock runs."""
    parts = urlsplit(url)
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{'GET' if body is None else 'POST'} {parts.path or '/'} HTTP/1.1",
        f"host: {parts.netloc}",
        f"user-agent: mlxtui-bench/{__version__}",
        "accept-encoding: identity",
        "content-type: application/json",
        f"content-length: {len(content)}",
    ]
    if target.key:
        lines.append(f"authorization: Bearer {target.key}")
    return "\r\n".join([*lines, "\r\n"]).encode() + content


async def get(target: Target, url: str) -> tuple[int, Any]:
    """Status and JSON of a GET; None for a body that is none.

    Raises:
        RequestFailed: nothing answers there.
    """
    async with connection(target) as opened:
        opened.send(request(target, url))
        await opened.until()
        payload = b"".join(data for _, data in opened.reads)
    try:
        return opened.response.status, json.loads(payload)
    except ValueError:
        return opened.response.status, None
