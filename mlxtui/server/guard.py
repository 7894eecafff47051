"""Who may speak to the server: checked before any route, also for paths that do not exist. Deny by default.

A browser page must not reach a local model through DNS rebinding (Host), cross-site requests (Origin, Sec-Fetch-Site)
or a form (content type). See CVE-2024-28224 for what happens to servers that do not check.
"""

from __future__ import annotations

import asyncio
import hmac
from hashlib import sha256
from urllib.parse import urlsplit

from quart import Quart, Request, Response, request

from mlxtui.errors import ApiError, Forbidden, InvalidRequest, RequestTimeout, TooLarge, Unauthorized, UnsupportedMedia
from mlxtui.settings import LOOPBACK, Settings

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 << 10
OPEN_PATHS = frozenset({"/health"})
"""Answered without an API key, for load balancers and watchdogs."""


class HeadersTooLarge(ApiError):
    status, type, default_code = 431, "invalid_request_error", "headers_too_large"


def install(app: Quart, settings: Settings) -> None:
    """Check every request to `app`; answer preflights of the allowed origins."""

    @app.before_request
    async def check() -> Response | None:
        check_transport(request)
        check_host(request, settings)
        origin = check_origin(request, settings)
        if request.method == "OPTIONS" and origin:
            return Response(b"", status=204)
        check_key(request, settings)
        return None

    @app.after_request
    async def allow_origin(response: Response) -> Response:
        if (origin := request.headers.get("Origin")) and origin in settings.allowed_origins:
            response.headers["access-control-allow-origin"] = origin
            response.headers["access-control-allow-headers"] = "authorization, content-type, last-event-id"
            response.headers["access-control-allow-methods"] = "GET, POST, DELETE"
            response.headers["vary"] = "origin"
        return response


def check_transport(request: Request) -> None:
    """HTTP/1.x only (Hypercorn buffers HTTP/2 without bound), headers of a sane size, one way to say the length."""
    if request.http_version not in ("1.0", "1.1"):
        raise InvalidRequest("this server speaks HTTP/1.1 only", code="unsupported_protocol")
    headers = list(request.headers)
    if len(headers) > MAX_HEADERS or sum(len(k) + len(v) for k, v in headers) > MAX_HEADER_BYTES:
        raise HeadersTooLarge(f"at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together are read")
    if "Transfer-Encoding" in request.headers and "Content-Length" in request.headers:
        raise InvalidRequest("a request has either a Content-Length or a Transfer-Encoding")


def check_host(request: Request, settings: Settings) -> None:
    """On loopback, only loopback names reach us; elsewhere the API key is the guard."""
    host = _hostname(f"//{request.headers.get('Host', '')}")
    allowed = host in LOOPBACK or host.endswith(".localhost") or host in settings.allowed_hosts
    if not allowed and (settings.host in LOOPBACK or settings.allowed_hosts):
        raise Forbidden(f"host {host[:100]!r} is not allowed; start the server with --allowed-hosts to allow it")


def check_origin(request: Request, settings: Settings) -> str | None:
    """The origin, if it is one of the allowed; None when no browser page is behind the request."""
    origin = request.headers.get("Origin")
    if origin in settings.allowed_origins:
        return origin
    if origin is not None and origin.partition("://")[2] != request.headers.get("Host", ""):
        raise Forbidden(
            f"origin {origin[:100]!r} is not allowed; start the server with --allowed-origins to allow it",
            code="origin_not_allowed",
        )
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Forbidden("requests from other sites are not allowed", code="origin_not_allowed")
    return None


def check_key(request: Request, settings: Settings) -> None:
    if settings.api_key is None or request.path in OPEN_PATHS:
        return
    given = request.headers.getlist("Authorization")
    scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not _same(key.strip(), settings.api_key):
        raise Unauthorized("no or wrong API key: send it as 'Authorization: Bearer KEY'")


async def read_json(request: Request, settings: Settings) -> bytes:
    """The body of a request that must be JSON.

    Raises:
        UnsupportedMedia: another content type, or compressed.
        TooLarge: longer than the limit, refused before it is read where the length is declared.
        RequestTimeout: it did not arrive.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("compressed bodies are not accepted", code="unsupported_encoding")
    if (request.mimetype or "") != "application/json":
        raise UnsupportedMedia("the Content-Type must be application/json")
    if (request.content_length or 0) > settings.max_body_bytes:
        raise TooLarge(f"the body is longer than {settings.max_body_bytes} bytes (--max-body-bytes)")
    body = await read_body(request)
    request.body.clear()
    return body


async def read_body(request: Request) -> bytes:
    """The whole body. Quart's `get_data` would do, but for Python 3.11: if the client leaves as soon as it has asked,
    the cancellation is swallowed by the `asyncio.wait_for` in there.

    Raises:
        RequestTimeout: it did not arrive.
    """
    try:
        async with asyncio.timeout(request.body_timeout):
            whole: bytes = await request.body
    except TimeoutError as error:
        raise RequestTimeout("the body did not arrive in time") from error
    return whole


def _hostname(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _same(given: str, expected: str) -> bool:
    """Compared by digest, in constant time, whatever the lengths."""
    return hmac.compare_digest(sha256(given.encode()).digest(), sha256(expected.encode()).digest())
