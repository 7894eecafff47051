"""What went over the connection of one exchange, for the inspector: beginning and end, secrets blotted out.

Messages of ASGI come in, JSON goes out. It does not know what they say.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from hypercorn.typing import ASGISendEvent

from mlxtui.recorded import Headers
from mlxtui.recording import without_secrets

FIRST, LAST = 64 << 10, 128 << 10
"""Bytes that are kept of the beginning and of the end of a body."""


class Chunk(NamedTuple):
    """`t` seconds after the request began; `number` counts all that were sent."""

    number: int
    t: float
    data: bytes


class Wire:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = ""
        self.status: int | None = None
        self.complete = False
        self.unread = b""
        """The request's body where it is no JSON object."""
        self._asked: Headers = ()
        self._answered: Headers = ()
        self._first: list[Chunk] = []
        self._last: deque[Chunk] = deque()
        self._first_bytes = self._last_bytes = self._sent = self._bytes = 0
        self._clock, self._begun = clock, clock()

    def asked(self, path: str, headers: Iterable[tuple[str, str]]) -> None:
        self.path = path
        self._asked = without_secrets(tuple((name.lower(), value) for name, value in headers))

    def take(self, message: ASGISendEvent) -> None:
        """One message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._answered = without_secrets(
                tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in message["headers"])
            )
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body")
            if message["body"]:
                self._keep(bytes(message["body"]))

    def _keep(self, data: bytes) -> None:
        chunk = Chunk(self._sent, round(self._clock() - self._begun, 4), data[:FIRST])
        self._sent += 1
        self._bytes += len(data)
        if not self._last and self._first_bytes + len(chunk.data) <= FIRST:
            self._first.append(chunk)
            self._first_bytes += len(chunk.data)
            return
        self._last.append(chunk)
        self._last_bytes += len(chunk.data)
        while self._last_bytes > LAST:
            self._last_bytes -= len(self._last.popleft().data)

    @property
    def nbytes(self) -> int:
        return self._first_bytes + self._last_bytes + len(self.unread)

    def to_json(self, after: int = 0) -> dict[str, Any]:
        """`chunks` from number `after` on as [number, seconds, text]; `left_out`: bytes of all that is not kept."""
        kept = [chunk for chunk in (*self._first, *self._last) if chunk.number >= after]
        return {
            "request": {
                "path": self.path,
                "headers": self._asked,
                "unread": self.unread.decode(errors="replace") or None,
            },
            "response": {
                "status": self.status,
                "headers": self._answered,
                "chunks": [[chunk.number, chunk.t, chunk.data.decode(errors="replace")] for chunk in kept],
                "sent": self._sent,
                "bytes": self._bytes,
                "left_out": self._bytes - self._first_bytes - self._last_bytes,
                "complete": self.complete,
            },
        }
