"""Answers and parsed JSON go in; the parts a check asks for come out, or a verdict is raised.

Says what was expected and what came instead. Knows nothing of requests or of single checks.
"""

from __future__ import annotations

import json
from typing import Any

from .check import Fail, Inconclusive, Unsupported
from .wire import Reply

JsonObject = dict[str, Any]


def show(value: object, limit: int = 300) -> str:
    """A value on one line, as JSON where that works."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def require(holds: bool, expected: str, got: object) -> None:
    if not holds:
        raise Fail(expected, got if isinstance(got, str) else show(got))


def cooperation(holds: bool, why: str) -> None:
    """The model, not the server, decides this: without it the check proves nothing."""
    if not holds:
        raise Inconclusive(why)


def dig(value: object, *path: str | int) -> Any:
    """Walk into parsed JSON; a step that is not there is the server's fault."""
    here: Any = value
    for step in path:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError) as error:
            trail = ".".join(str(part) for part in path)
            raise Fail(f"{trail} in the answer", show(value)) from error
    return here


def whole(value: object) -> bool:
    """An integer in the JSON sense: Python counts True as one, JSON does not."""
    return isinstance(value, int) and not isinstance(value, bool)


def accepted(reply: Reply, what: str) -> Reply:
    """200, or the check failed: for what every server has to take."""
    if reply.status != 200:
        raise Fail(f"200 for {what}", reply.brief, reply.exchange)
    return reply


def offered(reply: Reply, feature: str) -> Reply:
    """200, or Unsupported on a clean refusal: for what a server may leave out."""
    if reply.status != 200 and refuses(reply):
        raise Unsupported(f"{feature}: {reply.brief}")
    return accepted(reply, feature)


def refuses(reply: Reply) -> bool:
    """A refusal the client can rely on: a 4xx that is about the request, said in JSON."""
    honest = 400 <= reply.status < 500 and reply.status not in (401, 403, 408, 429)
    return honest and (reply.status == 404 or is_json(reply))


def is_json(reply: Reply) -> bool:
    if reply.media != "application/json":
        return False
    try:
        json.loads(reply.body)
    except ValueError:
        return False
    return True


def refused(reply: Reply, statuses: tuple[int, ...], what: str) -> Reply:
    """One of these statuses with a JSON body; what is in the body is errors.envelope's claim."""
    wanted = " or ".join(str(status) for status in statuses)
    if reply.status not in statuses:
        raise Fail(f"{wanted} for {what}", reply.brief, reply.exchange)
    if not is_json(reply):
        raise Fail(f"a JSON body with the {reply.status} for {what}", reply.brief, reply.exchange)
    return reply
