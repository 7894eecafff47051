"""What can be wrong with the events of a response, each with the check that claims it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .brain import Json
from .defects_streams import DONE, in_band, media
from .hooks import CRASH, Memory, edited, on, setting
from .responses_events import numbered
from .server import Asked, Defect, Hook, Said

TERMINAL = ("response.completed", "response.incomplete", "response.failed")


def streaming(asked: Asked) -> bool:
    return asked.path.endswith("/responses")


def rewritten(change: Callable[[list[Json]], list[Json]], count: bool = True) -> Hook:
    """Put other events in place of the right ones, and count them anew."""

    def rewrite(asked: Asked, events: Any) -> Any:
        changed = change([json.loads(json.dumps(event)) for event in events])
        return numbered(changed) if count else changed

    return on(streaming, rewrite)


def without(*kinds: str) -> Hook:
    return rewritten(lambda events: [event for event in events if event["type"] not in kinds])


def each(kind: str, change: Callable[[Json], Any]) -> Hook:
    """Alter every event whose type ends like this in place."""

    def edit(events: Any) -> None:
        for event in events:
            if event["type"].endswith(kind):
                change(event)

    return on(streaming, edited(edit))


def final(change: Callable[[Json], Any]) -> Hook:
    """Alter the response in the terminal event."""

    def edit(events: Any) -> None:
        if events[-1]["type"] in TERMINAL:
            change(events[-1]["response"])

    return on(streaming, edited(edit))


def item(kind: str, change: Callable[[Json], Any]) -> Hook:
    """Alter the item in every output_item.added or .done."""
    return each(f"output_item.{kind}", lambda event: change(event["item"]))


def frames(change: Callable[[list[bytes]], list[bytes]]) -> Hook:
    return on(streaming, lambda asked, found: change(list(found)))


def twice(kind: str) -> Hook:
    return rewritten(lambda events: [copy for e in events for copy in ([e, e] if e["type"].endswith(kind) else [e])])


def one_less(kind: str) -> Hook:
    """The second delta of its kind is lost."""

    def cut(events: list[Json]) -> list[Json]:
        found = [at for at, event in enumerate(events) if event["type"].endswith(kind)]
        return [event for at, event in enumerate(events) if at not in found[1:2]]

    return rewritten(cut)


def parts_late(events: list[Json]) -> list[Json]:
    """content_part.added comes after the first delta."""
    for at in [at for at, event in enumerate(events) if event["type"] == "response.content_part.added"]:
        events[at], events[at + 1] = events[at + 1], events[at]
    return events


def overlapping(events: list[Json]) -> list[Json]:
    """An item is done after the response is."""
    return [*events[:-2], events[-1], events[-2]]


def from_one(events: list[Json]) -> list[Json]:
    return [{**event, "sequence_number": event["sequence_number"] + 1} for event in events]


def gapped(events: list[Json]) -> list[Json]:
    return [{**event, "sequence_number": event["sequence_number"] * 2} for event in events]


def answer_first(events: list[Json]) -> list[Json]:
    """The thought comes after what was thought."""
    if not any(event.get("output_index") == 1 for event in events):
        return events
    thought = [{**event, "output_index": 1} for event in events if event.get("output_index") == 0]
    spoken = [{**event, "output_index": 0} for event in events if event.get("output_index") == 1]
    events[-1]["response"]["output"].reverse()
    return [*events[:2], *spoken, *thought, events[-1]]


def renamed(old: str, new: str) -> Hook:
    return each(old, lambda event: event.update(type=event["type"].replace(old, new)))


def as_completed(event: Json) -> None:
    event["type"] = "response.completed"
    event["response"].update(status="completed", incomplete_details=None)
    for found in event["response"]["output"]:
        found["status"] = "completed"


def recut(found: list[bytes]) -> list[bytes]:
    """Pieces of 100 bytes, wherever the events end."""
    raw = b"".join(found)
    return [raw[at : at + 100] for at in range(0, len(raw), 100)]


def late_death(past: Json, asked: Asked, said: Said) -> Said:
    """A stream that fails takes the server with it."""
    dead = past.get("dead")
    past["dead"] = dead or b"response.failed" in b"".join(said.frames or ())
    return CRASH if dead else said


def broken_off(found: list[bytes]) -> list[bytes]:
    return [part for part in found if b"response.failed" not in part and not part.startswith(b"event: error")]


def greeting(asked: Asked, request: Any) -> Any:
    return setting(input="Hello!")(asked, request) if request.get("stream") else request


FRAMES = (
    Defect("events-plain", "responses.stream.framing", reply=on(streaming, media("text/plain"))),
    Defect("events-ids", "responses.stream.framing", frames=frames(lambda f: [b"id: 1\n" + part for part in f])),
    Defect("events-ping", "responses.stream.framing", frames=frames(lambda f: [b"event: ping\n\n", *f])),
    Defect("events-unclosed", "responses.stream.framing", frames=frames(lambda f: [*f[:-1], DONE[:-1]])),
    Defect(
        "events-no-names",
        "responses.stream.names",
        frames=frames(lambda f: [p.partition(b"\n")[2] for p in f[:-1]] + f[-1:]),
    ),
    Defect(
        "events-message",
        "responses.stream.names",
        frames=frames(lambda f: [b"event: message\n" + p.partition(b"\n")[2] for p in f]),
    ),
    Defect("events-torn", "responses.stream.writes", frames=frames(recut)),
    Defect("events-no-done", "responses.stream.done", frames=frames(lambda f: f[:-1])),
    Defect("events-done-twice", "responses.stream.done", frames=frames(lambda f: [*f, DONE])),
    Defect("events-after-done", "responses.stream.done", frames=frames(lambda f: [*f, f[0]])),
    Defect("events-early-error", "responses.stream.early-error", reply=on(streaming, in_band)),
)

LIFE = (
    Defect("no-created", "responses.stream.lifecycle", chunks=without("response.created")),
    Defect("no-in-progress", "responses.stream.lifecycle", chunks=without("response.in_progress")),
    Defect("no-terminal", "responses.stream.lifecycle", chunks=without(*TERMINAL)),
    Defect("two-terminals", "responses.stream.lifecycle", chunks=rewritten(lambda e: [*e, e[-1]])),
    Defect("terminal-open", "responses.stream.lifecycle", chunks=final(lambda r: r.update(status="in_progress"))),
    Defect("terminal-no-usage", "responses.stream.lifecycle", chunks=final(lambda r: r.update(usage=None))),
    Defect("counts-from-1", "responses.stream.sequence", chunks=rewritten(from_one, count=False)),
    Defect("counts-gapped", "responses.stream.sequence", chunks=rewritten(gapped, count=False)),
    Defect("counts-missing", "responses.stream.sequence", chunks=each("", lambda e: e.pop("sequence_number"))),
    Defect("part-not-added", "responses.stream.nesting", chunks=without("response.content_part.added")),
    Defect("part-late", "responses.stream.nesting", chunks=rewritten(parts_late)),
    Defect("part-not-done", "responses.stream.nesting", chunks=without("response.content_part.done")),
    Defect("text-not-done", "responses.stream.nesting", chunks=without("response.output_text.done")),
    Defect("item-not-done", "responses.stream.nesting", chunks=without("response.output_item.done")),
    Defect("item-late", "responses.stream.nesting", chunks=rewritten(overlapping)),
    Defect("item-twice", "responses.stream.nesting", chunks=twice("output_item.added")),
    Defect("delta-item", "responses.stream.identity", chunks=each("text.delta", lambda e: e.update(item_id="msg_x"))),
    Defect("delta-index", "responses.stream.identity", chunks=each("text.delta", lambda e: e.update(output_index=7))),
    Defect("delta-place", "responses.stream.identity", chunks=each("text.delta", lambda e: e.update(content_index=1))),
    Defect("delta-homeless", "responses.stream.identity", chunks=each("arguments.delta", lambda e: e.pop("item_id"))),
    Defect("final-id", "responses.stream.identity", chunks=final(lambda r: r.update(id="resp_x"))),
    Defect("done-id", "responses.stream.identity", chunks=item("done", lambda i: i.update(id="msg_x"))),
    Defect("final-empty", "responses.stream.identity", chunks=final(lambda r: r.update(output=[]))),
    Defect("added-done", "responses.stream.status", chunks=item("added", lambda i: i.update(status="completed"))),
    Defect("added-stateless", "responses.stream.status", chunks=item("added", lambda i: i.pop("status"))),
    Defect("done-open", "responses.stream.status", chunks=item("done", lambda i: i.update(status="in_progress"))),
    Defect("part-filled", "responses.stream.status", chunks=each("part.added", lambda e: e["part"].update(text="1"))),
)

TEXTS = (
    Defect("text-delta-lost", "responses.stream.text", chunks=one_less("output_text.delta")),
    Defect("text-delta-twice", "responses.stream.text", chunks=twice("output_text.delta")),
    Defect("text-no-deltas", "responses.stream.text", chunks=without("response.output_text.delta")),
    Defect("text-done-empty", "responses.stream.text", chunks=each("text.done", lambda e: e.update(text=""))),
    Defect("text-part-empty", "responses.stream.text", chunks=each("part.done", lambda e: e["part"].update(text=""))),
    Defect("text-item-empty", "responses.stream.text", chunks=item("done", lambda i: i.update(content=[]))),
    Defect("text-final-other", "responses.stream.text", chunks=final(lambda r: r["output"][0].update(content=[]))),
    Defect("arguments-delta-lost", "responses.stream.arguments", chunks=one_less("arguments.delta")),
    Defect(
        "arguments-done-empty",
        "responses.stream.arguments",
        chunks=each("arguments.done", lambda e: e.pop("arguments")),
    ),
    Defect("arguments-item-empty", "responses.stream.arguments", chunks=item("done", lambda i: i.update(arguments=""))),
    Defect("input-item-empty", "responses.stream.arguments", chunks=item("done", lambda i: i.update(input=""))),
    Defect("thought-late", "responses.stream.reasoning", chunks=rewritten(answer_first)),
    Defect("thought-old-name", "responses.stream.reasoning", chunks=renamed("reasoning_text.delta", "reasoning.delta")),
    Defect("summary-name", "responses.stream.reasoning", chunks=renamed("summary_text.delta", "summary.delta")),
    Defect("summary-lost", "responses.stream.reasoning", chunks=one_less("summary_text.delta")),
    Defect("cut-completed", "responses.stream.incomplete", chunks=each("response.incomplete", as_completed)),
    Defect(
        "cut-why",
        "responses.stream.incomplete",
        chunks=final(lambda r: r.update(incomplete_details={"reason": "steered"})),
    ),
    Defect("stream-other-text", "responses.stream.same-text", request=on(streaming, greeting)),
    Defect("stream-not-kept", "responses.stream.stored", chunks=final(lambda r: r.update(metadata={"x": "y"}))),
    Defect("delta-no-logprobs", "responses.stream.strict", chunks=each("text.delta", lambda e: e.pop("logprobs"))),
    Defect("strange-event", "responses.stream.strict", chunks=renamed("output_text.done", "output_text.finished")),
    Defect(
        "summary-bare", "responses.stream.strict", chunks=each("summary_part.done", lambda e: e["part"].pop("type"))
    ),
    Defect(
        "error-inside", "responses.stream.sdk", chunks=each("in_progress", lambda e: e.update(error={"message": "x"}))
    ),
    Defect("accumulates-twice", "responses.stream.sdk", chunks=twice("output_text.delta")),
    Defect("failed-silently", "responses.stream.failure", frames=frames(broken_off)),
    Defect("failed-no-end", "responses.stream.failure", chunks=without("response.failed")),
    Defect("failed-no-error", "responses.stream.failure", chunks=final(lambda r: r.update(error=None))),
    Defect("failed-for-good", "responses.stream.failure", reply=Memory(late_death)),
)

EVENTS = FRAMES + LIFE + TEXTS
