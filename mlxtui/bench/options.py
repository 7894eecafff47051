"""Options: what the command line turns into. Checked here, so that nothing unbounded or remote is ever started."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from mlxtui.bench.wire import base_url
from mlxtui.errors import UserError


class BadOption(UserError):
    """Names the option and the fix."""


@dataclass(frozen=True, slots=True)
class Options:
    """One run. `models`: none (the first one listed), one for all URLs, or one for each. Empty `select`: everything.

    `timeout` is in seconds and bounds each measurement: one scenario at one size on one endpoint in one round.
    """

    urls: tuple[str, ...]
    models: tuple[str, ...] = ()
    api_key: str | None = None
    clients: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    tokens: int = 128
    prompt_tokens: int = 4096
    rounds: int = 3
    select: tuple[str, ...] = ()
    timeout: float = 300.0
    floor: str | None = None
    nonce: str = ""
    json: bool = False
    yes_remote: bool = False


def check(options: Options) -> None:
    """
    Raises:
        BadOption: a value is out of bounds, or load would leave this machine.
    """
    bounds = (
        ("--clients", options.clients, 1, 256),
        ("--tokens", (options.tokens,), 1, 4096),
        ("--prompt-tokens", (options.prompt_tokens,), 16, 1_000_000),
        ("--rounds", (options.rounds,), 1, 100),
        ("--timeout", (options.timeout,), 1, 3600),
    )
    for name, values, low, high in bounds:
        if not values or not all(low <= value <= high for value in values):
            raise BadOption(f"{name} takes numbers from {low} to {high}")
    if len(options.models) not in (0, 1, len(options.urls)):
        raise BadOption("give --model once, or once for each URL")
    for url in options.urls:
        if not options.yes_remote and not is_loopback(url):
            raise BadOption(
                f"{url} is not on this machine: load tests go to loopback only, unless --yes-remote is given"
            )


def is_loopback(url: str) -> bool:
    """Whether load sent there stays on this machine. By its name: nothing is looked up."""
    try:
        host = urlsplit(base_url(url)).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def numbers(text: str) -> tuple[int, ...]:
    """`1,8,32` as numbers, each once, in rising order."""
    try:
        return tuple(sorted({int(word) for word in text.split(",") if word.strip()}))
    except ValueError:
        raise BadOption(f"--clients takes numbers with commas between them, like 1,8,32; not {text!r}") from None
