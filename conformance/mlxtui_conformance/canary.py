"""A first look at a server: a URL goes in, a Target to aim checks at comes out, or Unusable with a reason.

Knows nothing of checks. Bounded: a dead or hanging server is told within 30 seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from .context import Context, Shared
from .shapes import show
from .talk import CHAT, body
from .target import Target
from .wire import Deadline, Reply

GREETING = 8.0  # seconds for the model list, which costs a server nothing
GLANCE = 4.0  # seconds for a path that is not there
PAUSE = 0.5  # seconds between two looks at a server that is still loading
LENGTHS = ("context_length", "max_model_len", "context_window", "n_ctx")
ENDPOINTS = ("/chat/completions", "/completions", "/responses", "/embeddings")


class Unusable(Exception):
    """There is no server to check: one line, for the user."""


@dataclass(frozen=True, slots=True)
class Canary:
    """What the first minute showed; `warnings` put the rest of the report into its light."""

    target: Target
    endpoints: tuple[str, ...]
    warnings: tuple[str, ...]


def examine(aimed: Target, shared: Shared, model: str | None, warmup: float) -> Canary:
    """Look at a server before checking it: is it there, does it answer, does it answer anything?

    Raises Unusable. `aimed` lacks what the server itself tells: model (unless `model` is wanted)
    and context. `warmup` is the patience, in seconds, for the first token: a lazy server loads
    its model then.
    """
    until = Deadline.after(warmup)
    target, listed = _model(aimed, shared, model)
    nonsense = _answer(target, shared, GLANCE, "GET", "/conformance-canary").status
    refusal = first_token(target, shared, max(until.left(), min(warmup, GLANCE)))
    while refusal.startswith("503") and until.left() > 0:  # it is loading its model, and says so
        time.sleep(PAUSE)
        target, listed = _model(target, shared, model)
        refusal = first_token(target, shared, max(until.left(), min(warmup, GLANCE)))
    if refusal.startswith("503"):
        raise Unusable(f"{target.base} is not ready: {refusal}")
    if refusal and not listed and model is None:
        hint = "name one with --model, or give the API root that /chat/completions follows"
        raise Unusable(f"{target.base} lists no model; {hint} ({refusal})")
    warnings = (
        (not listed and model is None, "no model is listed; asking for 'default'"),
        (nonsense == 200, "a nonsense path is answered with 200: what looks present may not be"),
        (refusal, f"a one-token chat is not answered: {refusal}"),
    )
    told = tuple(text for true, text in warnings if true)
    return Canary(target, _endpoints(target, shared), told)


def _model(target: Target, shared: Shared, wanted: str | None) -> tuple[Target, bool]:
    """The target with its model and context length filled in, and whether any model is listed."""
    models = _listed(_answer(target, shared, GREETING, "GET", "/models"))
    named = {str(entry["id"]): entry for entry in reversed(models)}
    model = wanted or (str(models[0]["id"]) if models else "default")
    return replace(target, model=model, context=_length(named.get(model, {}))), bool(models)


def first_token(target: Target, shared: Shared, patience: float) -> str:
    """One token from the model, or Unusable: an engine may hang behind a server that lives.

    Returns what came instead of an answer, its status first, or nothing.
    """
    with Context(target, shared, patience) as ctx:
        request = body(ctx, max_completion_tokens=1)
        try:
            reply = ctx.post(CHAT, request)
        except httpx2.TransportError as error:
            why = _why(error, target, patience)
            raise Unusable(f"{target.base}{CHAT} is not answered: {why}") from error
    return "" if reply.status == 200 and reply.media != "text/html" else reply.brief  # a page is no answer


def _answer(target: Target, shared: Shared, patience: float, method: str, path: str) -> Reply:
    with Context(target, shared, patience) as ctx:
        try:
            reply = ctx.send(method, path)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise Unusable(f"{target.base} is not there: {_why(error, target, patience)}") from error
    if reply.status in (401, 403):
        hint = "another --api-key" if target.key else "--api-key"
        raise Unusable(f"{target.base} wants {hint}: {reply.brief}")
    return reply


def _why(error: Exception, target: Target, patience: float) -> str:
    """One line that names the fix where there is one."""
    text = str(error) or type(error).__name__
    secure = target.base.startswith("https:")
    match error:
        case httpx2.TimeoutException():
            return f"no answer within {patience:g} s"
        case httpx2.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in text:
            return f"its certificate is not trusted (--insecure takes any): {text}"
        case httpx2.ConnectError() if secure and "SSL" in text:
            return f"it does not speak TLS (try http://): {text}"
        case httpx2.RemoteProtocolError() if not secure and "illegal request line" in text:
            return "it does not answer in text, as a TLS server would not: try https://"  # h11's word for a first byte
        case httpx2.RemoteProtocolError():
            return f"it does not answer in HTTP: {text}"
    return text


def _listed(reply: Reply) -> list[dict[str, Any]]:
    """The models of a list, read leniently: the check models.list is the strict one."""
    try:
        found = reply.json()["data"]
        return [entry for entry in found if isinstance(entry["id"], str)]
    except Exception:
        # Any shape but the expected one means "no list"; models.list says what is wrong with it.
        return []


def _length(entry: dict[str, Any]) -> int | None:
    meta = entry.get("meta")
    places = (entry, meta) if isinstance(meta, dict) else (entry,)
    known = (place.get(name) for place in places for name in LENGTHS)
    return next((length for length in known if isinstance(length, int) and length > 0), None)


def _endpoints(target: Target, shared: Shared) -> tuple[str, ...]:
    """Which endpoints exist, by empty bodies: a 4xx that is not 404 or 405, and no token spent."""
    found = []
    for path in ENDPOINTS:
        with Context(target, shared, GLANCE) as ctx:
            try:
                status = ctx.post(path, {}).status
            except httpx2.TransportError:
                continue
        if status not in (404, 405, 501):
            found.append(path)
    return tuple(found)


def describe(canary: Canary) -> str:
    """One line on what is about to be checked."""
    length = canary.target.context
    context = f", context {length}" if length else ""
    there = " ".join(canary.endpoints) or "none found"
    return f"{canary.target.base}  model {show(canary.target.model)}{context}  endpoints {there}"
