"""A finished response becomes the events of its stream. Knows nothing of requests."""

from __future__ import annotations

import json

from .brain import Json, tokens

BLANK: Json = {
    "status": "in_progress",
    "output": [],
    "usage": None,
    "completed_at": None,
    "error": None,
    "incomplete_details": None,
}
STEMS = {
    "output_text": "response.output_text",
    "reasoning_text": "response.reasoning_text",
    "summary_text": "response.reasoning_summary_text",
}


def events(response: Json) -> list[Json]:
    """created, in_progress, every item, and how it ended."""
    begun = {**response, **BLANK}
    found: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for at, item in enumerate(response["output"]):
        found += _item(item, at)
    if response["error"]:  # it happened in the middle of the last item
        del found[-4:]
        found.append({"type": "error", **response["error"], "param": None, "error": response["error"]})
    found.append({"type": f"response.{response['status']}", "response": response})
    return numbered(found)


def numbered(found: list[Json]) -> list[Json]:
    return [{**event, "sequence_number": at} for at, event in enumerate(found)]


def frame(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _item(item: Json, at: int) -> list[Json]:
    where: Json = {"item_id": item["id"], "output_index": at}
    empty = {**item, "status": "in_progress"}
    empty |= {name: [] for name in ("content", "summary") if name in item}
    empty |= {name: "" for name in ("arguments", "input") if name in item}
    inner: list[Json] = []
    for place, part in enumerate(item.get("summary", [])):
        inner += _part("reasoning_summary_part", part, {**where, "summary_index": place})
    for place, part in enumerate(item.get("content", [])):
        inner += _part("content_part", part, {**where, "content_index": place})
    if "arguments" in item:
        inner += _text("response.function_call_arguments", "arguments", item, where)
    if "input" in item:
        inner += _text("response.custom_tool_call_input", "input", item, where)
    return [
        {"type": "response.output_item.added", "output_index": at, "item": empty},
        *inner,
        {"type": "response.output_item.done", "output_index": at, "item": item},
    ]


def _part(pair: str, part: Json, where: Json) -> list[Json]:
    return [
        {"type": f"response.{pair}.added", **where, "part": {**part, "text": ""}},
        *_text(STEMS[part["type"]], "text", part, where),
        {"type": f"response.{pair}.done", **where, "part": part},
    ]


def _text(stem: str, name: str, holder: Json, where: Json) -> list[Json]:
    """The deltas of a text and the whole of it."""
    extra = {"logprobs": []} if stem == "response.output_text" else {}
    named = {"name": holder["name"]} if name == "arguments" else {}
    found = [{"type": f"{stem}.delta", **where, **extra, "delta": token} for token in tokens(holder[name])]
    return [*found, {"type": f"{stem}.done", **where, **extra, **named, name: holder[name]}]
