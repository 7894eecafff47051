"""A `mlxtui serve` of our own in a child process: started before any terminal app runs, watched, ended gently.

Settings and flags come in; its URL, how it ended and why come out. It knows no dashboard.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlxtui.errors import PortInUse, UserError
from mlxtui.settings import EMBEDDED_MODEL, Settings

POLL = 0.05
PATIENCE = 20.0  # seconds beyond the server's own grace before it is asked again, then killed


class Child:
    """A running server. What it prints on stderr goes to `errors`; its log has a file of its own."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, errors: Path, grace: float) -> None:
        self.process = process
        self.url = url
        self.errors = errors
        self._grace = grace

    @property
    def pid(self) -> int:
        return self.process.pid

    def failure(self, reached: bool) -> str | None:
        """Why it failed to serve, once it has: it ended with an error, or before anyone could reach it."""
        code = self.process.poll()
        if code is None or (code <= 0 and reached):
            return None
        said = [line for line in self.errors.read_text(errors="replace").splitlines() if line.strip()]
        ours = [line.removeprefix("mlxtui: ") for line in said if line.startswith("mlxtui: ")]
        return (ours or said or [f"the server ended with exit code {code}"])[-1]

    def stop(self) -> int:
        """SIGTERM, wait for it to drain; a second one cuts the drain short; SIGKILL comes last. Its exit code."""
        for end, patience in (
            (self.process.terminate, self._grace + PATIENCE),
            (self.process.terminate, PATIENCE),
            (self.process.kill, None),
        ):
            end()
            try:
                return self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        return self.process.wait()


def start(settings: Settings, flags: Mapping[str, Any]) -> Child:
    """Start `mlxtui serve` with `flags`, in a session of its own: Ctrl-C in our terminal does not reach it.

    Raises:
        PortInUse: said at once, before anything is started.
        UserError: the state directory can't be written.
    """
    port = free_port(settings.host, settings.port)
    errors = settings.home / "logs" / f"serve-{port}.err"
    key = {"MLXTUI_API_KEY": settings.api_key} if settings.api_key else {}
    try:
        errors.parent.mkdir(parents=True, exist_ok=True)
        process = _spawn(arguments({**flags, "port": port}), os.environ | key, errors, None)
    except OSError as error:
        raise UserError(f"can't write to {errors}: {error.strerror}; set MLXTUI_HOME") from error
    return Child(process, url(settings.host, port), errors, settings.grace)


def arguments(flags: Mapping[str, Any]) -> list[str]:
    """`flags` as on the command line, but for the API key: that travels in the environment, where no `ps` shows it."""
    words = [str(flags["model"])] if "model" in flags else []
    for name, value in flags.items():
        if name not in ("model", "api_key"):
            many = value if isinstance(value, list | tuple) else [value]
            words += [f"--{name.replace('_', '-')}={each}" for each in many]
    return words


def url(host: str, port: int) -> str:
    """Where we reach a server that listens on `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{port}"


def free_port(host: str, port: int) -> int:
    """`port`, or a free one for 0.

    Raises:
        PortInUse: somebody listens there.
        UserError: that address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise UserError(f"can't listen on {host}:{port}: {error.strerror}") from error
            look = f"look at what runs there with: mlxtui attach {url(host, port)}"
            raise PortInUse(f"port {port} is in use; pick another with --port, or {look}") from error
        found: int = probe.getsockname()[1]
        return found


def _spawn(words: list[str], environ: Mapping[str, str], errors: Path, cwd: Path | None) -> subprocess.Popen[bytes]:
    with errors.open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "mlxtui", "serve", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=dict(environ),
            cwd=cwd,
            start_new_session=True,
        )


@contextmanager
def own_server() -> Iterator[str]:
    """The URL of a server with the embedded model and default settings, ready to answer; it ends with the block.

    Raises:
        UserError: it did not come up.
    """
    with tempfile.TemporaryDirectory(prefix="mlxtui-") as room:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MLXTUI_")}
        environ["MLXTUI_HOME"] = room
        port = free_port("127.0.0.1", 0)
        errors = Path(room) / "serve.err"
        process = _spawn([EMBEDDED_MODEL, f"--port={port}"], environ, errors, Path(room))
        child = Child(process, url("127.0.0.1", port), errors, grace=1.0)
        try:
            wait_until_ready(child)
            yield child.url
        finally:
            child.stop()


def wait_until_ready(child: Child) -> None:
    """Poll /ready until it answers 200.

    Raises:
        UserError: the server ended instead.
    """
    import httpx2

    with httpx2.Client(base_url=child.url, verify=False, trust_env=False) as http:
        while (failure := child.failure(reached=False)) is None:
            try:
                if http.get("/ready").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(POLL)
    raise UserError(f"the server did not come up: {failure}")
