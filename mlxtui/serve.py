"""Wires the parts of the server together and owns its life: bind, load, serve, drain, end.

Quirks of Hypercorn are kept here. The app itself runs on any ASGI server.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import ASGIFramework

from mlxtui import __version__, logs, recording
from mlxtui.bus import Bus
from mlxtui.engine.interface import Engine
from mlxtui.engine.process import EngineProcess
from mlxtui.engine.replay import ReplayEngine, model_from_json
from mlxtui.errors import ModelUnusable, PortInUse, UserError
from mlxtui.events import EngineDown, Event, ServerStarted, ServerStopping
from mlxtui.recorded import Recording, runs_by_job
from mlxtui.recording import Writer
from mlxtui.server import replayed
from mlxtui.server.app import create_app
from mlxtui.server.console import Console, Printer
from mlxtui.server.downloads import Downloads
from mlxtui.server.ledger import Ledger
from mlxtui.server.recorder import Recorder
from mlxtui.server.tape import RecordingEngine
from mlxtui.settings import Settings
from mlxtui.store.database import Retention, Store

FLUSH = 2.0
"""Seconds that answered connections get to close after the drain; a client that reads nothing can't hold us."""


def run_serve(settings: Settings) -> None:
    """Serve until a signal or a shutdown request, then drain.

    Raises:
        UserError: the port is taken, or the model can't be loaded.
    """
    _raise_file_limit()
    sys.setswitchinterval(0.0005)  # the store's thread waits that long for a busy event loop, at each of its steps
    asyncio.run(_Server(settings, _bind(settings)).run())


class _Server:
    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        self._console = Console()
        self._printer = Printer()
        self._fault: UserError | None = None

    async def run(self) -> None:
        self._stopping, self._hurry = asyncio.Event(), asyncio.Event()
        self._bus = Bus()
        self._ledger = Ledger(self._publish, self._settings.keep_requests)
        self._downloads = Downloads(self._publish)
        logger = logs.configure(self._settings, self._bus.publish_threadsafe)
        store = _store(self._settings)
        await store.open()
        engine, app = self._assemble(store)
        self._catch_signals()
        self._publish(self._started())
        await engine.start()
        gc.freeze()  # a full collection then passes over the modules and the app: 40 ms in which no stream gets a token
        try:
            await self._serve(app, _config(self._listener, logger))
        finally:
            await self._downloads.close()
            await engine.close()
            await store.close()
            self._printer.close()
        if self._fault:
            raise self._fault

    def _assemble(self, store: Store) -> tuple[Engine, ASGIFramework]:
        """The engine and the application over it; recorded sessions are played, and recordings made, in between."""
        settings = self._settings
        played = recording.read(settings.replay) if settings.replay else None
        engine = _replay(played, settings, self._publish) if played else EngineProcess(settings, self._publish)
        taped = RecordingEngine(engine) if settings.record else None
        app = create_app(taped or engine, self._bus, self._ledger, settings, self._stop, store, self._downloads)
        if played:
            replayed.install(app, played)
        if settings.record and taped:
            return engine, Recorder(app, taped, Writer(settings.record, secrets=[settings.api_key or ""]))
        return engine, app

    async def _serve(self, app: ASGIFramework, config: Config) -> None:
        drained = asyncio.Event()
        serving = asyncio.create_task(hypercorn_serve(app, config, shutdown_trigger=drained.wait))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await self._drain()
        drained.set()
        done, _ = await asyncio.wait([serving], timeout=FLUSH)
        if not done:
            serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    async def _drain(self) -> None:
        self._publish(ServerStopping(t=time.time(), grace=self._settings.grace))
        draining = asyncio.create_task(self._ledger.drain(self._settings.grace))
        hurrying = asyncio.create_task(self._hurry.wait())
        await asyncio.wait([draining, hurrying], return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        if not draining.done():
            draining.cancel()
            await self._ledger.drain(0)
        self._bus.close()

    def _stop(self) -> None:
        """The first call drains, the second cuts the drain short."""
        (self._hurry if self._stopping.is_set() else self._stopping).set()

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(sign, self._stop)

    def _started(self) -> ServerStarted:
        host, port = self._listener.getsockname()[:2]
        return ServerStarted(
            t=time.time(),
            version=__version__,
            url=f"http://{f'[{host}]' if ':' in host else host}:{port}",
            pid=os.getpid(),
            max_running=self._settings.max_running,
            memory_bytes=psutil.virtual_memory().total,
        )

    def _publish(self, event: Event) -> None:
        self._bus.publish(event)
        for line in self._console.lines(event):
            self._printer.print(line)
            logs.transcribe(line)
        if isinstance(event, EngineDown) and event.retry_in is None and not self._stopping.is_set():
            self._fault = ModelUnusable(event.detail)
            self._stop()


def _store(settings: Settings) -> Store:
    """What is played from a recording leaves nothing behind: its ids come again with the next replay."""
    if settings.replay:
        return Store()
    archive = settings.home / "conversation_logs" if settings.store_archive == "on" else None
    return Store(settings.store_path, Retention(settings.store_ttl, archive))


def _replay(played: Recording, settings: Settings, publish: Callable[[Event], None]) -> Engine:
    runs = runs_by_job(played.exchanges)
    return ReplayEngine(runs, model_from_json(played.header.model), settings.replay_speed or None, publish)


async def _stay_with_http_1(protocol: H11Protocol, request: object) -> None:
    """Java's HttpClient offers h2c on every GET; taken up, it would get HTTP/2, which we don't speak (see guard)."""


H11Protocol._check_protocol = _stay_with_http_1  # type: ignore[method-assign, assignment]


def _config(listener: socket.socket, logger: object) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # it is Hypercorn's to close now
    config.backlog = 2048
    config.keep_alive_timeout = 75  # longer than any client's own, or a client writes into a closing connection
    config.keep_alive_max_requests = 1_000_000
    config.alpn_protocols = ["http/1.1"]
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = logger  # type: ignore[assignment]
    return config


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"port {settings.port} is in use; pick another with --port") from error
        raise UserError(f"can't listen on {settings.host}:{settings.port}: {error.strerror}") from error
    return listener


def _raise_file_limit() -> None:
    """macOS starts processes with 256 open files: every connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
