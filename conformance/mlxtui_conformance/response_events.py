"""The events of one streamed response go in as they came; what they break comes out as faults, each under its rule.

Pure: knows no bytes, no requests and no verdicts. A fault does not end the reading, so that every rule is judged by
itself. The protocol in one line: items come one after another, parts one after another inside them, and each text
is told as deltas, as a whole, in its part, in its item and in the final response, the same every time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .response_protocol import (
    CALLS,
    ENDINGS,
    IDENTITY,
    KINDS,
    LIFE,
    NEXT,
    PARTS,
    STEMS,
    Channel,
    Fault,
    Rule,
    Stage,
    Texts,
    texts,
)
from .shapes import JsonObject, show, whole


@dataclass(slots=True)
class Open:
    """A text on its way: what its deltas make so far, and whether the whole was told."""

    channel: Channel
    at: int
    text: str = ""
    told: bool = False


@dataclass(slots=True)
class Item:
    """An output item as it was added, and the texts that were finished in it."""

    added: JsonObject
    index: int
    text: Open | None = None
    texts: Texts = field(default_factory=dict)

    @property
    def type(self) -> str:
        return str(self.added.get("type"))


def clipped(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


class Stream:
    """Feed it every event in order, then `finish`."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.items: list[Item] = []
        self.final: JsonObject = {}  # the response in the event that ended it
        self._stage = Stage.START
        self._at = -1
        self._id: object = None
        self._item: Item | None = None

    def feed(self, name: str | None, event: JsonObject) -> None:
        self._at += 1
        kind = str(event.get("type"))
        number = event.get("sequence_number")
        self._hold(Rule.NAMES, name == kind, f"event: {kind}", name)
        self._hold(Rule.SEQUENCE, whole(number) and number == self._at, f"sequence_number {self._at}", event)
        if kind in LIFE:
            self._live(kind, event)
            return
        self._hold(Rule.LIFECYCLE, self._stage == Stage.RUNNING, "output only in progress", event)
        stem, _, verb = kind.rpartition(".")
        if stem == "response.output_item" and verb in ("added", "done"):
            self._add(event) if verb == "added" else self._close(event)
        elif stem in PARTS:
            self._open_part(stem, event) if verb == "added" else self._close_part(stem, event)
        elif stem in STEMS:
            self._speak(STEMS[stem], verb, event)
        else:
            self._other(kind, event)

    def finish(self) -> list[Fault]:
        """All faults, once the last event was fed."""
        if self._stage != Stage.ENDED:
            self._at += 1
            ends = "response.completed, response.incomplete or response.failed"
            self._hold(Rule.LIFECYCLE, False, ends, "the end of the stream")
        return self.faults

    def _hold(self, rule: Rule, holds: object, expected: str, got: object) -> bool:
        if not holds:
            told = got if isinstance(got, str) else show(got)
            self.faults.append(Fault(rule, self._at, clipped(expected), clipped(told)))
        return bool(holds)

    # The response as a whole

    def _live(self, kind: str, event: JsonObject) -> None:
        ways = NEXT[self._stage]
        self._hold(Rule.LIFECYCLE, kind in ways, " or ".join(ways) or "nothing after the end", event)
        self._stage = ways.get(kind, self._stage)
        if kind == "error":
            self._hold(Rule.LIFECYCLE, isinstance(event.get("message"), str), "error with a message", event)
            return
        response = event.get("response")
        if not isinstance(response, dict):
            self._hold(Rule.LIFECYCLE, False, f"a response in {kind}", event)
            return
        self._id = self._id or response.get("id")
        self._hold(Rule.IDENTITY, response.get("id") == self._id, f"the response {self._id}", response.get("id"))
        self._told(kind.removeprefix("response."), response)
        if kind in ENDINGS:
            self._end(kind, response)

    def _told(self, stage: str, response: JsonObject) -> None:
        status = response.get("status")
        # There is no event for the end of a cancelled response, so the status may tell more than the type.
        others = {"created": ("in_progress", "queued"), "incomplete": ("cancelled",)}.get(stage, ())
        self._hold(Rule.LIFECYCLE, status in (stage, *others), f"a status to fit {stage}", status)
        if stage == "created":
            self._hold(Rule.LIFECYCLE, response.get("output") == [], "output [] at first", response.get("output"))
        proof = {"completed": "usage", "incomplete": "incomplete_details", "failed": "error"}.get(str(status))
        if proof:
            self._hold(Rule.LIFECYCLE, isinstance(response.get(proof), dict), f"{proof} when {status}", response)

    def _end(self, kind: str, response: JsonObject) -> None:
        self.final = response
        if kind == "response.failed":  # whatever was open stays open
            return
        self._hold(Rule.NESTING, self._item is None, "every item done before the end", kind)
        output = response.get("output")
        output = output if isinstance(output, list) else []
        count = len(self.items)
        self._hold(Rule.IDENTITY, len(output) == count, f"{count} items in the final output, as streamed", output)
        for item, found in zip(self.items, output, strict=False):
            final = found if isinstance(found, dict) else {}
            self._same(item, final)
            if kind == "response.completed":
                self._status(final, ("completed",))

    def _same(self, item: Item, final: JsonObject) -> None:
        """The item as it ended, or as the response has it, is the one that was added and spoken."""
        for name in IDENTITY:
            was = item.added.get(name)
            self._hold(Rule.IDENTITY, final.get(name) == was, f"{name} {was} as added", final)
        rule = CALLS[item.type].rule if item.type in CALLS else Rule.TEXT
        told = texts(final)
        if item.type in ("message", "reasoning") or item.type in CALLS:
            self._hold(rule, told == item.texts, f"{list(item.texts.values())} as streamed", list(told.values()))

    # Items

    def _add(self, event: JsonObject) -> None:
        self._hold(Rule.NESTING, self._item is None, "the item before done first", event)
        item = self._object(event, "item")
        index = len(self.items)
        self._hold(Rule.IDENTITY, event.get("output_index") == index, f"output_index {index}", event)
        blank = not any(texts(item).values())
        self._hold(Rule.STATUS, blank, "an added item without any text", item)
        self._status(item, ("in_progress",))
        self._item = Item(item, index)
        if self._item.type == "reasoning":
            before = {other.type for other in self.items}
            self._hold(Rule.REASONING, not before or "reasoning" in before, "reasoning before the answer", event)
        self.items.append(self._item)

    def _close(self, event: JsonObject) -> None:
        item, final = self._item, self._object(event, "item")
        if item is None:
            self._hold(Rule.NESTING, False, "output_item.added before output_item.done", event)
            return
        self._hold(Rule.IDENTITY, event.get("output_index") == item.index, f"output_index {item.index}", event)
        spoken = item.type not in CALLS or bool(item.texts)
        self._hold(Rule.NESTING, item.text is None and spoken, "every text in the item done first", event)
        self._same(item, final)
        self._status(final, ("completed", "incomplete"))
        self._item = None

    def _status(self, item: JsonObject, allowed: tuple[str, ...]) -> None:
        """Messages and function calls have a status, the other kinds may."""
        status = item.get("status")
        needless = status is None and item.get("type") not in ("message", "function_call")
        self._hold(Rule.STATUS, needless or status in allowed, f"status {' or '.join(allowed)}", item)

    # Texts

    def _open_part(self, stem: str, event: JsonObject) -> None:
        part = self._object(event, "part")
        channel = KINDS.get(str(part.get("type")))
        item = self._inside(event)
        if item is None:
            return
        self._hold(Rule.NESTING, item.text is None, "the part before done first", event)
        known = channel is not None and (channel.part, channel.item) == (stem, item.type)
        if not self._hold(Rule.NESTING, known, f"a part that belongs into a {item.type}", event) or channel is None:
            return
        at = sum(index == channel.index for index, _ in item.texts)
        self._hold(Rule.IDENTITY, event.get(channel.index) == at, f"{channel.index} {at}", event)
        self._hold(Rule.STATUS, not part.get(channel.name), "an added part without text", part)
        item.text = Open(channel, at)

    def _speak(self, channel: Channel, verb: str, event: JsonObject) -> None:
        item = self._inside(event)
        if item is None:
            return
        if item.text is None and not channel.part and channel.item == item.type and not item.texts:
            item.text = Open(channel, 0)
        text = item.text
        fits = text is not None and text.channel == channel and not text.told
        if not self._hold(Rule.NESTING, fits, "a text that is open", event) or text is None:
            return
        if channel.index:
            self._hold(Rule.IDENTITY, event.get(channel.index) == text.at, f"{channel.index} {text.at}", event)
        if verb == "delta":
            text.text += str(event.get("delta"))
            return
        said = event.get(channel.name)
        self._hold(channel.rule, said == text.text, f"{channel.name} {text.text!r} as the deltas", repr(said))
        text.told = True
        if not channel.part:
            self._finish_text(item, text)

    def _close_part(self, stem: str, event: JsonObject) -> None:
        item = self._inside(event)
        text = item.text if item else None
        fits = text is not None and text.told and text.channel.part == stem
        if not self._hold(Rule.NESTING, fits, "a part whose text is done", event) or item is None or text is None:
            return
        self._hold(Rule.IDENTITY, event.get(text.channel.index) == text.at, f"{text.channel.index} {text.at}", event)
        said = self._object(event, "part").get(text.channel.name)
        self._hold(text.channel.rule, said == text.text, f"{text.text!r} in the part as the deltas", repr(said))
        self._finish_text(item, text)

    def _finish_text(self, item: Item, text: Open) -> None:
        item.texts[text.channel.index, text.at] = text.text
        item.text = None

    def _inside(self, event: JsonObject) -> Item | None:
        """The open item, which the event has to name."""
        item = self._item
        if item is None:
            self._hold(Rule.NESTING, False, "an item that is open", event)
            return None
        self._hold(
            Rule.IDENTITY, event.get("item_id") == item.added.get("id"), f"item_id {item.added.get('id')}", event
        )
        self._hold(Rule.IDENTITY, event.get("output_index") == item.index, f"output_index {item.index}", event)
        return item

    def _other(self, kind: str, event: JsonObject) -> None:
        """Kinds the suite does not know: hosted tools, annotations, extensions. Reasoning has no room for them."""
        self._hold(Rule.REASONING, "reasoning" not in kind, "a reasoning event clients know", kind)
        if self._item is not None and "item_id" in event:
            self._inside(event)

    def _object(self, event: JsonObject, name: str) -> JsonObject:
        found = event.get(name)
        self._hold(Rule.NESTING, isinstance(found, dict), f"{name} in {event.get('type')}", event)
        return found if isinstance(found, dict) else {}
