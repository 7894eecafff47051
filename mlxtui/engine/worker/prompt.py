"""From a Job to a Prompt: chat template and tokenizer, on a thread of their own, never on the one that steps.

Also parses tool calls with the model's own parser. Touches no MLX array.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from mlxtui.engine.interface import ChatPrompt, Failure, FailureCode, Job, ParsedCall, Rendered
from mlxtui.engine.wire import ParseCalls
from mlxtui.engine.worker.model import Model
from mlxtui.engine.worker.sampling import choice
from mlxtui.engine.worker.slot import Prompt
from mlxtui.types import Message, Tool, ToolCall

_log = logging.getLogger("mlxtui.engine")


class Refused(Exception):
    """The job can't run, by its client's doing."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code: FailureCode = code


def prepare(model: Model, job: Job) -> tuple[Rendered, Prompt] | Failure:
    """Render and tokenise; a Failure says why the job can't run."""
    try:
        text = _render(model.tokenizer, job.prompt)
        tokens = _tokenise(model.tokenizer, text)
        _check_length(len(tokens), model.info.context_length)
    except Refused as refused:
        return Failure(job.id, refused.code, str(refused))
    except Exception as error:  # a defect of ours or of a tokenizer: the thread must outlive it
        _log.exception("job %s can't be prepared", job.id)
        return Failure(job.id, "engine_error", f"the prompt can't be prepared: {type(error).__name__}: {error}")
    room = model.info.context_length - len(tokens)
    wanted = room if job.max_tokens is None else max(1, min(room, job.max_tokens))
    think = model.info.dialect.think
    thinking = think is not None and text.rstrip().endswith(think[0].rstrip())
    return (
        Rendered(job.id, len(tokens), "reasoning" if thinking else "content"),
        Prompt(job.id, tokens, choice(job.sampling, model.vocab), wanted),
    )


def _render(tokenizer: Any, prompt: ChatPrompt) -> str:
    messages = [_message(m) for m in prompt.messages]
    if not tokenizer.has_chat_template:
        return "".join(f"{m['role']}: {m['content']}\n" for m in messages) + "assistant:"
    try:
        text = tokenizer.apply_chat_template(
            messages,
            tools=[_tool(tool) for tool in prompt.tools] or None,
            add_generation_prompt=True,
            tokenize=False,
            **prompt.template,
        )
    except Exception as error:  # a template is the model maker's code: it may raise anything
        raise Refused("invalid_prompt", f"the model's chat template refuses this conversation: {error}") from error
    return str(text)


def _tokenise(tokenizer: Any, text: str) -> list[int]:
    try:
        tokens: list[int] = tokenizer.encode(text, add_special_tokens=False)
    except Exception as error:
        raise Refused("invalid_prompt", f"the prompt can't be tokenised: {error}") from error
    if not tokens:
        raise Refused("invalid_prompt", "the prompt is empty: the chat template rendered nothing from these messages")
    return tokens


def _check_length(length: int, context: int) -> None:
    if length >= context:
        raise Refused(
            "context_length_exceeded",
            f"This model's maximum context length is {context} tokens, but the messages have {length} tokens, "
            "which leaves no room for an answer. Shorten the messages.",
        )


def _message(message: Message) -> dict[str, Any]:
    optional = {
        "name": message.name,
        "tool_call_id": message.tool_call_id,
        "reasoning_content": message.reasoning,
        "tool_calls": [_call(call) for call in message.tool_calls] or None,
    }
    said = {key: value for key, value in optional.items() if value is not None}
    return {"role": message.role, "content": message.content} | said


def _call(call: ToolCall) -> dict[str, Any]:
    """Templates iterate over arguments or dump them: an object where they are one, the text where they are not."""
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        arguments = call.arguments
    function = {"name": call.name, "arguments": arguments if isinstance(arguments, dict) else call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def parse_calls(tokenizer: Any, wanted: ParseCalls) -> tuple[ParsedCall, ...]:
    """What the model's own parser reads between the tool markers; empty unless every call names one of the tools.

    mlx-lm's parsers raise anything on cut-off text, and some return a wrong call: all is checked here.
    """
    try:
        found = tokenizer.tool_parser(wanted.text, [_tool(tool) for tool in wanted.tools])
        calls = [_parsed(item, wanted.tools) for item in (found if isinstance(found, list) else [found])]
    except Exception as error:
        _log.warning("a tool call can't be parsed: %s: %s", type(error).__name__, error)
        return ()
    return tuple(calls)


def _parsed(item: Mapping[str, Any], tools: tuple[Tool, ...]) -> ParsedCall:
    name, arguments = item["name"], item["arguments"]
    if name not in {tool.name for tool in tools}:
        raise ValueError(f"it names {name!r}, which is none of the tools")
    if not isinstance(arguments, dict):
        raise ValueError(f"the arguments of {name} are no object")
    return ParsedCall(name, arguments)
