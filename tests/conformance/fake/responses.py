"""Requests below /v1/responses become refusals, response objects or events, right by the specification.

Knows no defects and no sockets; what has to last from one request to the next is in the Store it is given.
"""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass, replace
from typing import Any

from .brain import CONTEXT, Json, Speech, flat, prompt_length, speak, tokens
from .chat import MODEL, Refusal
from .responses_events import events
from .responses_items import called, compacted, messages, normal, offers
from .responses_kept import Store, history, keep, only, resolved
from .responses_kept import respond as kept

NUMBER = itertools.count(1)
ECHOED: Json = {
    "instructions": None,
    "previous_response_id": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "safety_identifier": None,
    "prompt_cache_key": None,
    "user": None,
    "reasoning": None,
    "temperature": 1.0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "top_logprobs": 0,
    "parallel_tool_calls": True,
    "store": True,
    "background": False,
    "truncation": "disabled",
    "service_tier": "default",
    "tool_choice": "auto",
    "tools": [],
    "text": {"format": {"type": "text"}},
    "metadata": {},
}


def respond(method: str, path: str, request: Any, store: Store, mumbling: bool) -> Json | list[Json]:
    """What is below /responses and /conversations: an object, or the events of a stream."""
    ways = {"/responses": _create, "/responses/input_tokens": _counted, "/responses/compact": _compacted}
    if path not in ways:
        return kept(method, path, request, store)
    only("POST", method)
    return ways[path](request, store, mumbling)


def _counted(request: Any, store: Store, mumbling: bool) -> Json:
    checked = _checked(request)
    chat = _chat(checked, history(checked, store) + normal(checked["input"]), mumbling)
    return {"object": "response.input_tokens", "input_tokens": prompt_length(chat)}


def _compacted(request: Any, store: Store, mumbling: bool) -> Json:
    checked = _checked(request)
    items = history(checked, store) + normal(checked["input"])
    prompt = prompt_length(_chat(checked, items, mumbling))
    made = _response(checked, Answer(Speech(), True, 0), prompt)
    item = compacted(items, next(NUMBER))
    kept_fields = {name: made[name] for name in ("id", "created_at", "usage")}
    return {**kept_fields, "object": "response.compaction", "output": [item]}


def _checked(request: Any) -> Json:
    if not isinstance(request, dict):
        raise Refusal(400, "the body must be an object")
    for name in ("model", "input"):
        if request.get(name) is None:
            raise Refusal(400, f"{name} is missing", name, "missing_required_parameter")
    if request["model"] != MODEL:
        raise Refusal(404, "no such model", "model", "model_not_found", "not_found_error")
    limit = request.get("max_output_tokens")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise Refusal(400, "max_output_tokens must be a whole number above 0", "max_output_tokens")
    return request


def _chat(request: Json, items: list[Json], mumbling: bool) -> Json:
    """The same as a chat request, which the brain understands."""
    told = request.get("instructions")
    first = [{"role": "system", "content": told}] if told else []
    tools, choice = offers(request)
    chat: Json = {"messages": first + messages(items), "tools": tools, "tool_choice": choice}
    if mumbling:
        chat["messages"][-1]["content"] = "Mumble."
    form = (request.get("text") or {}).get("format") or {}
    if form.get("type") == "json_schema":
        chat["response_format"] = {"type": "json_schema", "json_schema": form}
    return chat


def _create(request: Any, store: Store, mumbling: bool) -> Json | list[Json]:
    checked = _checked(request)
    asked = resolved(normal(checked["input"]), store)
    items = history(checked, store) + asked
    chat = _chat(checked, items, mumbling)
    prompt = prompt_length(chat)
    if prompt >= CONTEXT:
        raise Refusal(400, f"more than {CONTEXT} tokens", "input", "context_length_exceeded")
    room = min(checked.get("max_output_tokens") or CONTEXT, CONTEXT - prompt)
    answer = replace(_cut(_said(chat), room), failed=_impossible(checked))
    response = _response(checked, answer, prompt)
    told = keep(checked, response, asked, items, store)
    return events(response) if checked.get("stream") else told


def _said(chat: Json) -> Speech:
    """Rules of this endpoint first, those of the chat after that."""
    if flat(chat["messages"][-1]["content"]).startswith("What is the code word"):
        words = [flat(message["content"]) for message in chat["messages"]]
        found = re.findall(r"code word is (\w+)", " ".join(words))
        return Speech(found[-1] if found else "I do not know.")
    return speak(chat)


def _impossible(request: Json) -> bool:
    """Whether nothing can fit the format asked for: such a generation fails midway."""
    schema = ((request.get("text") or {}).get("format") or {}).get("schema") or {}
    return any(part.get("minLength", 0) > part.get("maxLength", CONTEXT) for part in _within(schema))


def _within(schema: Json) -> list[Json]:
    return [schema, *(part for below in schema.get("properties", {}).values() for part in _within(below))]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is left of a Speech within the limit."""

    speech: Speech
    whole: bool
    spent: int
    failed: bool = False


def _cut(said: Speech, room: int) -> Answer:
    if said.calls:
        length = sum(len(tokens(name + arguments)) for name, arguments in said.calls)
        return Answer(said, True, length) if length <= room else Answer(Speech(), False, room)
    thinking, speaking = tokens(said.reasoning), tokens(said.content)
    kept, left = thinking[:room], max(0, room - len(thinking))
    short = replace(said, reasoning="".join(kept), content="".join(speaking[:left]))
    return Answer(short, len(thinking) + len(speaking) <= room, len(kept) + len(speaking[:left]))


def _response(request: Json, answer: Answer, prompt: int) -> Json:
    number, now = next(NUMBER), int(time.time())
    status = "failed" if answer.failed else "completed" if answer.whole else "incomplete"
    echo = {name: default if request.get(name) is None else request[name] for name, default in ECHOED.items()}
    thought = len(tokens(answer.speech.reasoning))
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": now,
        "completed_at": now,
        "model": request["model"],
        **echo,
        "tools": [_tool(tool) for tool in echo["tools"]],
        "status": status,
        "error": {"code": "server_error", "message": "nothing fits the schema"} if answer.failed else None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "output": _output(request, answer, number),
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answer.spent,
            "output_tokens_details": {"reasoning_tokens": thought},
            "total_tokens": prompt + answer.spent,
        },
    }


def _tool(tool: Json) -> Json:
    blank = {"description": None, "parameters": None, "strict": None}
    return {**blank, **tool} if tool["type"] == "function" else tool


def _output(request: Json, answer: Answer, number: int) -> list[Json]:
    said = answer.speech
    items: list[Json] = []
    if said.reasoning:
        summary = (request.get("reasoning") or {}).get("summary")
        parts = {"summary": [{"type": "summary_text", "text": said.reasoning}]}
        raw = {"summary": [], "content": [{"type": "reasoning_text", "text": said.reasoning}]}
        sealed = (
            {"encrypted_content": "sealed"} if "reasoning.encrypted_content" in (request.get("include") or []) else {}
        )
        items.append({"id": f"rs_{number}", "type": "reasoning", **(parts if summary else raw), **sealed})
    items += [called(request, name, text, f"{number}_{at}") for at, (name, text) in enumerate(said.calls)]
    if said.content:
        part = {"type": "output_text", "text": said.content, "annotations": [], "logprobs": []}
        items.append({"id": f"msg_{number}", "type": "message", "role": "assistant", "content": [part]})
    for item in items:
        item["status"] = "completed"
    if items and (answer.failed or not answer.whole):
        items[-1]["status"] = "incomplete"
    return items
