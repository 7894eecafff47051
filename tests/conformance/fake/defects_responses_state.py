"""What can be wrong with turns that go on from one another and with what is kept, each with its check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .brain import Json
from .defects_responses import any_item, given, made, whole
from .hooks import CRASH, Memory, body, dropping, edited, instead, on, on_error, path
from .responses_events import numbered
from .server import Asked, Defect, Hook, Said, say

CHAIN = "previous_response_id"


def inheriting(past: Json, asked: Asked, request: Any) -> Any:
    """Instructions last until others come."""
    past["instructions"] = request.get("instructions") or past.get("instructions", "")
    return {**request, "instructions": past["instructions"]} if CHAIN in request else request


def one_line() -> Defect:
    """A turn goes on from whatever came last, not from what it names."""
    last: dict[str, str] = {}

    def swapped(asked: Asked, request: Any) -> Any:
        return {**request, CHAIN: last["id"]} if request.get(CHAIN) else request

    def noted(asked: Asked, response: Json) -> Json:
        last["id"] = response["id"]
        return response

    return Defect("chain-one-line", "state.branch", request=swapped, completion=on(made, noted))


def kept(asked: Asked) -> bool:
    return "/responses/" in asked.path and asked.method == "GET"


def listing(change: Callable[[Json], Any]) -> Hook:
    return on(path("input_items"), edited(change))


def undead(past: Json, asked: Asked, said: Said) -> Said:
    """What was deleted is still given."""
    if kept(asked) and said.status == 200:
        past[asked.path] = said
    return past.get(asked.path, say(200, {})) if kept(asked) and said.status == 404 else said


STATE = (
    Defect("chain-ignored", "state.recall", request=dropping(CHAIN)),
    Defect("chain-lost-call", "state.tool-chain", request=dropping(CHAIN)),
    Defect(
        "chain-short",
        "state.tool-chain",
        completion=on(lambda a: body(a).get(CHAIN), edited(lambda r: r["usage"].update(input_tokens=9))),
    ),
    Defect("chain-unnamed", "state.tool-chain", completion=whole(lambda r: r.update(previous_response_id=None))),
    Defect("chain-anything", "state.unknown-id", request=dropping(CHAIN)),
    Defect("chain-crash", "state.unknown-id", reply=on(lambda a: body(a).get(CHAIN), instead(CRASH))),
    Defect("chain-code", "state.unknown-code", reply=on_error(lambda e: e.update(code=None))),
    Defect("chain-param", "state.unknown-code", reply=on_error(lambda e: e.update(param=None))),
    Defect("instructions-ignored", "state.instructions", request=dropping("instructions")),
    Defect("instructions-inherited", "state.instructions", request=Memory(inheriting)),
    one_line(),
    Defect("replay-ids", "state.replay", request=any_item(lambda i: i.get("role") == "assistant" and "id" not in i)),
    Defect("replay-no-ids", "state.replay", request=any_item(lambda i: i.get("role") == "assistant" and "id" in i)),
    Defect(
        "replay-last",
        "state.replay",
        request=lambda asked, r: {**r, "input": given(r)[-1:]} if len(given(r)) > 1 else r,
    ),
    Defect("kept-changed", "state.get", completion=on(kept, edited(lambda r: r.update(metadata={"x": "y"})))),
    Defect("kept-crash", "state.get", reply=on(kept, instead(CRASH))),
    Defect("kept-always", "state.store-false", request=dropping("store")),
    Defect("kept-undead", "state.delete", reply=Memory(undead)),
    Defect("kept-no-ids", "state.input-items", completion=listing(lambda r: r["data"][0].pop("id"))),
    Defect("kept-no-input", "state.input-items", completion=listing(lambda r: r.update(data=[]))),
    Defect("kept-bare-list", "state.input-items", completion=listing(lambda r: r.pop("object"))),
)


def nobody(asked: Asked) -> bool:
    return "no_such_response" in asked.path


def cancelled_once(past: Json, asked: Asked, said: Said) -> Said:
    """Cancelling what is cancelled is an error."""
    if not asked.path.endswith("/cancel") or nobody(asked):
        return said
    past["count"] = past.get("count", 0) + 1
    return say(400, {"error": {"message": "cancelled already"}}) if past["count"] > 1 else said


def unreferred(asked: Asked, request: Any) -> Any:
    """References to items are passed over."""
    if not isinstance(request, dict) or not isinstance(request.get("input"), list):
        return request
    return {**request, "input": [item for item in request["input"] if item.get("type") != "item_reference"]}


def resumed(change: Callable[[list[Json]], Any]) -> Hook:
    return on(lambda asked: "starting_after" in asked.path, lambda asked, events: change(list(events)))


KEPT = (
    Defect("unknown-given", "state.unknown-response", reply=on(nobody, instead(say(200, {})))),
    Defect(
        "unknown-crash", "state.unknown-response", reply=on(lambda a: nobody(a) and a.method == "POST", instead(CRASH))
    ),
    Defect("resume-short", "state.resume", chunks=resumed(lambda events: events[1:])),
    Defect("resume-anew", "state.resume", chunks=resumed(numbered)),
    Defect("background-ignored", "state.background", request=dropping("background")),
    Defect("background-waits", "state.background", completion=whole(lambda r: r.update(status="completed"))),
    Defect("background-empty", "state.background", completion=on(kept, edited(lambda r: r.update(output=[])))),
    Defect("cancel-ignored", "state.cancel", completion=on(kept, edited(lambda r: r.update(status="incomplete")))),
    Defect("cancel-once", "state.cancel", reply=Memory(cancelled_once)),
    Defect("reference-empty", "state.item-reference", request=unreferred),
    Defect("sealed-refused", "state.encrypted-reasoning", request=any_item(lambda i: i.get("encrypted_content"))),
    Defect("compact-bare", "state.compact", completion=on(path("/compact"), edited(lambda r: r.pop("usage")))),
    Defect("compact-empty", "state.compact", completion=on(path("/compact"), edited(lambda r: r.update(output=[])))),
    Defect("compact-refused", "state.compact", request=any_item(lambda i: i.get("type") == "compaction")),
    Defect("conversation-ignored", "state.conversation", request=dropping("conversation")),
    Defect(
        "conversation-short",
        "state.conversation",
        completion=on(path("/items"), edited(lambda r: r.update(data=r["data"][:2]))),
    ),
)

REMEMBERED = STATE + KEPT
