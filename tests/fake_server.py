"""A small server that speaks mlxtui's monitoring endpoints from a real Bus: no engine, starts and dies at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

from mlxtui.bus import Bus, Snapshot
from mlxtui.events import to_json
from mlxtui.kept import Cache


class FakeServer:
    """`bodies` is what GET /mlxtui/requests/{id} answers, `looks` what its /prompt, /raw and /wire do, by id and word;
    `deltas` are streamed after an empty output snapshot, those with "pieces" as raw ones.
    `replies` are answers (status, body) by method and path; `said` has the body of every request; `sent` is the id of
    the last event that somebody was told.
    """

    def __init__(self, bus: Bus | None = None, api_key: str | None = None) -> None:
        self.bus = bus or Bus()
        self.api_key = api_key
        self.bodies: dict[str, dict[str, Any]] = {}
        self.looks: dict[tuple[str, str], dict[str, Any]] = {}
        self.deltas: dict[str, asyncio.Queue[dict[str, Any] | None]] = {}
        self.cancelled: list[str] = []
        self.prioritised: list[tuple[str, str]] = []
        self.cache = Cache()
        self.changed: list[tuple[str, str]] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.said: list[tuple[str, str, str]] = []
        self.replies: dict[str, tuple[int, dict[str, Any]]] = {}
        self.raw_events: list[str] = []
        self.sent = 0
        self.shut_down = asyncio.Event()
        self.url = ""
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FakeServer:
        await self.start()
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """As if killed: connections break in mid-stream."""
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            method, path, _ = first.split(" ")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
            self.seen.append((method, path, headers))
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            if path.endswith("/priority"):
                self.prioritised.append((path.split("/")[-2], json.loads(body)["priority"]))
            self.said.append((method, path, body.decode()))
            await self._answer(writer, method, path, headers)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._serving.discard(task)
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, method: str, path: str, headers: dict[str, str]) -> None:
        if self.api_key and headers.get("authorization") != f"Bearer {self.api_key}":
            return _reply(writer, 401, _error("no key"))
        match [method, *path.strip("/").split("/")]:
            case ["GET", "health"]:
                _reply(writer, 200, {"status": "ok", "version": "0.1.0", "model": "m", "running": 0, "queued": 0})
            case ["GET", "mlxtui", "events"]:
                await _stream(writer, self._events(headers.get("last-event-id")))
            case ["GET", "mlxtui", "requests", request] if request in self.bodies:
                _reply(writer, 200, self.bodies[request])
            case ["GET", "mlxtui", "requests", request, "output"] if request in self.deltas:
                await _stream(writer, self._output(request))
            case ["GET", "mlxtui", "requests", request, what] if (request, what.partition("?")[0]) in self.looks:
                _reply(writer, 200, self.looks[request, what.partition("?")[0]])
            case ["POST", "mlxtui", "requests", request, "cancel"] if request in self.bus.state.requests:
                self.cancelled.append(request)
                _reply(writer, 200, {"id": request, "cancelled": True})
            case ["POST", "mlxtui", "requests", request, "priority"] if request in self.bus.state.requests:
                _reply(writer, 200, {"id": request, "changed": True})
            case ["GET", "mlxtui", "cache"]:
                _reply(writer, 200, self.cache.to_json())
            case ["POST" | "DELETE", "mlxtui", "cache", entry, *_] if entry in [kept.id for kept in self.cache.entries]:
                self.changed.append((method, path))
                _reply(writer, 200, self.cache.to_json())
            case ["POST", "mlxtui", "shutdown"]:
                self.shut_down.set()
                _reply(writer, 202, {})
            case _ if f"{method} {path}" in self.replies:
                _reply(writer, *self.replies[f"{method} {path}"])
            case _:
                _reply(writer, 404, _error("there is no such request"))
        return None

    async def _events(self, last_id: str | None) -> AsyncIterator[str]:
        for raw in self.raw_events:
            yield raw
        with self.bus.subscribe(int(last_id) if last_id else None) as subscription:
            async for batch in subscription:
                for item in batch:
                    data = item.state if isinstance(item, Snapshot) else to_json(item.event)
                    name = "snapshot" if isinstance(item, Snapshot) else data["type"]
                    yield f"event: {name}\nid: {item.id}\ndata: {json.dumps(data)}\n\n"
                    self.sent = item.id

    async def _output(self, request: str) -> AsyncIterator[str]:
        yield 'event: snapshot\ndata: {"reasoning": "", "content": "", "tool_calls": []}\n\n'
        while (delta := await self.deltas[request].get()) is not None:
            yield f"event: {'raw' if 'pieces' in delta else 'delta'}\ndata: {json.dumps(delta)}\n\n"
        yield "event: end\ndata: {}\n\n"


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "t", "param": None, "code": None}}


def _reply(writer: asyncio.StreamWriter, status: int, data: dict[str, Any]) -> None:
    body = json.dumps(data).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    writer.write(head.encode() + b"connection: close\r\n\r\n" + body)


async def _stream(writer: asyncio.StreamWriter, chunks: AsyncIterator[str]) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: hello\n\n")
    async for chunk in chunks:
        writer.write(chunk.encode())
        await writer.drain()
