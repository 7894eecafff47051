"""Checks on kept responses: asked for again, left out, deleted, made in the background, gone on with in a conversation.

Knows nothing of chains by previous_response_id but that there are some.
"""

from __future__ import annotations

import time

from ..check import Level, Unsupported, check
from ..context import Context
from ..schema import lengthy
from ..shapes import JsonObject, accepted, cooperation, dig, offered, refused, refuses, require
from ..talk import ENDLESS
from ..talk_responses import (
    FEW,
    RESPONSES,
    Answer,
    body,
    kept,
    objects,
    post,
    read,
    tell,
    there,
)
from ..wire import Streamed

NOBODY = "resp_conformance_no_such_response"
LONG = 600  # tokens at least of an answer that is to be cancelled
PAUSE = 0.1  # seconds between two looks at a response on its way


def stored(ctx: Context) -> Answer:
    """A response that GET gives back, or Unsupported: then nothing is kept that could be asked for."""

    def take() -> Answer:
        first = kept(ctx, body(ctx, "Hello!", max_output_tokens=FEW))
        reply = ctx.get(f"{RESPONSES}/{first.id}")
        if reply.status in (404, 405, 501):
            raise Unsupported(f"GET {RESPONSES}/{{id}}: {reply.brief}")
        accepted(reply, "GET a kept response")
        return first

    there(ctx)
    return ctx.once("responses-stored", take)


@check("state.get", Level.SHOULD, "OpenAPI: GET /responses/{id}")
def get(ctx: Context) -> None:
    """A kept response is given back as it was."""
    first = stored(ctx)
    again = accepted(ctx.get(f"{RESPONSES}/{first.id}"), "GET a kept response").json()
    differing = {name: [first.raw.get(name), again.get(name)] for name in {*first.raw, *again}}
    shown = {name: pair for name, pair in sorted(differing.items()) if pair[0] != pair[1]}
    require(not shown, "the response as it was", shown)


@check("state.store-false", Level.SHOULD, "Open Responses: store false keeps nothing")
def store_false(ctx: Context) -> None:
    """A response that was not to be kept is a 404 afterwards, and no turn can go on from it."""
    stored(ctx)
    first = tell(ctx, body(ctx, "Hello!", max_output_tokens=FEW))
    refused(ctx.get(f"{RESPONSES}/{first.id}"), (404,), "GET a response with store: false")
    request = body(ctx, "Go on.", previous_response_id=first.id, max_output_tokens=FEW)
    refused(post(ctx, request), (400, 404), "going on from a response with store: false")


@check("state.delete", Level.SHOULD, "OpenAPI: DELETE /responses/{id}; SDK responses.delete")
def delete(ctx: Context) -> None:
    """A deleted response is gone."""
    stored(ctx)
    first = kept(ctx, body(ctx, "Hello!", max_output_tokens=FEW))
    offered(ctx.send("DELETE", f"{RESPONSES}/{first.id}"), "DELETE a response")
    refused(ctx.get(f"{RESPONSES}/{first.id}"), (404,), "GET a deleted response")
    refused(ctx.send("DELETE", f"{RESPONSES}/{first.id}"), (404,), "DELETE a deleted response")


@check("state.input-items", Level.SHOULD, "OpenAPI: GET /responses/{id}/input_items; SDK strict")
def input_items(ctx: Context) -> None:
    """The input of a kept response is listed, each item with an id."""
    first = stored(ctx)
    reply = offered(ctx.get(f"{RESPONSES}/{first.id}/input_items"), "GET input_items").json()
    require(dig(reply, "object") == "list", 'object "list"', reply)
    items = objects(reply, "data")
    require(len(items) == 1, "the one item that was asked", items)
    require(bool(dig(items, 0, "id")), "an id for every item", items)
    require("Hello!" in str(dig(items, 0, "content")), "the text that was asked", items)


@check("state.unknown-response", Level.SHOULD, "OpenAI practice: 404 in JSON")
def unknown_response(ctx: Context) -> None:
    """A response that is not there is a 404, whatever is asked of it."""
    stored(ctx)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")):
        reply = ctx.send(method, f"{RESPONSES}/{NOBODY}{path}")
        refused(reply, (404,), f"{method} {RESPONSES}/{{unknown}}{path}")


@check("state.resume", Level.OPT, "OpenAPI: GET /responses/{id}?stream=true&starting_after=")
def resume(ctx: Context) -> None:
    """The events of a kept response can be asked for again, from any of them on, and are the same."""
    stored(ctx)
    sample = ctx.stream(RESPONSES, body(ctx, "Hello!", stream=True, store=True))
    accepted(sample, "a streamed response")
    whole = read(sample)
    id = dig(whole[-1][1], "response", "id")
    for after in (0, len(whole) // 2):
        reply = ctx.get(f"{RESPONSES}/{id}?stream=true&starting_after={after}")
        offered(reply, "GET with stream=true")
        again = read(Streamed(reply.status, reply.headers, reply.body, reply.exchange))
        require(again == whole[after + 1 :], f"the events after {after} as they were", again)


def _in_background(ctx: Context, request: JsonObject) -> Answer:
    stored(ctx)
    reply = offered(post(ctx, request | {"background": True, "store": True}), "background")
    begun = Answer(reply.json())
    require(begun.raw.get("background") is True, "background true", begun.raw.get("background"))
    return begun


def _settled(ctx: Context, id: str) -> JsonObject:
    """The response once it is no longer on its way; the check's time limits the wait."""
    while True:
        found: JsonObject = accepted(ctx.get(f"{RESPONSES}/{id}"), "GET a background response").json()
        if dig(found, "status") not in ("queued", "in_progress"):
            return found
        time.sleep(PAUSE)


@check("state.background", Level.OPT, "OpenAPI: background; status queued, in_progress, completed")
def background(ctx: Context) -> None:
    """A background response is answered at once and can be asked for until it is done."""
    begun = _in_background(ctx, body(ctx, "Hello!", max_output_tokens=FEW))
    status = begun.raw.get("status")
    require(status in ("queued", "in_progress"), "status queued or in_progress at first", status)
    done = _settled(ctx, begun.id)
    require(done["status"] in ("completed", "incomplete"), "status completed or incomplete", done["status"])
    require(bool(dig(done, "output")), "output", done)
    require(isinstance(done.get("usage"), dict), "usage", done.get("usage"))


@check("state.cancel", Level.OPT, "OpenAPI: POST /responses/{id}/cancel; cancelling twice is no error", asks_model=True)
def cancel(ctx: Context) -> None:
    """A background response can be cancelled, and stays so.

    A schema makes the answer a long one, where the server holds the model to it.
    """
    asked = body(ctx, ENDLESS, max_output_tokens=4000)
    form = {"type": "json_schema", "name": "sky", "strict": True, "schema": lengthy(LONG)}
    try:
        begun = _in_background(ctx, asked | {"text": {"format": form}})
    except Unsupported:
        begun = _in_background(ctx, asked)
    path = f"{RESPONSES}/{begun.id}/cancel"
    reply = ctx.send("POST", path)
    if reply.status == 405 or refuses(reply):
        raise Unsupported(f"POST {path}: {reply.brief}")
    accepted(reply, "cancelling a background response")
    last = _settled(ctx, begun.id)
    cooperation(last["status"] != "completed", "the answer was there before it could be cancelled")
    require(last["status"] == "cancelled", "status cancelled", last["status"])
    accepted(ctx.send("POST", path), "cancelling it again")


@check("state.conversation", Level.OPT, "OpenAPI: POST /conversations, conversation in POST /responses")
def conversation(ctx: Context) -> None:
    """Responses in a conversation go on from one another, and it lists what was said."""
    there(ctx)
    reply = ctx.post("/conversations", {})
    if reply.status in (405, 501) or refuses(reply):
        raise Unsupported(f"POST /conversations: {reply.brief}")
    id = dig(accepted(reply, "a new conversation").json(), "id")
    asked = body(ctx, "Hello!", conversation=id, store=True, max_output_tokens=FEW)
    first, second = (tell(ctx, asked, "a response in a conversation") for _ in range(2))
    require(second.prompt > first.prompt, f"more than {first.prompt} input tokens in the second turn", second.prompt)
    items = objects(offered(ctx.get(f"/conversations/{id}/items"), "GET the items").json(), "data")
    roles = [item.get("role") for item in items if item.get("type") == "message"]
    require(roles.count("user") == 2, "both turns of the user", roles)


CHECKS = (
    get,
    store_false,
    delete,
    input_items,
    unknown_response,
    resume,
    background,
    cancel,
    conversation,
)
