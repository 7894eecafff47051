"""A chat request on a bare connection, for what no client library does: leave rudely, never read, send half.

Knows nothing of what is answered.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
from urllib.parse import urlsplit

from .context import Context
from .shapes import JsonObject
from .talk import CHAT
from .wire import Exchange


def dial(ctx: Context, request: JsonObject | None, patience: float, length: int | None = None) -> socket.socket:
    """A connection with `request` sent on it and nothing read; `length` is announced in place of the true one.

    Raises OSError, TimeoutError after `patience` seconds at any step.
    """
    address = urlsplit(ctx.url(CHAT))
    body = b"" if request is None else json.dumps(request).encode()
    port = address.port or (443 if address.scheme == "https" else 80)
    connection = socket.create_connection((address.hostname or "", port), timeout=patience)
    if address.scheme == "https":
        secure = ssl._create_unverified_context() if ctx.target.insecure else ssl.create_default_context()
        connection = secure.wrap_socket(connection, server_hostname=address.hostname)
    connection.sendall(_head(ctx, len(body) if length is None else length) + body)
    return connection


def _head(ctx: Context, length: int) -> bytes:
    address = urlsplit(ctx.url(CHAT))
    key = f"Authorization: Bearer {ctx.target.key}\r\n" if ctx.target.key else ""
    further = "".join(f"{name}: {value}\r\n" for name, value in ctx.target.headers)
    lines = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n{key}{further}"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    return lines.encode()


def noted(ctx: Context, what: str) -> Exchange:
    """An exchange for the report, which sees nothing of bare connections."""
    exchange = Exchange("POST", ctx.url(CHAT), what)
    ctx.recorder.exchanges.append(exchange)
    return exchange


def reset(connection: socket.socket) -> None:
    """Hang up with RST, as a process does that is killed with data unread."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
