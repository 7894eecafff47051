"""The reader of response events: sound streams pass, and nothing can be dropped, doubled or swapped unnoticed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from mlxtui_conformance.response_events import Stream
from mlxtui_conformance.response_protocol import Fault, Rule

from .fake.chat import MODEL
from .fake.responses import respond
from .fake.responses_events import numbered

Json = dict[str, Any]
TOOLS = [
    {"type": "function", "name": "look", "parameters": {"properties": {"at": {"type": "string"}}}},
    {"type": "custom", "name": "run"},
]
BROKEN = {"type": "object", "properties": {"a": {"type": "string", "minLength": 9, "maxLength": 2}}}
REQUESTS: dict[str, Json] = {
    "text": {"input": "Hello"},
    "reasoning": {"input": "Think step by step."},
    "summary": {"input": "Think step by step.", "reasoning": {"summary": "auto"}},
    "function": {"input": "Hello", "tools": TOOLS, "tool_choice": {"type": "function", "name": "look"}},
    "custom": {"input": "Hello", "tools": TOOLS, "tool_choice": {"type": "custom", "name": "run"}},
    "cut": {"input": "Count", "max_output_tokens": 9},
    "cut in thought": {"input": "Think step by step.", "max_output_tokens": 9},
    "failed": {"input": "Hello", "text": {"format": {"type": "json_schema", "name": "x", "schema": BROKEN}}},
}
WHOLE = [name for name in REQUESTS if name != "failed"]  # a failure may break off anything, at any time


def sound(name: str) -> list[Json]:
    events = respond("POST", "/responses", {"model": MODEL, "stream": True, **REQUESTS[name]}, {}, mumbling=False)
    assert isinstance(events, list)
    return copy.deepcopy(events)


def faults(events: list[Json]) -> list[Fault]:
    stream = Stream()
    for event in events:
        stream.feed(event.get("type"), event)
    return stream.finish()


@pytest.mark.parametrize("name", REQUESTS)
def test_a_sound_stream_has_no_faults(name: str) -> None:
    assert faults(sound(name)) == []


def told(events: list[Json], at: int) -> bool:
    """Whether the stream says something new at this place: a second in_progress is only a sign of life."""
    return str(events[at]["type"]) != "response.in_progress"


@pytest.mark.parametrize("name", WHOLE)
def test_no_event_can_be_lost(name: str) -> None:
    events = sound(name)
    for at in range(len(events)):
        assert faults(numbered(events[:at] + events[at + 1 :])), events[at]


@pytest.mark.parametrize("name", WHOLE)
def test_no_event_can_come_twice(name: str) -> None:
    events = sound(name)
    for at in range(len(events)):
        if told(events, at):
            assert faults(numbered(events[: at + 1] + events[at:])), events[at]


@pytest.mark.parametrize("name", WHOLE)
def test_no_neighbours_can_change_places(name: str) -> None:
    events = sound(name)
    for at in range(len(events) - 1):
        one, two = events[at], events[at + 1]
        if {**one, "sequence_number": 0} != {**two, "sequence_number": 0}:
            assert faults(numbered([*events[:at], two, one, *events[at + 2 :]])), (one, two)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_cut_stream_is_never_whole(name: str) -> None:
    events = sound(name)
    for end in range(len(events)):
        assert Rule.LIFECYCLE in {fault.rule for fault in faults(events[:end])}


def first(events: list[Json], kind: str) -> Json:
    return next(event for event in events if event["type"].endswith(kind))


def every(kind: str, **fields: Any) -> Callable[[list[Json]], None]:
    def change(events: list[Json]) -> None:
        for event in events:
            if event["type"].endswith(kind):
                event.update(fields)

    return change


def inside(kind: str, *path: str, **fields: Any) -> Callable[[list[Json]], None]:
    """`every`, for what lies deeper in the event."""

    def change(events: list[Json]) -> None:
        for event in events:
            if event["type"].endswith(kind):
                here: Any = event
                for step in path:
                    here = here[step]
                (here[0] if isinstance(here, list) else here).update(fields)

    return change


SLIPS: list[tuple[str, str, Rule, Callable[[list[Json]], None]]] = [
    ("a gap in the numbers", "text", Rule.SEQUENCE, lambda e: e[3].update(sequence_number=99)),
    ("numbers as text", "text", Rule.SEQUENCE, lambda e: e[0].update(sequence_number="0")),
    ("false as 0", "text", Rule.SEQUENCE, lambda e: e[0].update(sequence_number=False)),
    ("created with output", "text", Rule.LIFECYCLE, inside(".created", "response", output=[{}])),
    ("created as completed", "text", Rule.LIFECYCLE, inside(".created", "response", status="completed")),
    ("completed in progress", "text", Rule.LIFECYCLE, inside(".completed", "response", status="in_progress")),
    ("completed without usage", "text", Rule.LIFECYCLE, inside(".completed", "response", usage=None)),
    ("incomplete for no reason", "cut", Rule.LIFECYCLE, inside(".incomplete", "response", incomplete_details=None)),
    ("failed for no reason", "failed", Rule.LIFECYCLE, inside(".failed", "response", error=None)),
    ("an error that says nothing", "failed", Rule.LIFECYCLE, every("error", message=None)),
    ("another response at the end", "text", Rule.IDENTITY, inside(".completed", "response", id="resp_x")),
    ("another item id in a delta", "text", Rule.IDENTITY, every("output_text.delta", item_id="x")),
    ("another item id in the item", "text", Rule.IDENTITY, inside("item.done", "item", id="x")),
    ("another call id in the item", "function", Rule.IDENTITY, inside("item.done", "item", call_id="x")),
    ("another name at the end", "function", Rule.IDENTITY, inside(".completed", "response", "output", name="x")),
    ("another item index", "text", Rule.IDENTITY, every("part.added", output_index=1)),
    ("items counted from 1", "text", Rule.IDENTITY, every("item.added", output_index=1)),
    ("another part index", "text", Rule.IDENTITY, every("output_text.done", content_index=1)),
    ("a summary without index", "summary", Rule.IDENTITY, every("summary_text.delta", summary_index=None)),
    ("an item lost at the end", "text", Rule.IDENTITY, inside(".completed", "response", output=[])),
    ("another text when done", "text", Rule.TEXT, every("output_text.done", text="x")),
    ("another text in the part", "text", Rule.TEXT, inside("part.done", "part", text="x")),
    ("another text in the item", "text", Rule.TEXT, inside("item.done", "item", "content", text="x")),
    ("no text in the item", "text", Rule.TEXT, inside("item.done", "item", content=[])),
    ("a delta of nothing", "text", Rule.TEXT, every("output_text.delta", delta=None)),
    ("other arguments when done", "function", Rule.ARGUMENTS, every("arguments.done", arguments="{}")),
    ("other arguments in the item", "function", Rule.ARGUMENTS, inside("item.done", "item", arguments="{}")),
    ("parsed arguments", "function", Rule.ARGUMENTS, every("arguments.done", arguments={"at": "x"})),
    ("other input in the item", "custom", Rule.ARGUMENTS, inside("item.done", "item", input="x")),
    ("added as completed", "text", Rule.STATUS, inside("item.added", "item", status="completed")),
    ("added without status", "function", Rule.STATUS, inside("item.added", "item", status=None)),
    ("added with its text", "function", Rule.STATUS, inside("item.added", "item", arguments="{}")),
    ("a part added with text", "text", Rule.STATUS, inside("part.added", "part", text="x")),
    ("done in progress", "text", Rule.STATUS, inside("item.done", "item", status="in_progress")),
    (
        "incomplete in a completed response",
        "text",
        Rule.STATUS,
        inside(".completed", "response", "output", status="incomplete"),
    ),
    ("an unknown thought", "reasoning", Rule.REASONING, every("text.delta", type="response.reasoning.delta")),
    ("a part of the wrong kind", "reasoning", Rule.NESTING, inside("part.added", "part", type="output_text")),
    ("no item at all", "text", Rule.NESTING, every("item.added", item=None)),
]


@pytest.mark.parametrize(("name", "rule", "slip"), [slip[1:] for slip in SLIPS], ids=[slip[0] for slip in SLIPS])
def test_a_slip_is_told_under_its_rule(name: str, rule: Rule, slip: Callable[[list[Json]], None]) -> None:
    events = sound(name)
    slip(events)
    found = faults(events)
    assert rule in {fault.rule for fault in found}, found
    assert all(fault.expected and fault.got for fault in found)


def test_the_event_line_names_the_type() -> None:
    stream = Stream()
    for event in sound("text"):
        stream.feed(None if event["type"].endswith("delta") else event["type"], event)
    assert {fault.rule for fault in stream.finish()} == {Rule.NAMES}


def test_reasoning_comes_before_the_answer() -> None:
    events = sound("reasoning")
    thought = [event for event in events if event.get("output_index") == 0]
    spoken = [event for event in events if event.get("output_index") == 1]
    moved = [*events[:2], *_at(spoken, 0), *_at(thought, 1), events[-1]]
    moved[-1]["response"]["output"].reverse()
    assert {fault.rule for fault in faults(numbered(moved))} == {Rule.REASONING}


def _at(events: list[Json], index: int) -> list[Json]:
    return [{**event, "output_index": index} for event in events]


def test_a_sign_of_life_and_a_queue_are_no_faults() -> None:
    events = sound("text")
    alive = {**events[1], "type": "response.in_progress"}
    queued = {**events[0], "type": "response.queued", "response": {**events[0]["response"], "status": "queued"}}
    assert faults(numbered([events[0], queued, *events[1:5], alive, *events[5:]])) == []


def test_a_cancelled_response_ends_as_incomplete() -> None:
    events = sound("cut")
    events[-1]["response"].update(status="cancelled", incomplete_details=None, usage=None)
    assert faults(events) == []


@pytest.mark.parametrize(
    "junk", [{}, {"type": None}, {"type": "response.created"}, {"type": "response.output_item.done"}]
)
def test_nothing_a_server_sends_breaks_the_reader(junk: Json) -> None:
    events = sound("function")
    for at in range(len(events) + 1):
        assert faults([*events[:at], {"item": 1, "response": [], **junk}, *events[at:]])


def test_a_lossless_round_trip_changes_nothing() -> None:
    """The reader keeps no reference that a later event could change."""
    events = sound("function")
    before = json.dumps(events)
    faults(events)
    assert json.dumps(events) == before
