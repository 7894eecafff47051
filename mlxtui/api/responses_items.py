"""Items of the Responses API, as they stand on the wire and in the store, and the chat messages they amount to.

What the model says between two turns of others is one message of chat: its reasoning, its text and its calls. Kinds of
items that are not for the model (hosted calls that clients replay) are kept but not sent to it. Knows no store: whoever
asks has put items in the place of references.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from typing import Any
from uuid import uuid4

from mlxtui.api.responses_items_wire import WireItem
from mlxtui.api.sealed import SealKey
from mlxtui.errors import InvalidRequest

Item = Mapping[str, Any]

PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
    "compaction": "cmp",
}
WITH_STATUS = ("message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output")
PART_TYPES = {
    ("message", "content"): "input_text",
    ("reasoning", "content"): "reasoning_text",
    ("reasoning", "summary"): "summary_text",
    ("function_call_output", "output"): "input_text",
    ("custom_tool_call_output", "output"): "input_text",
}
"""What the parts of a field are, whatever the client called them; but for an assistant's message."""
SUMMARY = "Summary of the conversation so far:\n\n"


def normalised(item: WireItem) -> Item:
    """The item as it is kept and given back: with its type, an id and a status, its content in parts."""
    said = item.model_dump(exclude_unset=True)
    said |= {"type": item.type, "id": item.id or f"{PREFIXES.get(item.type, 'item')}_{uuid4().hex}"}
    if item.type in WITH_STATUS:
        said.setdefault("status", "completed")
    if item.type == "reasoning":
        said.setdefault("summary", [])
    return said | _parts(said)


def compaction(text: str, key: SealKey) -> Item:
    """The item that stands for a conversation which `text` sums up; clients send it back as it is."""
    return {"id": f"cmp_{uuid4().hex}", "type": "compaction", "encrypted_content": key.seal(text)}


def messages(
    opening: list[dict[str, Any]], items: Iterable[tuple[str, Item]], key: SealKey, model_name: Callable[[Item], str]
) -> list[dict[str, Any]]:
    """The conversation as chat messages after those of `opening`; each item comes with the path that errors name.

    `model_name` tells what the model knows the tool of a call by.

    Raises:
        InvalidRequest: what is sealed in an item can't be opened.
    """
    conversation = _Conversation(opening, key, model_name)
    for path, item in items:
        conversation.add(item, path)
    return _one_opening(conversation.messages)


class _Conversation:
    def __init__(self, opening: list[dict[str, Any]], key: SealKey, model_name: Callable[[Item], str]) -> None:
        self.messages = list(opening)
        self._key = key
        self._model_name = model_name

    def add(self, item: Item, path: str) -> None:
        match item["type"]:
            case "message" if item["role"] == "assistant":
                self._assistant("content", text_of(item["content"]))
            case "message":
                self.messages.append({"role": item["role"], "content": text_of(item["content"])})
            case "reasoning":
                if text := self._thought(item, path):
                    self._assistant("reasoning", text)
            case "function_call":
                self._call(item, item["arguments"])
            case "custom_tool_call":
                self._call(item, json.dumps({"input": item["input"]}, ensure_ascii=False))
            case "function_call_output" | "custom_tool_call_output":
                text = text_of(item["output"])
                self.messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": text})
            case "compaction":
                self.messages.append({"role": "user", "content": SUMMARY + self._opened(item, path)})

    def _assistant(self, field: str, text: str) -> None:
        turn = self._turn()
        said = [turn.get(field), text]
        turn[field] = "\n\n".join(part for part in said if part)

    def _call(self, item: Item, arguments: str) -> None:
        function = {"name": self._model_name(item), "arguments": arguments}
        calls = self._turn().setdefault("tool_calls", [])
        calls.append({"id": item["call_id"], "type": "function", "function": function})

    def _turn(self) -> dict[str, Any]:
        if not self.messages or self.messages[-1]["role"] != "assistant":
            self.messages.append({"role": "assistant"})
        return self.messages[-1]

    def _thought(self, item: Item, path: str) -> str:
        """What was thought, from where it says the most: in the clear, sealed, in summary."""
        if item.get("content"):
            return text_of(item["content"])
        return self._opened(item, path) if item.get("encrypted_content") else text_of(item["summary"])

    def _opened(self, item: Item, path: str) -> str:
        try:
            return self._key.open(item["encrypted_content"])
        except InvalidRequest as error:
            raise InvalidRequest(error.message, param=f"{path}.encrypted_content", code=error.code) from error


def text_of(content: Any) -> str:
    """The words of a string or of parts."""
    if isinstance(content, str):
        return content
    return "".join(part["refusal"] if part["type"] == "refusal" else part["text"] for part in content)


def _parts(said: Item) -> dict[str, Any]:
    if said["type"] == "message" and said["role"] == "assistant":
        return {"content": [_spoken(part) for part in said["content"]]}
    return {
        field: [{**part, "type": type, "text": text_of([part])} for part in said[field]]
        for (kind, field), type in PART_TYPES.items()
        if kind == said["type"] and isinstance(said.get(field), list)
    }


def _spoken(part: Mapping[str, Any]) -> Mapping[str, Any]:
    return part if part["type"] == "refusal" else {"annotations": [], **part, "type": "output_text"}


def _one_opening(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """System messages that open the conversation as one: most templates have a place for one, some raise at a second.

    One that comes later stays where it is.
    """
    opening = list(takewhile(lambda turn: turn["role"] in ("system", "developer"), turns))
    if len(opening) < 2:
        return turns
    text = "\n\n".join(turn["content"] for turn in opening if turn["content"])
    return [{"role": "system", "content": text}, *turns[len(opening) :]]
