"""A chat request becomes a refusal, a whole answer or its chunks, right by the OpenAPI. Knows no defects."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass

from . import forms
from .brain import CONTEXT, Json, Speech, prompt_length, speak, tokens

MODEL = "maker/tiny"
NUMBER = itertools.count(1)
ROLES = ("system", "developer", "user", "assistant", "tool")
RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "n": (1, 8),
    "top_logprobs": (0, 20),
    "max_tokens": (1, 1 << 30),
    "max_completion_tokens": (1, 1 << 30),
}


@dataclass(slots=True)
class Refusal(Exception):
    """An error on its way to the wire."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    type: str = "invalid_request_error"

    def body(self) -> Json:
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


def check(request: object) -> Json:
    """The request itself when it is one, or Refusal raised."""
    if not isinstance(request, dict):
        raise Refusal(400, "the body must be an object")
    try:
        json.dumps(request, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise Refusal(400, "half a surrogate pair", "messages") from error
    for name in ("model", "messages"):
        if request.get(name) is None:
            raise Refusal(400, f"{name} is missing", name)
    messages = request["messages"]
    if not isinstance(messages, list) or not messages or not all(map(_is_message, messages)):
        raise Refusal(400, "messages must be a list of messages", "messages")
    for name, (low, high) in RANGES.items():
        _in_range(request.get(name), name, low, high)
    if len(_stops(request)) > 4:
        raise Refusal(400, "at most 4 stop strings", "stop")
    if request["model"] != MODEL:
        raise Refusal(404, "no such model", "model", "model_not_found", "not_found_error")
    if prompt_length(request) >= CONTEXT:
        raise Refusal(400, f"more than {CONTEXT} tokens", "messages", "context_length_exceeded")
    _check_forms(request)
    return request


def _check_forms(request: Json) -> None:
    """Raises Refusal for a response_format or a strict tool that can't be enforced."""
    try:
        match request.get("response_format"):
            case None | {"type": "text" | "json_object"}:
                pass
            case {"type": "json_schema", "json_schema": {"name": str(), "schema": schema}}:
                forms.check(schema)
            case _:
                raise forms.Unenforceable("text, json_object, or json_schema with a name and a schema")
    except forms.Unenforceable as why:
        raise Refusal(400, str(why), "response_format") from why
    strict = [tool["function"] for tool in request.get("tools") or () if tool.get("function", {}).get("strict")]
    try:
        for function in strict:
            forms.check(function["parameters"])
    except forms.Unenforceable as why:
        raise Refusal(400, str(why), "tools") from why


def stumbles(request: Json) -> bool:
    """A fault that is found late: calls of the past whose arguments are no JSON, met when the prompt is written."""
    calls = [call for message in request["messages"] for call in message.get("tool_calls") or ()]
    try:
        for call in calls:
            json.loads(call["function"]["arguments"])
    except ValueError:
        return True
    return False


def _is_message(message: object) -> bool:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        return False
    return isinstance(message.get("content"), str | list | None)


def _in_range(value: object, name: str, low: float, high: float) -> None:
    if value is None:
        return
    if not isinstance(value, int | float) or not low <= value <= high:
        raise Refusal(400, f"{name} must be a number from {low} to {high}", name)


def _stops(request: Json) -> list[str]:
    stop = request.get("stop") or []
    return [stop] if isinstance(stop, str) else stop


@dataclass(frozen=True, slots=True)
class Answer:
    """What is left of a Speech after stop strings and limits."""

    speech: Speech
    finish: str
    prompt: int
    spent: int

    def usage(self, cached: int) -> Json:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.spent,
            "total_tokens": self.prompt + self.spent,
            "prompt_tokens_details": {"cached_tokens": min(cached, self.prompt)},
            "completion_tokens_details": {"reasoning_tokens": len(tokens(self.speech.reasoning))},
        }


def answer(request: Json) -> Answer:
    said = speak(request)
    prompt = prompt_length(request)
    asked = request.get("max_completion_tokens") or request.get("max_tokens") or CONTEXT
    room = min(asked, CONTEXT - prompt)
    if said.calls:
        return _called(said, prompt, room)
    thinking, speaking = tokens(said.reasoning)[:room], tokens(said.content)
    speaking = speaking[: room - len(thinking)]
    whole = len(thinking) + len(speaking) == len(tokens(said.reasoning + said.content))
    content = "".join(speaking)
    cut = min((content.find(stop) for stop in _stops(request) if stop in content), default=None)
    finish = "stop" if whole or cut is not None else "length"
    kept = Speech(content[:cut], "".join(thinking))
    return Answer(kept, finish, prompt, len(thinking) + len(tokens(kept.content)))


def _called(said: Speech, prompt: int, room: int) -> Answer:
    length = sum(len(tokens(name + arguments)) for name, arguments in said.calls)
    if length > room:  # half a call is no call
        return Answer(Speech(), "length", prompt, room)
    return Answer(said, "tool_calls", prompt, length)


def head(request: Json, kind: str) -> Json:
    number = next(NUMBER)
    return {
        "id": f"chatcmpl-{number}",
        "object": kind,
        "created": int(time.time()),
        "model": request["model"],
    }


def calls(speech: Speech, id: str) -> list[Json]:
    return [
        {"id": f"call_{id}_{at}", "type": "function", "function": {"name": name, "arguments": text}}
        for at, (name, text) in enumerate(speech.calls)
    ]


def completion(request: Json, cached: int) -> Json:
    """The whole answer; `cached` counts the tokens of the prompt that were read before."""
    given = answer(request)
    top = head(request, "chat.completion")
    message: Json = {
        "role": "assistant",
        "content": None if given.speech.calls else given.speech.content,
        "refusal": None,
    }
    if given.speech.reasoning:
        message["reasoning_content"] = given.speech.reasoning
    if given.speech.calls:
        message["tool_calls"] = calls(given.speech, top["id"])
    drawn = logprobs(request, tokens(given.speech.content))
    choices = [
        {"index": at, "message": message, "logprobs": drawn, "finish_reason": given.finish}
        for at in range(request.get("n") or 1)
    ]
    return {**top, "choices": choices, "usage": given.usage(cached)}


def logprobs(request: Json, drawn: list[str]) -> Json | None:
    """Every token a little likelier than the ones it was chosen among."""
    if not request.get("logprobs"):
        return None
    entries = [{**_figure(token, -0.25), "top_logprobs": _top(token, request)} for token in drawn]
    return {"content": entries, "refusal": None}


def _top(token: str, request: Json) -> list[Json]:
    return [
        _figure(token if rank == 0 else f"{token}{rank}", -0.25 - rank)
        for rank in range(request.get("top_logprobs") or 0)
    ]


def _figure(token: str, logprob: float) -> Json:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def chunks(request: Json, cached: int) -> list[Json]:
    """The same answer in pieces, one for each token."""
    given = answer(request)
    top = head(request, "chat.completion.chunk")
    asked = bool((request.get("stream_options") or {}).get("include_usage"))
    null: Json = {"usage": None} if asked else {}
    pieces = [_piece({"role": "assistant", "content": "", "refusal": None})]
    pieces += [_piece({"reasoning_content": token}) for token in tokens(given.speech.reasoning)]
    pieces += [_piece({"content": token}, logprobs(request, [token])) for token in tokens(given.speech.content)]
    pieces += [_piece(delta) for delta in call_deltas(given.speech, top["id"])]
    pieces.append({"index": 0, "delta": {}, "finish_reason": given.finish})
    pieces = [{**piece, "index": at} for piece in pieces for at in range(request.get("n") or 1)]
    parts = [{**top, "choices": [piece], **null} for piece in pieces]
    return [*parts, {**top, "choices": [], "usage": given.usage(cached)}] if asked else parts


def _piece(delta: Json, drawn: Json | None = None) -> Json:
    return {"index": 0, "delta": delta, "logprobs": drawn, "finish_reason": None}


def call_deltas(speech: Speech, id: str) -> list[Json]:
    deltas: list[Json] = []
    for at, call in enumerate(calls(speech, id)):
        text = call["function"]["arguments"]
        call["function"] = {**call["function"], "arguments": ""}
        pieces: list[Json] = [{"index": at, **call}]
        pieces += [{"index": at, "function": {"arguments": token}} for token in tokens(text)]
        deltas += [{"tool_calls": [piece]} for piece in pieces]
    return deltas


def frame(chunk: object) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()
