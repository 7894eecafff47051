"""How a server is reached over HTTP, and in which words a person is told when it is not, or says what we don't expect.

URLs, responses and exceptions come in; a client of httpx, values and errors of ours go out. It knows no routes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2

from mlxtui import __version__
from mlxtui.errors import UserError
from mlxtui.state import State

Read = TypeVar("Read")

SILENCE = 30.0  # seconds without even a heartbeat after which a connection counts as dead
TIMEOUT = httpx2.Timeout(5.0, read=SILENCE)


class ServerUnreachable(UserError):
    """Nothing answers at the URL, or it refuses us; the text is a sentence for a person."""


class ReadOnly(UserError):
    """This client only looks."""


class NotThere(UserError):
    """The server no longer knows this request."""


def with_scheme(url: str) -> str:
    return (url if "://" in url else f"http://{url}").rstrip("/")


def http_client(url: str, api_key: str | None) -> httpx2.AsyncClient:
    """No proxy for one's own machine, and no certificates (0.15 s to load) for a plain http:// URL."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        parts = urlsplit(url)
        return httpx2.AsyncClient(
            base_url=url,
            headers=headers | {"user-agent": f"mlxtui/{__version__}"},
            timeout=TIMEOUT,
            verify=parts.scheme == "https",
            trust_env=parts.hostname not in ("127.0.0.1", "::1", "localhost"),
        )
    except (httpx2.InvalidURL, ValueError) as error:
        raise ServerUnreachable(f"{url!r} is not a URL: {error}") from error


def refusal(response: httpx2.Response) -> UserError:
    """The server's own words, where it has some."""
    if response.status_code == 401:
        return ServerUnreachable("the server wants an API key (--api-key or MLXTUI_API_KEY), or another one")
    try:
        message = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = f"HTTP {response.status_code}: is this an mlxtui server?"
    return (NotThere if response.status_code == 404 else ServerUnreachable)(str(message))


def understood(read: Callable[[], Read]) -> Read:
    """What is read from an answer of a server that may be of any version, or none of ours."""
    try:
        return read()
    except ValueError as error:
        raise ServerUnreachable(f"{error}: use the same version for both") from error
    except (KeyError, TypeError) as error:
        raise ServerUnreachable(
            f"the server says it in another way ({error!r}): use the same version for both"
        ) from error


def told_state(data: Mapping[str, Any], finished: int) -> tuple[State, str]:
    """The state, and a word about a version that is not ours."""
    server = data.get("server")
    theirs = server.get("version") if isinstance(server, dict) else None
    notice = f"the server is mlxtui {theirs}, this is {__version__}" if theirs not in ("", __version__) else ""
    try:
        return State.from_json(data, finished), notice
    except ValueError as error:
        raise ServerUnreachable(f"{notice}: use the same version for both" if notice else str(error)) from error


def sentence(error: Exception) -> str:
    if isinstance(error, httpx2.ConnectError):
        return "nothing answers there"
    if isinstance(error, httpx2.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx2.HTTPError):
        return f"the connection broke ({type(error).__name__})"
    return str(error) or type(error).__name__


def skew(date: str | None, now: float) -> float:
    """From an HTTP Date, which has whole seconds: less than two seconds are no difference."""
    try:
        ahead = parsedate_to_datetime(date or "").timestamp() + 0.5 - now
    except ValueError:
        return 0.0
    return ahead if abs(ahead) > 2 else 0.0
