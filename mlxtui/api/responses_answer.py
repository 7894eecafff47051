"""One response as it comes together: Deltas go in, the events of its stream and the response object come out.

Items come one after another: what the model says next closes what is open. The object in the last event is what
`to_json` gives from then on. Pure but for the clock that says when it was completed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

from mlxtui.api.responses import Asked, echo, renamed
from mlxtui.api.responses_events import (
    Event,
    ItemStatus,
    OpenCall,
    OpenCustomCall,
    OpenItem,
    OpenMessage,
    OpenThought,
)
from mlxtui.api.responses_items import Item
from mlxtui.api.sealed import SealKey
from mlxtui.errors import ApiError, InvalidRequest
from mlxtui.types import CallArguments, CallStart, Delta, Finish, Logprob, Reasoning, Started, Text, Usage

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
_Item = TypeVar("_Item", bound=OpenItem)
KNOWN_FAILURES = ("rate_limit_exceeded", "context_length_exceeded")  # Codex waits, or makes room


class ResponseAnswer:
    def __init__(
        self, asked: Asked, id: str, created_at: int, key: SealKey, clock: Callable[[], float] = time.time
    ) -> None:
        self.status: Status = "queued" if asked.background else "in_progress"
        self.output: list[Item] = []
        self._asked = asked
        self._id = id
        self._created_at = created_at
        self._seal = key.seal if asked.sealed else None
        self._clock = clock
        self._next = 0  # sequence number
        self._open: OpenItem | None = None
        self._logprobs: list[Logprob] = []  # of text that is still to come
        self._usage: Usage | None = None
        self._completed_at: int | None = None
        self._error: dict[str, Any] | None = None

    def created(self) -> list[Event]:
        return [self._of_response("created")]

    def queued(self) -> list[Event]:
        self.status = "queued"
        return [self._of_response("queued")]

    def in_progress(self) -> list[Event]:
        """Also to be sent again in a long silence: there are clients that count nothing else as a sign of life."""
        self.status = "in_progress"
        return [self._of_response("in_progress")]

    def feed(self, deltas: Iterable[Delta]) -> list[Event]:
        return [event for delta in deltas for event in self._take(delta)]

    def fail(self, error: ApiError) -> list[Event]:
        """In band, in both of the shapes that clients look for; openai-python raises at the first of the two."""
        events = self._close("incomplete")
        told = renamed(error).body()["error"]
        code = "invalid_prompt" if isinstance(error, InvalidRequest) else "server_error"
        self.status = "failed"
        self._error = {"code": error.code if error.code in KNOWN_FAILURES else code, "message": error.message}
        shapes = {name: told[name] for name in ("code", "message", "param")} | {"error": told}
        return [*events, self._event({"type": "error", **shapes}), self._of_response("failed")]

    def cancel(self) -> list[Event]:
        """OpenAI has a status for this, but no event: incomplete is what it is, and no client takes it for a fault."""
        events = self._close("incomplete")
        self.status = "cancelled"
        return [*events, self._of_response("incomplete")]

    def to_json(self) -> dict[str, Any]:
        """The response object as of now."""
        last = [self._open.to_json("in_progress")] if self._open else []
        cut_off = {"reason": "max_output_tokens"} if self.status == "incomplete" else None
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "status": self.status,
            "completed_at": self._completed_at,
            "error": self._error,
            "incomplete_details": cut_off,
            "output": [*self.output, *last],
            "usage": usage_json(self._usage) if self._usage else None,
            **echo(self._asked),
        }

    def _take(self, delta: Delta) -> list[Event]:
        match delta:
            case Started():
                return []
            case Text(text=text, logprobs=logprobs):
                return self._say(text, logprobs)
            case Reasoning(text=text):
                return self._think(text)
            case CallStart():
                return self._begin_call(delta)
            case CallArguments(text=text):
                assert isinstance(self._open, OpenCall | OpenCustomCall)
                self._logprobs = []
                return self._grow(self._open.feed(text))
            case Finish():
                return self._finish(delta)

    def _say(self, text: str, logprobs: tuple[Logprob, ...]) -> list[Event]:
        """Text of no length only brings figures: of text that is held back, or of reasoning and calls to come."""
        if not text and not isinstance(self._open, OpenMessage):
            self._logprobs += logprobs
            return []
        message, begun = self._within(OpenMessage, lambda: OpenMessage(self._item_id("msg")))
        figures, self._logprobs = [*self._logprobs, *logprobs], []
        return begun + self._grow(message.feed(text, figures))

    def _think(self, text: str) -> list[Event]:
        self._logprobs = []
        summary, seal = self._asked.summary, self._seal
        thought, begun = self._within(OpenThought, lambda: OpenThought(self._item_id("rs"), summary=summary, seal=seal))
        return begun + self._grow(thought.feed(text))

    def _begin_call(self, call: CallStart) -> list[Event]:
        self._logprobs = []
        tool = self._asked.toolbox.offered.get(call.name)
        name, namespace = (tool.name, tool.namespace) if tool else (call.name, None)
        if tool and tool.custom:
            return self._add(OpenCustomCall(self._item_id("ctc"), call.id, name, namespace))
        return self._add(OpenCall(self._item_id("fc"), call.id, name, namespace))

    def _finish(self, finish: Finish) -> list[Event]:
        cut_off = finish.reason == "length"
        silent = self._open is None and not self.output and not cut_off
        begun = self._add(OpenMessage(self._item_id("msg"))) if silent else []  # clients look for the first item
        events = begun + self._close("incomplete" if cut_off else "completed")
        self.status = "incomplete" if cut_off else "completed"
        self._usage = finish.usage
        self._completed_at = None if cut_off else int(self._clock())
        return [*events, self._of_response(self.status)]

    def _within(self, kind: type[_Item], begin: Callable[[], _Item]) -> tuple[_Item, list[Event]]:
        """The open item where it is of that kind, else a new one."""
        if isinstance(self._open, kind):
            return self._open, []
        item = begin()
        return item, self._add(item)

    def _add(self, item: OpenItem) -> list[Event]:
        closed = self._close("completed")
        self._open = item
        added = {"type": "response.output_item.added", "item": item.to_json("in_progress")}
        return [*closed, self._of_item(added), *self._grow(item.begin())]

    def _close(self, status: ItemStatus) -> list[Event]:
        item = self._open
        if item is None:
            return []
        events = self._grow(item.end())
        done = item.to_json(status)
        event = self._of_item({"type": "response.output_item.done", "item": done})
        self._open = None
        self.output.append(done)
        return [*events, event]

    def _grow(self, events: Iterable[Event]) -> list[Event]:
        """Events from within the open item, with the place they belong to."""
        assert self._open is not None
        return [self._of_item({**event, "item_id": self._open.id}) for event in events]

    def _of_item(self, event: Event) -> Event:
        return self._event({**event, "output_index": len(self.output)})

    def _of_response(self, stage: str) -> Event:
        return self._event({"type": f"response.{stage}", "response": self.to_json()})

    def _event(self, event: Event) -> Event:
        number, self._next = self._next, self._next + 1
        return {**event, "sequence_number": number}

    def _item_id(self, prefix: str) -> str:
        """Unique as the response's own, and the same whenever the same deltas come."""
        closing = self._open is not None
        return f"{prefix}_{self._id.removeprefix('resp_')}{len(self.output) + closing:02x}"


def usage_json(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
