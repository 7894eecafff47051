"""The plain-text twin of the dashboard: events in, one line per transition of a request or the server out."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Full, Queue

from mlxtui.events import (
    Downloading,
    EngineDown,
    EngineStep,
    Event,
    Logged,
    ModelLoading,
    ModelReady,
    ModelUnloaded,
    PromptParted,
    RequestFinished,
    RequestQueued,
    RequestReceived,
    ServerStarted,
    ServerStopping,
)
from mlxtui.parting import MISSES
from mlxtui.text import safe_line


class Printer:
    """Writes lines to stdout from a thread of its own: a paused terminal or a full pipe must not hold up the server."""

    def __init__(self, pending: int = 10_000) -> None:
        self._lines: Queue[str | None] = Queue(pending)
        self._thread = threading.Thread(target=self._write, name="console", daemon=True)
        self._thread.start()

    def print(self, line: str) -> None:
        """Queue `line`; it is dropped when nobody reads and too many wait already."""
        with suppress(Full):
            self._lines.put_nowait(line)

    def close(self, patience: float = 1.0) -> None:
        """Let what is queued be written, if somebody reads."""
        with suppress(Full):
            self._lines.put_nowait(None)
        self._thread.join(patience)

    def _write(self) -> None:
        """Past `sys.stdout`: a write that stands still would hold its lock, and the interpreter aborts at its end."""
        out, encoding = sys.stdout.fileno(), sys.stdout.encoding
        with suppress(OSError):  # the reader has gone: so have we
            while (line := self._lines.get()) is not None:
                left = f"{line}\n".encode(encoding, "replace")
                while left:
                    left = left[os.write(out, left) :]


class Console:
    """Remembers only which requests still have a first prefill and a first decode to be shown."""

    def __init__(self) -> None:
        self._unfilled: set[str] = set()
        self._undecoded: set[str] = set()

    def lines(self, event: Event) -> list[str]:
        clock = time.strftime("%H:%M:%S", time.localtime(event.t))
        return [f"{clock}  {safe_line(text)}" for text in self._texts(event)]

    def _texts(self, event: Event) -> Iterator[str]:
        match event:
            case ServerStarted():
                yield f"mlxtui {event.version} listening on {event.url} (pid {event.pid})"
            case ServerStopping():
                yield f"stopping: running requests have {event.grace:g} s to finish"
            case ModelLoading():
                yield f"model {event.model}: {event.detail}"
            case ModelReady():
                size = event.weights_bytes / 1e6
                yield (
                    f"model {event.model} ready in {event.load_seconds:.1f} s on {event.device}: "
                    f"{size:,.0f} MB, context {event.context_length:,}"
                )
            case ModelUnloaded():
                yield "no model is loaded any more"
            case Downloading(status="running"):
                if not event.total_bytes:
                    yield f"download of {event.model} begins"
            case Downloading():
                yield f"download of {event.model} {event.status}{': ' if event.detail else ''}{event.detail}"
            case EngineDown():
                again = "" if event.retry_in is None else f"; next try in {event.retry_in:.1f} s"
                yield f"engine down: {event.detail}{again}"
            case Logged(level="warning" | "error"):
                yield f"{event.level}: {event.message}"
            case RequestReceived() | RequestQueued() | RequestFinished() | PromptParted():
                yield f"{event.id[:6]}  {self._request(event)}"
            case EngineStep():
                yield from self._step(event)

    def _request(self, event: RequestReceived | RequestQueued | PromptParted | RequestFinished) -> str:
        match event:
            case RequestReceived():
                self._unfilled.add(event.id)
                self._undecoded.add(event.id)
                return (
                    f"{event.endpoint} from {event.client}, model {event.model}{', streamed' if event.stream else ''}"
                )
            case RequestQueued():
                return f"queued: {event.prompt_tokens:,} prompt tokens"
            case PromptParted():
                return f"parts after token {event.at:,} in {event.where}"
            case RequestFinished():
                self._unfilled.discard(event.id)
                self._undecoded.discard(event.id)
                return self._finished(event)

    def _finished(self, event: RequestFinished) -> str:
        if event.error:
            return f"✗ {event.status} {event.error} ({event.total:.2f} s)"
        decode = event.total - (event.ttft or 0.0)
        speed = f", {(event.completion_tokens - 1) / decode:.1f} tok/s" if event.completion_tokens > 1 else ""
        return f"✓ {event.outcome}: {event.completion_tokens:,} tokens in {event.total:.2f} s{speed}"

    def _step(self, step: EngineStep) -> Iterator[str]:
        for prefill in step.prefills:
            if prefill.id in self._unfilled:
                self._unfilled.discard(prefill.id)
                why = f": {MISSES[prefill.miss]}" if prefill.miss else ""
                yield f"{prefill.id[:6]}  prefill: {prefill.total:,} tokens, {prefill.cached:,} of them cached{why}"
        for decoded in step.decoded:
            if decoded.id in self._undecoded:
                self._undecoded.discard(decoded.id)
                yield f"{decoded.id[:6]}  decode"
