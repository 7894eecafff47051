"""A real `mlxtui serve` in a process of its own, for tests that use it as a user would."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import openai
import psutil

DEADLINE = 60.0


@dataclass(frozen=True)
class Server:
    """`out` is what it has printed so far."""

    url: str
    process: subprocess.Popen[bytes]
    out: Path

    def client(self, **options: object) -> openai.OpenAI:
        """The official client, strict about the shape of every answer."""
        return openai.OpenAI(
            base_url=f"{self.url}/v1", api_key="none", max_retries=0, _strict_response_validation=True, **options
        )

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.url + path, timeout=10)

    def worker(self) -> psutil.Process:
        """The engine worker among the server's children."""
        return worker_of(psutil.Process(self.process.pid))

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.get("/ready").status_code == 200)


def worker_of(server: psutil.Process) -> psutil.Process:
    return next(child for child in server.children() if "mlxtui.engine.worker" in child.cmdline())


def wait_for(condition: object, deadline: float = DEADLINE) -> None:
    """Poll `condition` until it holds; only ever for other processes, which can't be awaited."""
    end = time.monotonic() + deadline
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.02)


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "mlxtui", "serve", *flags]


@contextmanager
def serving(home: Path, *flags: str) -> Iterator[Server]:
    """A server on a free port that is ready; it is ended with SIGTERM if the test has not ended it."""
    environ = os.environ | {"MLXTUI_HOME": str(home)}
    out = home / "out.txt"
    with out.open("w") as file:
        process = subprocess.Popen(
            command("--port", "0", *flags), stdout=file, stderr=subprocess.STDOUT, env=environ, cwd=home
        )
    try:
        wait_for(lambda: "listening on" in out.read_text() or process.poll() is not None)
        url = re.search(r"http://\S+", out.read_text())
        assert url, out.read_text()
        server = Server(url[0], process, out)
        server.wait_until_ready()
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=DEADLINE)
