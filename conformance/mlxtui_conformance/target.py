"""What the user typed about a server becomes a Target that requests are aimed by. Knows nothing of checks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Limits:
    """Patience, in seconds: per check, for a freed slot, for the refusal of a huge body."""

    check: float = 60.0
    freed: float = 2.0
    refusal: float = 3.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server under test: `base` ends in the API root (mostly /v1), without a slash."""

    base: str
    model: str
    key: str | None = None
    context: int | None = None  # tokens, when the model list says so
    limits: Limits = field(default_factory=Limits)
    headers: tuple[tuple[str, str], ...] = ()  # sent with every request, as gateways want
    insecure: bool = False  # any certificate will do

    @property
    def root(self) -> str:
        """What the API root is below: where /health lives."""
        return self.base.removesuffix("/v1")


PASSWORD = "a name or password in the URL would be in every report: send it with --header 'Authorization: Basic …'"
QUERY = "no path can follow a URL's query, and what it holds would be in every report: send a key with --api-key"


def unfit(url: str) -> str:
    """Why a URL is no API root (RFC 3986 §3.2, §3.4, §3.5), without a secret that is in it, or nothing."""
    if re.match(r"([^/?#]*://)?[^/?#]*@", url):
        return PASSWORD
    if re.search("[?#]", url):
        return QUERY
    return (
        ""
        if re.fullmatch(r"\S+", url) and _names_host(url)
        else f"{url!r} is no URL of a server: give http://host:port"
    )


def _names_host(url: str) -> bool:
    try:
        address = urlsplit(base_url(url))
        return bool(address.hostname) and address.port != 0
    except ValueError:  # brackets or a port that are none
        return False


def base_url(url: str) -> str:
    """`host:port`, `http://host:port` and `http://host:port/v1/` all mean the same API root."""
    full = url if "://" in url else f"http://{url}"
    full = full.rstrip("/")
    return full if urlsplit(full).path else f"{full}/v1"
