"""A small Hugging Face Hub on loopback: search, the files of a model, downloads with ranges that may break off."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

COMMIT = "f" * 40


class FakeHub:
    """`models` has the files of each; `stall_at`: bytes of a large file after which it sends nothing more until
    `go_on` is set; `stall_searches`: they wait for it, too; `cut_at`: after which it hangs up, once. `asked` has
    every request, `ranges` those for a part. `next_commit`: what a model is at once it was asked about.
    """

    def __init__(self) -> None:
        self.models: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.commit, self.next_commit = COMMIT, COMMIT
        self.stall_at: int | None = None
        self.cut_at: int | None = None
        self.broken = self.stall_searches = False
        self.stalled, self.go_on = threading.Event(), threading.Event()
        self.asked: list[str] = []
        self.ranges: list[str] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> FakeHub:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, id: str, folder: Path, **more: bytes) -> None:
        self.models[id] = {file.name: file.read_bytes() for file in folder.iterdir()} | more


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.hub.asked.append(f"{self.command} {url.path}")
        if url.path == "/api/models":
            if self.hub.stall_searches:
                self.hub.go_on.wait(60)
            return self._json(self._search(parse_qs(url.query)))
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/[^/]+", url.path):
            return self._about(match[1], lambda id: [_tree(*file) for file in self.hub.models[id].items()])
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/.*)?", url.path):
            return self._about(match[1], self._info)
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", url.path):
            return self._file(self.hub.models[match[1]][match[3]], match[2])
        return self._json({"error": "Not Found"}, 404)

    def _about(self, id: str, say: Any) -> None:
        if id in self.hub.gated:
            return self._json({"error": "gated"}, 403, {"x-error-code": "GatedRepo"})
        if id not in self.hub.models:
            return self._json({"error": "Repository not found"}, 404, {"x-error-code": "RepoNotFound"})
        return self._json(say(id))

    def _search(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        assert query["filter"] == ["mlx"]
        word = query["search"][0].lower()
        return [
            {
                "id": id,
                "downloads": 1234,
                "lastModified": "2026-10-01T12:00:00.000Z",
                "safetensors": {"parameters": {"BF16": 1_000_000, "U32": 500_000_000}, "total": 501_000_000},
            }
            for id in self.hub.models
            if word in id.lower()
        ]

    def _info(self, id: str) -> dict[str, Any]:
        siblings = []
        for name, content in self.hub.models[id].items():
            entry = _tree(name, content)
            lfs = entry.get("lfs")
            siblings.append(
                {"rfilename": name, "size": len(content), "blobId": entry["oid"]}
                | ({"lfs": {"size": len(content), "sha256": lfs["oid"], "pointerSize": 130}} if lfs else {})
            )
        told, self.hub.commit = self.hub.commit, self.hub.next_commit
        return {"id": id, "sha": told, "siblings": siblings, "tags": ["mlx"], "private": False}

    def _json(self, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _file(self, content: bytes, commit: str) -> None:
        begin = 0
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", "")):
            begin = int(match[1])
            self.hub.ranges.append(match[0])
        self.send_response(206 if begin else 200)
        self.send_header("x-repo-commit", commit)
        self.send_header("etag", f'"{_etag(content)}"')
        self.send_header("content-length", str(len(content) - begin))
        if begin:
            self.send_header("content-range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            self._send(content, begin)

    def _send(self, content: bytes, begin: int) -> None:
        hub, large = self.hub, len(content) > LARGE
        body = content[begin:]
        if large and hub.broken:
            body = bytes(len(body))
        if large and hub.cut_at is not None:
            self.wfile.write(body[: hub.cut_at])
            hub.cut_at, self.close_connection = None, True
        elif large and hub.stall_at is not None:
            self.wfile.write(body[: hub.stall_at])
            self.wfile.flush()
            hub.stalled.set()
            hub.go_on.wait(60)
        else:
            self.wfile.write(body)


LARGE = 1 << 20


def _etag(content: bytes) -> str:
    if len(content) > LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _tree(name: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": _etag(content)[:40]}
    if len(content) > LARGE:
        entry["lfs"] = {"oid": _etag(content), "size": len(content), "pointerSize": 130}
    return entry
