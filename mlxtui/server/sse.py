"""Server-sent events: an async iterator of bytes becomes a streaming response."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

from quart import Response, request

KEEPALIVE = b": keepalive\n\n"
"""A comment: every SSE client skips it. (An event without data crashes openai-python.)"""


def event_stream(events: AsyncGenerator[bytes, None]) -> Response:
    """A response without an end in time: Quart's own limit of 60 s would cut it silently. To HEAD it has no events:
    what is sent is dropped there, and the request would never end.
    """
    body = b"" if request.method == "HEAD" else events
    response = Response(body, content_type="text/event-stream; charset=utf-8")
    response.timeout = None
    response.headers["cache-control"] = "no-cache"
    response.headers["x-accel-buffering"] = "no"
    return response


def event(kind: str, data: Any, id: int | None = None) -> bytes:
    """One named event with JSON data."""
    number = "" if id is None else f"id: {id}\n"
    return f"event: {kind}\n{number}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
