"""The one place where Python values and errors become HTTP responses."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any
from uuid import uuid4

from quart import Quart, Response, g, request
from werkzeug.exceptions import HTTPException

from mlxtui.errors import ApiError, InvalidRequest, MethodNotAllowed, NotFound, TooLarge

log = logging.getLogger(__name__)

LINGER = 1.0
"""Seconds that a refusal waits for the rest of the body: answered sooner, the connection could not be used again."""


def json_response(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(data, ensure_ascii=False).encode()
    return Response(body, status=status, headers=headers, content_type="application/json")


def install(app: Quart) -> None:
    """Answer every error of `app` in OpenAI's shape, and name every request."""

    @app.before_request
    async def name_it() -> None:
        g.request_id = uuid4().hex[:16]

    @app.after_request
    async def show_name(response: Response) -> Response:
        response.headers["x-request-id"] = f"req_{g.request_id}"
        return response

    @app.after_request
    async def read_to_the_end(response: Response) -> Response:
        try:
            async with asyncio.timeout(LINGER):
                async for _ in request.body:
                    pass
        except (TimeoutError, HTTPException):
            response.headers["connection"] = "close"
        return response

    @app.errorhandler(ApiError)
    async def api_error(error: ApiError) -> Response:
        return json_response(error.body(), error.status, error.headers())

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        return await api_error(_translated(error))

    @app.errorhandler(Exception)
    async def bug(error: Exception) -> Response:
        log.error("%s %s broke the server's own code", request.method, request.path, exc_info=error)
        return await api_error(ApiError("internal error; the server's log tells more", code="internal_error"))


def _translated(error: HTTPException) -> ApiError:
    """Werkzeug's errors of routing and reading in our words."""
    match error.code:
        case 404:
            return NotFound(f"there is nothing at {request.path[:200]}; the API lives under /v1")
        case 405:
            allow = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
            return MethodNotAllowed(f"{request.method} is not allowed here, only {allow}", allow=allow)
        case 413:
            return TooLarge("the body is too large (--max-body-bytes)")
        case _:
            return InvalidRequest(error.description or error.name)
