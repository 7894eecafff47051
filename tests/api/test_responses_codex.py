"""A turn of Codex CLI 0.169 as a server received it, shortened: every kind of field, item and tool that it sends."""

from __future__ import annotations

import json
from typing import Any

from openai.types.responses import Response

from mlxtui.api.responses import parse, request
from mlxtui.api.responses_answer import ResponseAnswer
from mlxtui.api.sealed import SealKey
from mlxtui.types import CallArguments, CallStart, Finish, Message, Reasoning, Started, Text, Timings, ToolCall, Usage

KEY = SealKey(b"a secret of some length")


def message(role: str, *texts: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text} for text in texts]
    return {"type": "message", "id": "msg_<uuid>", "role": role, "content": content}


def function(name: str, **properties: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    closed = {"required": list(properties), "additionalProperties": False}
    return {"type": "function", "name": name, "description": "", "strict": False, "parameters": parameters | closed}


CODEX: dict[str, Any] = {
    "model": "fake-model",
    "stream": True,
    "input": [
        message("developer", "You are a coding agent."),
        message("developer", "<skills/>", "<permissions/>"),
        message("user", "<environment_context/>"),
        message("user", "Show a.txt."),
        {
            "type": "function_call",
            "status": "completed",
            "id": "fc_<id>",
            "name": "exec_command",
            "arguments": '{"cmd": "cat a.txt"}',
            "call_id": "call_<id>",
        },
        {"type": "function_call_output", "id": "fco_<uuid>", "call_id": "call_<id>", "output": "hello\n"},
    ],
    "tools": [
        function("exec_command", cmd="string"),
        {
            "type": "custom",
            "name": "apply_patch",
            "description": "",
            "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch" /.+/s'},
        },
        {
            "type": "namespace",
            "name": "multi_agent_v1",
            "description": "Tools for sub-agents.",
            "tools": [function("close_agent", target="string"), function("wait_agent", targets="array")],
        },
        {"type": "web_search", "external_web_access": True},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"summary": "auto"},
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "<uuid>",
    "client_metadata": {"session_id": "<uuid>", "x-codex-window-id": "<uuid>:0"},
}


def test_it_is_accepted_and_reaches_the_model() -> None:
    turn = request(parse(CODEX), (), KEY)
    call = ToolCall("call_<id>", "exec_command", '{"cmd": "cat a.txt"}')
    assert turn.messages == (
        Message("system", "You are a coding agent.\n\n<skills/><permissions/>"),
        Message("user", "<environment_context/>"),
        Message("user", "Show a.txt."),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "hello\n", tool_call_id="call_<id>"),
    )
    assert [tool.name for tool in turn.tools] == ["exec_command", "apply_patch", "close_agent", "wait_agent"]
    assert turn.constraint is None


def test_its_answer_has_all_that_codex_reads() -> None:
    answer = ResponseAnswer(parse(CODEX), "resp_1", 12, KEY)
    events = [*answer.created(), *answer.in_progress()]
    events += answer.feed([Started(9), Reasoning("hm"), Text("It says hello.")])
    events += answer.feed([CallStart(0, "call_1", "close_agent"), CallArguments(0, '{"target": "a"}')])
    events += answer.feed([CallStart(1, "call_2", "apply_patch"), CallArguments(1, '{"input": "*** Begin Patch\\n"}')])
    events += answer.feed([Finish("tool_calls", Usage(9, 0, 5, 1), Timings())])
    assert [event["type"].removeprefix("response.") for event in events] == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        *("output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done"),
        "completed",
    ]
    thought, _, spawned, patched = events[-1]["response"]["output"]
    assert KEY.open(thought["encrypted_content"]) == "hm"
    assert (spawned["namespace"], spawned["name"]) == ("multi_agent_v1", "close_agent")
    assert patched["input"] == "*** Begin Patch\n"
    assert events[-1]["response"]["usage"]["total_tokens"] == 14
    Response.model_validate_json(json.dumps(answer.to_json()), strict=True)


def test_its_next_turn_replays_what_it_got() -> None:
    answer = ResponseAnswer(parse(CODEX), "resp_1", 12, KEY)
    answer.feed([Reasoning("hm"), CallStart(0, "call_1", "close_agent"), CallArguments(0, "{}")])
    answer.feed([Finish("tool_calls", Usage(9, 0, 5, 1), Timings())])
    result = {"type": "function_call_output", "call_id": "call_1", "output": "closed"}
    following = request(parse(CODEX | {"input": [*CODEX["input"], *answer.output, result]}), (), KEY)
    assert following.messages[-2:] == (
        Message("assistant", "", tool_calls=(ToolCall("call_1", "close_agent", "{}"),), reasoning="hm"),
        Message("tool", "closed", tool_call_id="call_1"),
    )
