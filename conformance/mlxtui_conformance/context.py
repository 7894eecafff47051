"""What a check function works with: the strict official client, raw HTTP, samples taken once per run.

Every exchange is recorded and held to one deadline (wire.py). Knows nothing of chat.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

import httpx2
from openai import OpenAI

from .check import Fail, Inconclusive, Unsupported
from .target import Target
from .wire import Deadline, Exchange, Recorder, Reply, Streamed, whole

T = TypeVar("T")
# A server that compresses would hide its framing from a check that reads bytes.
PLAIN = {"accept-encoding": "identity"}
NO_KEY = "conformance-needs-no-key"  # the official client insists on some key


class Shared:
    """What the checks of one run share: the transport, and samples that are taken only once."""

    def __init__(self, transport: httpx2.BaseTransport) -> None:
        self.transport = transport
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._kept: dict[str, tuple[object, list[Exchange]]] = {}

    def once(self, key: str, recorder: Recorder, take: Callable[[], object]) -> object:
        """The sample under `key`; a verdict raised while taking it is raised again for all."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key in self._kept:
                value, exchanges = self._kept[key]
                recorder.exchanges += exchanges  # so that a failure shows where it came from
            else:
                before = len(recorder.exchanges)
                value = _outcome(take)
                self._kept[key] = value, recorder.exchanges[before:]
        if isinstance(value, Fail | Unsupported | Inconclusive):
            raise value
        return value


def _outcome(take: Callable[[], object]) -> object:
    try:
        return take()
    except (Fail, Unsupported, Inconclusive) as verdict:
        return verdict


class Context:
    """The hands of one check; open it as a context manager."""

    def __init__(self, target: Target, shared: Shared, seconds: float | None = None) -> None:
        self.target = target
        self.shared = shared
        self.notes: list[str] = []
        limit = seconds if seconds is not None else target.limits.check
        self.recorder = Recorder(shared.transport, Deadline.after(limit), target.headers)
        self.raw = httpx2.Client(transport=self.recorder, headers=PLAIN, timeout=None)
        if target.key is not None:
            self.raw.headers["authorization"] = f"Bearer {target.key}"
        self.client = self.sdk(target.key or NO_KEY)

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.raw.close()

    def sdk(self, key: str) -> OpenAI:
        """The official client as strict as it gets, over the recorded transport."""
        return OpenAI(
            base_url=self.target.base,
            api_key=key,
            max_retries=0,
            timeout=self.recorder.deadline.seconds,
            http_client=httpx2.Client(transport=self.recorder, timeout=None),
            _strict_response_validation=True,
        )

    def note(self, text: str) -> None:
        """Something worth telling whatever the verdict."""
        self.notes.append(text)

    def once(self, key: str, take: Callable[[], T]) -> T:
        """`take()` the first time in this run, the kept value after that."""
        value: Any = self.shared.once(key, self.recorder, take)
        kept: T = value
        return kept

    def get(self, path: str) -> Reply:
        return self.send("GET", path)

    def post(self, path: str, body: object) -> Reply:
        return self.send("POST", path, json=body)

    def send(self, method: str, path: str, **options: Any) -> Reply:
        """Raw HTTP; a path is below the API root, a full URL is taken as it is."""
        return whole(self.raw.request(method, self.url(path), **options))

    def keyless(self, method: str, path: str, **options: Any) -> Reply:
        """`send` without the key, for what has to be open or has to be shut."""
        with httpx2.Client(transport=self.recorder, headers=PLAIN, timeout=None) as client:
            return whole(client.request(method, self.url(path), **options))

    def stream(self, path: str, body: object, until: bytes | None = None) -> Streamed:
        """POST and keep the bytes as they arrived, read by read; hang up once `until` came."""
        reads: list[tuple[float, bytes]] = []
        broken = ""
        with self.raw.stream("POST", self.url(path), json=body) as response:
            try:
                for part in response.iter_raw():
                    reads.append((time.monotonic(), part))
                    if until is not None and until in part:
                        break
            except httpx2.RemoteProtocolError as error:
                broken = str(error)
        raw = b"".join(part for _, part in reads)
        exchange = response.request.extensions.get("exchange")
        return Streamed(response.status_code, response.headers, raw, exchange, tuple(reads), broken)

    def url(self, path: str) -> str:
        return path if "://" in path else f"{self.target.base}{path}"
