"""What lasts from one request to the next: kept responses, what continues from them, and conversations.

Knows nothing of how a response is made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from .brain import Json
from .chat import Refusal
from .responses_events import BLANK, events

ENDLESS = 1000  # tokens: a background response this long is still on its way when asked for


@dataclass(frozen=True, slots=True)
class Kept:
    """A response or a conversation: what was asked in its own turn, and everything a next turn continues from."""

    shown: Json
    asked: list[Json]
    history: list[Json]


Store = dict[str, Kept]


def respond(method: str, path: str, request: Any, store: Store) -> Json | list[Json]:
    """What is below /responses/{id} and /conversations."""
    where, _, query = path.strip("/").partition("?")
    kind, _, rest = where.partition("/")
    id, _, action = rest.partition("/")
    if kind == "conversations" and not id:
        only("POST", method)
        return _opened(request, store)
    if id not in store:
        raise Refusal(404, f"no such thing: {id}", None, "not_found", "not_found_error")
    if action == "cancel":
        only("POST", method)
        return _cancelled(id, store)
    if method == "DELETE":
        del store[id]
        return {"id": id, "object": kind.removesuffix("s"), "deleted": True}
    only("GET", method)
    if action in ("items", "input_items"):
        return _listed(store[id].asked if action == "input_items" else store[id].history)
    return _shown(store[id].shown, parse_qs(query))


def only(method: str, given: str) -> None:
    if method != given:
        raise Refusal(405, f"{method} only")


def _shown(response: Json, query: dict[str, list[str]]) -> Json | list[Json]:
    if query.get("stream") != ["true"]:
        return response
    return events(response)[int(query.get("starting_after", ["-1"])[0]) + 1 :]


def _listed(items: list[Json]) -> Json:
    found = [{"id": f"msg_in{at}", **item} for at, item in enumerate(items)]
    ends = {"first_id": found[0]["id"], "last_id": found[-1]["id"]}
    return {"object": "list", "data": found, **ends, "has_more": False}


def _cancelled(id: str, store: Store) -> Json:
    response = store[id].shown
    if not response["background"]:
        raise Refusal(400, "only a background response can be cancelled")
    if response["status"] == "in_progress":
        store[id] = replace(store[id], shown={**response, "status": "cancelled"})
    return store[id].shown


def _opened(request: Any, store: Store) -> Json:
    given = request if isinstance(request, dict) else {}
    id = f"conv_{len(store) + 1}"
    shown = {
        "id": id,
        "object": "conversation",
        "created_at": int(time.time()),
        "metadata": given.get("metadata") or {},
    }
    store[id] = Kept(shown, [], list(given.get("items") or []))
    return shown


def history(request: Json, store: Store) -> list[Json]:
    """The items a request goes on from, or Refusal."""
    previous, conversation = request.get("previous_response_id"), _conversation(request)
    if previous is not None and previous not in store:
        code = "previous_response_not_found"
        raise Refusal(400, f"no response {previous}", "previous_response_id", code)
    if conversation is not None and conversation not in store:
        raise Refusal(404, f"no conversation {conversation}", "conversation", None, "not_found_error")
    found = previous or conversation
    return store[found].history if found else []


def resolved(items: list[Json], store: Store) -> list[Json]:
    """Items in place of references to them, or Refusal."""
    known = {item.get("id"): item for kept in store.values() for item in kept.history}
    for item in items:
        if item["type"] == "item_reference" and item["id"] not in known:
            raise Refusal(400, f"no item {item['id']}", "input")
    return [known[item["id"]] if item["type"] == "item_reference" else item for item in items]


def _conversation(request: Json) -> str | None:
    """A conversation is named by its id or by an object that holds it."""
    given = request.get("conversation")
    return given["id"] if isinstance(given, dict) else given


def keep(request: Json, response: Json, asked: list[Json], items: list[Json], store: Store) -> Json:
    """Keep what was made, where it is to be kept; the response as its maker is told it."""
    conversation = _conversation(request)
    if conversation:
        response = {**response, "conversation": {"id": conversation}}
        store[conversation] = replace(store[conversation], history=items + response["output"])
    shown = response
    if response["background"] and (response["max_output_tokens"] or 0) > ENDLESS:
        shown = {**response, **BLANK}
    if response["store"]:
        store[response["id"]] = Kept(shown, asked, items + response["output"])
    return {**response, **BLANK, "status": "queued"} if response["background"] else response
