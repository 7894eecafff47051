"""Items: how they are kept, and which messages they make."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import ResponseItem
from pydantic import TypeAdapter

from mlxtui.api.responses import parse, request
from mlxtui.api.responses_items import SUMMARY, Item, compaction
from mlxtui.api.sealed import SealKey
from mlxtui.types import Message, ToolCall

KEY = SealKey(b"a secret of some length")
KEPT: TypeAdapter[ResponseItem] = TypeAdapter(ResponseItem)
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "done"}


def text(words: str, kind: str = "input_text") -> dict[str, Any]:
    return {"type": kind, "text": words}


def kept(*items: dict[str, Any]) -> list[Item]:
    return list(parse({"model": "m", "input": list(items)}).items)


def messages(*items: Any, history: tuple[Item, ...] = (), **fields: Any) -> tuple[Message, ...]:
    return request(parse({"model": "m", "input": list(items)} | fields), history, KEY).messages


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": "hi"},
        {"role": "developer", "content": [text("hi", "text")], "type": None},
        {"role": "assistant", "content": "hi"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "phase": "commentary"},
        CALL,
        CALL | {"id": "fc_1", "namespace": "n", "status": "incomplete"},
        RESULT,
        RESULT | {"output": [text("a", "output_text")]},
        {"type": "custom_tool_call", "call_id": "c1", "name": "p", "input": "x", "id": None},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "x"},
        {"type": "reasoning", "summary": [text("a", "summary_text")], "content": None},
        {"type": "reasoning", "content": [text("a", "text")]},
        {"type": "compaction", "encrypted_content": "x"},
        {
            "type": "web_search_call",
            "id": "ws_1",
            "status": "completed",
            "action": {"type": "search", "query": "q", "queries": None},
        },
    ],
)
def test_an_item_is_kept_as_the_official_client_reads_it(item: dict[str, Any]) -> None:
    (found,) = kept(item)
    KEPT.validate_python(found, strict=True)
    assert found["id"]
    for name, value in item.items():
        if value is not None and name not in ("content", "output"):
            assert found[name] == value


def test_ids_are_kept_or_new() -> None:
    given, new, other = kept({"role": "user", "content": "a", "id": "msg_x"}, {"role": "user", "content": "a"}, CALL)
    assert given["id"] == "msg_x"
    assert new["id"].startswith("msg_")
    assert other["id"].startswith("fc_")


def test_an_item_with_nothing_but_an_id_is_a_reference() -> None:
    assert kept({"id": "msg_1"}, {"type": "item_reference", "id": "rs_1"}) == [
        {"type": "item_reference", "id": "msg_1"},
        {"type": "item_reference", "id": "rs_1"},
    ]


def test_what_the_model_said_between_others_is_one_message() -> None:
    found = messages(
        {"role": "user", "content": [text("a"), text("b")]},
        {"type": "reasoning", "content": [text("hm", "reasoning_text")], "summary": [text("h", "summary_text")]},
        {"role": "assistant", "content": [text("so", "output_text")], "id": "msg_1", "status": "completed"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}},
        CALL,
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": 'a"\nü'},
        RESULT | {"output": [text("x"), text("y")]},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "z"},
        {"role": "assistant", "content": "one"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "two"}]},
    )
    calls = (ToolCall("c1", "f", "{}"), ToolCall("c2", "patch", '{"input": "a\\"\\nü"}'))
    assert found == (
        Message("user", "ab"),
        Message("assistant", "so", tool_calls=calls, reasoning="hm"),
        Message("tool", "xy", tool_call_id="c1"),
        Message("tool", "z", tool_call_id="c2"),
        Message("assistant", "one\n\ntwo"),
    )


def test_reasoning_is_read_from_where_it_says_the_most() -> None:
    summary = [text("short", "summary_text")]
    sealed = {"type": "reasoning", "summary": summary, "encrypted_content": KEY.seal("at length")}
    hello = {"role": "user", "content": "hi"}
    assert messages(hello, sealed)[1].reasoning == "at length"
    assert messages(hello, {"type": "reasoning", "summary": summary, "encrypted_content": None})[1].reasoning == "short"
    raw = [text("in the clear", "reasoning_text")]
    assert messages(hello, sealed | {"content": raw, "encrypted_content": "not ours"})[1].reasoning == "in the clear"
    assert messages(hello, {"type": "reasoning", "summary": []}) == (Message("user", "hi"),)


def test_system_messages_that_open_the_conversation_are_one() -> None:
    developer, late = {"role": "developer", "content": "d"}, {"role": "system", "content": "late"}
    found = messages(developer, {"role": "user", "content": "hi"}, late, instructions="i")
    assert found == (Message("system", "i\n\nd"), Message("user", "hi"), Message("system", "late"))


def test_a_compact_conversation_is_its_summary() -> None:
    item = compaction("they met", KEY)
    KEPT.validate_python(item, strict=True)
    assert messages(item, {"role": "user", "content": "and then?"}) == (
        Message("user", SUMMARY + "they met"),
        Message("user", "and then?"),
    )
