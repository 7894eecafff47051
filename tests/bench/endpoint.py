"""A small OpenAI-compatible endpoint on a real socket, in a thread: it says as many tokens as it is asked for."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

Body = dict[str, Any]
TICK = 0.001  # seconds between two tokens: so that a stream can be left before its end

LONG = 500  # characters


class Endpoint:
    """`usage`, `health`: whether it tells such figures. `most`: tokens of an answer. `closes`: no keep-alive.

    `refuses`: the status of a refusal for a body, or None.
    A long prompt beside a running stream is answered once another request has come: as if its prefill took that long.
    Of long prompts with one token to say, alone, the third one takes until its client has left: the first is a sample,
    the second the cold one to compare with. Asked again, it is answered.
    `hangs`: for which chat request (from 1) it falls silent for ever; `hung` is set when it has come.
    """

    def __init__(
        self,
        *,
        usage: bool = True,
        health: bool = True,
        refuses: Callable[[Body], int | None] = lambda body: None,
        hangs: int = 0,
        closes: bool = False,
        most: int = 1 << 20,
    ) -> None:
        self.usage, self.health, self.refuses, self.hangs, self.closes = usage, health, refuses, hangs, closes
        self.most = most
        self.asked: list[Body] = []
        self.keys: set[str] = set()
        self.connections = 0
        self.running = 0
        self._arrived = asyncio.Event()
        self._alone: list[str] = []
        self.hung = threading.Event()
        self.url = ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Endpoint:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        serving: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving.add(asyncio.create_task(self._serve(reader, writer)))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.keys.add(headers.get("authorization", ""))
                await self._answer(reader, writer, first.split()[1], json.loads(body or b"{}"))
                if self.closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: Body) -> None:
        if path == "/v1/models":
            return self._say(writer, 200, {"object": "list", "data": [{"id": "fake"}, {"id": "other"}]})
        if path == "/health" and self.health:
            return self._say(writer, 200, {"status": "ok", "running": self.running})
        if path != "/v1/chat/completions":
            return self._say(writer, 404, {"error": {"message": f"no {path}"}})
        self.asked.append(body)
        self._arrived.set()
        if len(self.asked) == self.hangs:
            self.hung.set()
            await self._over.wait()
        if status := self.refuses(body):
            return self._say(writer, status, {"error": {"message": "not today"}})
        beside = self.running > 0
        self.running += 1
        try:
            await self._prefill(reader, body, beside)
            await self._chat(writer, body)
        finally:
            self.running -= 1
        return None

    async def _prefill(self, reader: asyncio.StreamReader, body: Body, beside: bool) -> None:
        prompt = body["messages"][0]["content"]
        if len(prompt) <= LONG or body["max_tokens"] > 1 or prompt in self._alone:
            return
        if beside:
            self._arrived.clear()
            await self._arrived.wait()
            return
        self._alone.append(prompt)
        if len(self._alone) == 3:
            await reader.read()
            raise ConnectionResetError

    async def _chat(self, writer: asyncio.StreamWriter, body: Body) -> None:
        count = min(self.most, body["max_tokens"])
        length = sum(len(message["content"]) for message in body["messages"])
        usage = {
            "prompt_tokens": length // 4,
            "completion_tokens": count,
            "prompt_tokens_details": {"cached_tokens": 3},
        }
        if not body.get("stream"):
            message = {"role": "assistant", "content": "word " * count}
            choice = {"index": 0, "message": message, "finish_reason": "length"}
            return self._say(writer, 200, {"choices": [choice], "usage": usage})
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        deltas = [{"role": "assistant", "content": ""}, *({"content": "word "} for _ in range(count))]
        for delta in deltas:
            await _frame(writer, b": keepalive\n\n")
            await _event(writer, {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            await asyncio.sleep(TICK)
        await _event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
        if self.usage:
            await _event(writer, {"choices": [], "usage": usage})
        await _frame(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        return None

    def _say(self, writer: asyncio.StreamWriter, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        close = "connection: close\r\n" if self.closes else ""
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{close}content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)


async def _event(writer: asyncio.StreamWriter, chunk: Any) -> None:
    await _frame(writer, b"data: " + json.dumps(chunk).encode() + b"\n\n")


async def _frame(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
    await writer.drain()
