"""A minimal correct endpoint on 127.0.0.1, in a thread; a mount is one endpoint with at most one defect.

Knows nothing of the suite it is checked by.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from . import responses, responses_events, responses_kept
from .brain import CONTEXT, Json
from .cache import Past, cached
from .chat import MODEL, Refusal, check, chunks, completion, frame, stumbles
from .load import Load

HUGE = 1 << 24
UNREAD = 1 << 16  # bytes the kernel takes off our hands before somebody reads them
SHORT, LONG = 24, 400  # frames: the pace of a model before and after these
IDS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: the path below the API root, and the body parsed where it parses."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any = None
    malformed: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: a body, or the frames of a stream."""

    status: int
    body: bytes = b""
    media: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    frames: tuple[bytes, ...] | None = None

    def json(self) -> Any:
        return json.loads(self.body)


def say(status: int, value: object) -> Said:
    return Said(status, json.dumps(value).encode())


Hook = Callable[[Asked, Any], Any]


def same(asked: Asked, value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Defect:
    """One way to be wrong. Each hook sees the request and one stage of the answer to it.

    `caught_by` is the check that claims to find it; `flags` switch what no hook can reach.
    """

    id: str
    caught_by: str
    request: Hook = same  # the parsed body, before anything else sees it
    completion: Hook = same  # the whole answer, as JSON
    chunks: Hook = same  # the list of chunks
    frames: Hook = same  # the list of byte strings to be written
    reply: Hook = same  # any Said at all, the last word
    flags: frozenset[str] = frozenset()


SOUND = Defect("none", "")


@dataclass(frozen=True, slots=True)
class Mount:
    defect: Defect
    key: str | None
    load: Load
    kept: responses_kept.Store = field(default_factory=dict)
    past: Past = field(default_factory=list)


class Server:
    """One listening socket; open it as a context manager."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.mounts: dict[str, Mount] = {}
        self.thread = threading.Thread(target=self._run)
        self.ready = threading.Event()
        self.port = 0

    def __enter__(self) -> Server:
        self.thread.start()
        self.ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.loop.call_soon_threadsafe(self.closing.set)
        self.thread.join()

    def mount(self, defect: Defect = SOUND, key: str | None = None) -> str:
        """The base URL of a new endpoint."""
        name = f"m{len(self.mounts)}"
        self.mounts[name] = Mount(defect, key, Load(defect.flags))
        return f"http://127.0.0.1:{self.port}/{name}/v1"

    def _run(self) -> None:
        self.loop.run_until_complete(self._serve())
        self.loop.close()

    async def _serve(self) -> None:
        self.closing = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await self.closing.wait()
        server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._talk(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer, goodbye: nothing of one check can spill into the next."""
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD)
        try:
            line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = line.split(" ")
            headers = {k.lower(): v.strip() for k, _, v in (h.partition(":") for h in rest if h)}
            name, _, path = target.removeprefix("/").partition("/")
            mount = self.mounts.get(name, Mount(SOUND, None, Load(frozenset())))
            asked = Asked(method, f"/{path}" if path else f"/{name}", headers)
            length = int(headers.get("content-length", "0"))
            if length > HUGE and "greedy" in mount.defect.flags:
                await reader.read()
            raw = b"" if length > HUGE else await reader.readexactly(length)
            asked = _parsed(asked, raw, mount)
            if _stuck(mount.defect, asked):
                await reader.read()  # until the client has had enough
                return
            await self._answer(mount, asked, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left, as some checks do
        finally:
            writer.close()

    async def _answer(
        self, mount: Mount, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        said = mount.defect.reply(asked, respond(mount, asked))
        if asked.method != "POST" or said.status != 200:  # counters and refusals wait for no slot
            writer.write(_head(said) + said.body)
            await writer.drain()
        elif await mount.load.turn(reader):
            await self._in_turn(mount, said, reader, writer)

    async def _in_turn(
        self, mount: Mount, said: Said, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            writer.write(_head(said) + said.body)
            await self._stream(mount, said.frames or (), reader, writer)
            await writer.drain()
        finally:
            mount.load.leave()
        if "counts-resets" in mount.defect.flags:
            await _farewell(mount.load, reader, writer)

    async def _stream(
        self,
        mount: Mount,
        frames: tuple[bytes, ...],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        for at, part in enumerate(frames):
            gone = reader.at_eof() or writer.is_closing()
            if gone and "deaf" not in mount.defect.flags:
                return
            if not gone:
                writer.write(part)
                await writer.drain()  # a long answer that nobody reads does not end
            if at % 8 == 1:  # reads come apart at first; later only a long answer is worth its time
                await asyncio.sleep(0.002 if at < SHORT or at > LONG else 0)


async def _farewell(load: Load, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a connection that is reset after the whole answer for a failure."""
    try:
        writer.write_eof()
        await reader.read()
    except OSError:
        load.failed += 1


def _stuck(defect: Defect, asked: Asked) -> bool:
    if "stuck-on-n" in defect.flags:
        return isinstance(asked.body, dict) and asked.body.get("n") == 2
    return "stuck" in defect.flags and asked.method == "POST"


def _head(said: Said) -> bytes:
    fixed = {
        "content-type": said.media,
        "connection": "close",
        "x-request-id": f"req_{next(IDS)}",
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, POST, OPTIONS",
        "access-control-allow-headers": "authorization, content-type",
    }
    if said.frames is None:
        fixed["content-length"] = str(len(said.body))
    lines = [f"{name}: {value}" for name, value in (fixed | said.headers).items() if value]
    return "\r\n".join([f"HTTP/1.1 {said.status} .", *lines, "", ""]).encode()


def _parsed(asked: Asked, raw: bytes, mount: Mount) -> Asked:
    if int(asked.headers.get("content-length", "0")) == 0:
        return asked
    try:
        body = mount.defect.request(asked, json.loads(raw))
    except ValueError:
        return replace(asked, malformed=True)
    return replace(asked, body=body)


def respond(mount: Mount, asked: Asked) -> Said:
    """The right answer, but for the defect's hooks on the way."""
    try:
        return _routed(mount, asked)
    except Refusal as refusal:
        return say(refusal.status, refusal.body())


def _routed(mount: Mount, asked: Asked) -> Said:
    path = asked.path.rstrip("/")
    if path == "/health":
        return say(200, {"status": "ok", "running": mount.load.running, "queued": mount.load.queued})
    if path == "/metrics":
        return Said(200, mount.load.metrics(), "text/plain")
    if asked.method == "OPTIONS":
        return Said(204)
    if mount.key and asked.headers.get("authorization") != f"Bearer {mount.key}":
        raise Refusal(401, "wrong key", code="invalid_api_key")
    if path == "/v1/models" or path.startswith("/v1/models/"):
        return _models(asked, unquote(path.removeprefix("/v1/models")))
    if path.startswith(("/v1/responses", "/v1/conversations")):
        return _responses(mount, asked, path.removeprefix("/v1"))
    if path != "/v1/chat/completions":
        raise Refusal(404, "no such path", type="not_found_error")
    if asked.method != "POST":
        raise Refusal(405, "POST only")
    if mount.load.full:
        error = Refusal(429, "too many requests", type="rate_limit_exceeded", code="rate_limit_exceeded")
        return replace(say(429, error.body()), headers={"retry-after": "1"})
    return _chat(mount, mount.defect, asked)


def _responses(mount: Mount, asked: Asked, path: str) -> Said:
    found = responses.respond(asked.method, path, asked.body, mount.kept, "mumbling" in mount.defect.flags)
    if isinstance(found, dict):
        return say(200, mount.defect.completion(asked, found))
    frames = [responses_events.frame(event) for event in mount.defect.chunks(asked, found)]
    frames = mount.defect.frames(asked, [*frames, b"data: [DONE]\n\n"])
    if asked.method == "GET":  # told again, so at once
        return Said(200, b"".join(frames), "text/event-stream; charset=utf-8")
    return Said(200, media="text/event-stream; charset=utf-8", frames=tuple(frames))


def _models(asked: Asked, rest: str) -> Said:
    entry: Json = {"id": MODEL, "object": "model", "created": 1_700_000_000, "owned_by": "maker"}
    entry["context_length"] = CONTEXT
    if asked.method != "GET":
        raise Refusal(405, "GET only")
    if not rest:
        return say(200, {"object": "list", "data": [entry]})
    if rest != f"/{MODEL}":
        raise Refusal(404, "no such model", "model", "model_not_found", "not_found_error")
    return say(200, entry)


def _chat(mount: Mount, defect: Defect, asked: Asked) -> Said:
    if int(asked.headers.get("content-length", "0")) > HUGE:
        raise Refusal(413, "too large")
    if asked.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise Refusal(415, "JSON only")
    if asked.malformed:
        raise Refusal(400, "not JSON")
    request = check(asked.body)
    known = cached(mount.past, request)
    if "mumbling" in defect.flags:
        request = request | {"messages": [*request["messages"][:-1], request["messages"][-1] | {"content": "Mumble."}]}
    if not request.get("stream"):
        return say(200, defect.completion(asked, completion(request, known)))
    frames = [frame(chunk) for chunk in defect.chunks(asked, chunks(request, known))]
    if stumbles(request):
        frames = [frames[0], frame(Refusal(500, "the engine stumbled", type="server_error").body())]
    frames = defect.frames(asked, [*frames, b"data: [DONE]\n\n"])
    return Said(200, media="text/event-stream; charset=utf-8", frames=tuple(frames))
