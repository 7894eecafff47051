"""Server-sent events of the Responses API: their frame, and the events an output item goes through while it grows.

An item gives its events without what only the response knows: item_id, output_index and sequence_number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

from mlxtui.api.chat_answer import logprobs_json
from mlxtui.api.responses_custom import CustomInput
from mlxtui.types import Logprob

Event = dict[str, Any]
ItemStatus = Literal["in_progress", "completed", "incomplete"]
DONE = b"data: [DONE]\n\n"


def encode(event: Event) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


class OpenItem(Protocol):
    """An item under way: `begin` after it was added, then what it is fed, `end` before it is done."""

    id: str

    def begin(self) -> list[Event]: ...
    def end(self) -> list[Event]: ...
    def to_json(self, status: ItemStatus) -> dict[str, Any]: ...


class OpenMessage:
    def __init__(self, id: str) -> None:
        self.id = id
        self._text: list[str] = []
        self._logprobs: list[dict[str, Any]] = []

    def begin(self) -> list[Event]:
        return [{"type": "response.content_part.added", "content_index": 0, "part": self._part()}]

    def feed(self, text: str, logprobs: Iterable[Logprob]) -> list[Event]:
        figures = logprobs_json(logprobs)["content"]
        self._text.append(text)
        self._logprobs += figures
        return [{"type": "response.output_text.delta", "content_index": 0, "delta": text, "logprobs": figures}]

    def end(self) -> list[Event]:
        part = self._part()
        whole = {"content_index": 0, "text": part["text"], "logprobs": part["logprobs"]}
        return [
            {"type": "response.output_text.done", **whole},
            {"type": "response.content_part.done", "content_index": 0, "part": part},
        ]

    def to_json(self, status: ItemStatus) -> dict[str, Any]:
        content = [] if status == "in_progress" and not self._text else [self._part()]
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}

    def _part(self) -> dict[str, Any]:
        text = "".join(self._text)
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(self._logprobs)}


class OpenThought:
    """Reasoning as a summary, which every client shows, or raw; with `seal` the client gets it sealed as well."""

    def __init__(self, id: str, *, summary: bool, seal: Callable[[str], str] | None) -> None:
        self.id = id
        self._summary = summary
        self._seal = seal
        self._sealed = ""
        self._text: list[str] = []

    def begin(self) -> list[Event]:
        return [self._of_part("added")]

    def feed(self, text: str) -> list[Event]:
        self._text.append(text)
        return [self._of_text("delta", delta=text)]

    def end(self) -> list[Event]:
        text = "".join(self._text)
        self._sealed = self._seal(text) if self._seal else ""
        return [self._of_text("done", text=text), self._of_part("done")]

    def to_json(self, status: ItemStatus) -> dict[str, Any]:
        parts = [self._part()] if self._text else []
        item = {"id": self.id, "type": "reasoning", "status": status, "summary": parts if self._summary else []}
        raw = {"content": parts} if parts and not self._summary else {}
        sealed = {"encrypted_content": self._sealed} if self._sealed else {}
        return item | raw | sealed

    def _part(self) -> dict[str, Any]:
        return {"type": "summary_text" if self._summary else "reasoning_text", "text": "".join(self._text)}

    def _of_part(self, verb: str) -> Event:
        if self._summary:
            return {"type": f"response.reasoning_summary_part.{verb}", "summary_index": 0, "part": self._part()}
        return {"type": f"response.content_part.{verb}", "content_index": 0, "part": self._part()}

    def _of_text(self, verb: str, **said: str) -> Event:
        if self._summary:
            return {"type": f"response.reasoning_summary_text.{verb}", "summary_index": 0, **said}
        return {"type": f"response.reasoning_text.{verb}", "content_index": 0, **said}


class OpenCall:
    """A call of a function; `namespace` where the client listed it in one."""

    def __init__(self, id: str, call_id: str, name: str, namespace: str | None) -> None:
        self.id = id
        self._call_id = call_id
        self._name = name
        self._namespace = {"namespace": namespace} if namespace else {}
        self._arguments: list[str] = []

    def begin(self) -> list[Event]:
        return []

    def feed(self, text: str) -> list[Event]:
        self._arguments.append(text)
        return [{"type": "response.function_call_arguments.delta", "delta": text}]

    def end(self) -> list[Event]:
        arguments = "".join(self._arguments)
        return [{"type": "response.function_call_arguments.done", "name": self._name, "arguments": arguments}]

    def to_json(self, status: ItemStatus) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "function_call",
            "status": status,
            "call_id": self._call_id,
            "name": self._name,
            **self._namespace,
            "arguments": "".join(self._arguments),
        }


class OpenCustomCall:
    """A call of a custom tool: what it shows is the string in the arguments that the model writes as JSON."""

    def __init__(self, id: str, call_id: str, name: str, namespace: str | None) -> None:
        self.id = id
        self._call_id = call_id
        self._name = name
        self._namespace = {"namespace": namespace} if namespace else {}
        self._reader = CustomInput()
        self._input: list[str] = []

    def begin(self) -> list[Event]:
        return []

    def feed(self, text: str) -> list[Event]:
        return self._delta(self._reader.feed(text))

    def end(self) -> list[Event]:
        last = self._delta(self._reader.finish())
        return [*last, {"type": "response.custom_tool_call_input.done", "input": "".join(self._input)}]

    def to_json(self, status: ItemStatus) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "custom_tool_call",
            "status": status,
            "call_id": self._call_id,
            "name": self._name,
            **self._namespace,
            "input": "".join(self._input),
        }

    def _delta(self, text: str) -> list[Event]:
        if not text:
            return []
        self._input.append(text)
        return [{"type": "response.custom_tool_call_input.delta", "delta": text}]
