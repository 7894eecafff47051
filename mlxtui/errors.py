"""Everything that goes wrong on purpose, drawn as one tree.

MlxtuiError
├── UserError                      a command can't do what was asked: one line, exit code 2
│   ├── SettingsError              a flag, variable or line of mlxtui.toml is wrong
│   ├── PortInUse
│   └── ModelUnusable              not found, incomplete, or not a model MLX can load
└── ApiError                       an answer in OpenAI's error shape, with its HTTP status
    ├── InvalidRequest        400  the request's own fault; names the field
    │   └── ContextLengthExceeded
    ├── Unauthorized          401
    ├── Forbidden             403  host or origin not allowed
    ├── NotFound              404  path or model
    ├── MethodNotAllowed      405
    ├── RequestTimeout        408  the body did not arrive
    ├── Conflict              409  what is asked for does not go with what is under way
    ├── TooLarge              413
    ├── UnsupportedMedia      415
    ├── RateLimited           429  the queue is full
    ├── Cancelled             499  stopped by the operator
    ├── EngineFailed          500  this request broke, or the worker died with it
    └── Unavailable           503  loading, restarting, shutting down, out of memory

server/ turns an ApiError into HTTP in one place; cli.py turns a UserError into an exit code in one place.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar


class MlxtuiError(Exception):
    """Base of all of mlxtui's own errors; its text is a sentence for a person."""


class UserError(MlxtuiError):
    exit_code: ClassVar[int] = 2


class SettingsError(UserError):
    pass


class PortInUse(UserError):
    pass


class ModelUnusable(UserError):
    pass


class ApiError(MlxtuiError):
    """An error with an HTTP status and OpenAI's four-key body."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """The JSON body every OpenAI client understands."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}

    def headers(self) -> dict[str, str]:
        """Extra response headers: Retry-After in whole seconds."""
        if self.retry_after is None:
            return {}
        return {"retry-after": str(max(1, math.ceil(self.retry_after)))}


class InvalidRequest(ApiError):
    status, type, default_code = 400, "invalid_request_error", "invalid_value"


class ContextLengthExceeded(InvalidRequest):
    default_code = "context_length_exceeded"


class Unauthorized(ApiError):
    status, type, default_code = 401, "invalid_request_error", "invalid_api_key"

    def headers(self) -> dict[str, str]:
        return {"www-authenticate": "Bearer"}


class Forbidden(ApiError):
    status, type, default_code = 403, "invalid_request_error", "host_not_allowed"


class NotFound(ApiError):
    status, type, default_code = 404, "not_found_error", "unknown_url"


class MethodNotAllowed(ApiError):
    status, type, default_code = 405, "invalid_request_error", "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow

    def headers(self) -> dict[str, str]:
        return {"allow": self.allow}


class RequestTimeout(ApiError):
    status, type, default_code = 408, "invalid_request_error", "request_timeout"


class Conflict(ApiError):
    status, type, default_code = 409, "invalid_request_error", "conflict"

    def headers(self) -> dict[str, str]:
        return {"x-should-retry": "false"}


class TooLarge(ApiError):
    status, type, default_code = 413, "invalid_request_error", "request_too_large"


class UnsupportedMedia(ApiError):
    status, type, default_code = 415, "invalid_request_error", "unsupported_content_type"


class RateLimited(ApiError):
    status, type, default_code = 429, "rate_limit_error", "rate_limit_exceeded"


class Cancelled(ApiError):
    status, type, default_code = 499, "cancelled", "request_cancelled"


class EngineFailed(ApiError):
    """Never retried by clients: the same request would do the same again."""

    status, type, default_code = 500, "server_error", "engine_error"

    def headers(self) -> dict[str, str]:
        return {"x-should-retry": "false"}


class Unavailable(ApiError):
    status, type, default_code = 503, "server_error", "model_loading"
