"""An exchange becomes the curl command that sends the same request. Key and user's headers stay out of it."""

from __future__ import annotations

import shlex

from .target import Target
from .wire import Exchange

LONGEST = 20_000  # bytes of a body that still make a command to paste
NAMED = ("accept", "access-control-", "authorization", "content-type", "origin")  # what a check may depend on


def curl(exchange: Exchange | None, target: Target) -> str:
    """The command, or nothing where none would send the same bytes."""
    if exchange is None or not exchange.asked_as or exchange.sent_bytes > LONGEST:
        return ""
    if len(exchange.sent.encode("utf-8", "replace")) != exchange.sent_bytes or "\0" in exchange.sent:
        return ""
    words = ["curl", "-isSN", *(["-k"] if target.insecure else []), shlex.quote(exchange.url)]
    if exchange.method != ("POST" if exchange.sent else "GET"):
        words += ["-X", exchange.method]
    words += [f"-H {line}" for line in _headers(exchange, target)]
    if exchange.sent:
        words += ["--data-raw", shlex.quote(exchange.sent)]
    return " ".join(words)


def _headers(exchange: Exchange, target: Target) -> list[str]:
    asked = {name.lower(): value for name, value in exchange.asked_as}
    own = {name.lower() for name, _ in target.headers}
    lines = [
        _header(name, value, target)
        for name, value in asked.items()
        if name.startswith(NAMED) and name not in own and value != "*/*"
    ]
    if exchange.sent and "content-type" not in asked:
        lines.append("content-type:")  # or curl would send a form's
    return [*lines, *(shlex.quote(f"{name}: …") for name, _ in target.headers)]


def _header(name: str, value: str, target: Target) -> str:
    if _is_key(value, target):
        return '"Authorization: Bearer $OPENAI_API_KEY"'
    return shlex.quote(f"{name}: {'…' if secret(name, value, target) else value}")


def secret(name: str, value: str, target: Target) -> bool:
    """Whether no report may hold this header's value: what the user sends, the key, a password. A key that was made up
    is what a check is about."""
    if name.lower() in {own.lower() for own, _ in target.headers}:
        return True
    return name.lower() == "authorization" and (_is_key(value, target) or not value.startswith("Bearer "))


def _is_key(value: str, target: Target) -> bool:
    return target.key is not None and value == f"Bearer {target.key}"
