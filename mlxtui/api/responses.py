"""`/v1/responses`: the wire's JSON becomes what is Asked, and with the items of earlier turns a Request.

A Responses request is a chat request in other words, so it takes chat's road from the moment that is said: `request`
writes the one for the other. Pure: the store, which knows earlier turns, is the server's. What happens to each field is
said in `parameters.RESPONSES`; its shape in `responses_wire`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

from mlxtui.api.body import validate
from mlxtui.api.chat import PRIORITIES, to_request
from mlxtui.api.chat_wire import SamplingWire, WireChat
from mlxtui.api.parameters import RESPONSES, refuse
from mlxtui.api.responses_items import Item, messages, normalised
from mlxtui.api.responses_tools import Toolbox
from mlxtui.api.responses_wire import WireResponses
from mlxtui.api.sealed import SealKey
from mlxtui.errors import ApiError, InvalidRequest
from mlxtui.types import Request

PARAMS = {"messages": "input", "response_format": "text.format", "max_completion_tokens": "max_output_tokens"}
"""Fields of ours by the names that chat has for them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was checked. `items` are this turn's; references are among them until the server resolves them."""

    model: str
    items: tuple[Item, ...]
    previous_response_id: str | None
    conversation: str | None
    store: bool
    background: bool
    stream: bool
    truncation: Literal["auto", "disabled"]
    toolbox: Toolbox
    wire: WireResponses

    @property
    def summary(self) -> bool:
        """Reasoning is shown as a summary."""
        return bool(self.wire.reasoning.summary or self.wire.reasoning.generate_summary)

    @property
    def sealed(self) -> bool:
        """Reasoning is given to the client sealed."""
        return "reasoning.encrypted_content" in self.wire.include

    @property
    def logprobs(self) -> bool:
        return "message.output_text.logprobs" in self.wire.include or self.wire.top_logprobs > 0


def parse(body: Mapping[str, Any]) -> Asked:
    """The body, checked field by field; null is the default.

    Raises:
        InvalidRequest: with `param` set to the field at fault.
    """
    said = {key: value for key, value in body.items() if value is not None}
    refuse(RESPONSES, said)
    wire = validate(WireResponses, said)
    _check_turn(wire)
    return Asked(
        model=wire.model,
        items=tuple(normalised(item) for item in wire.input or ()),
        previous_response_id=wire.previous_response_id,
        conversation=wire.conversation.id if wire.conversation else None,
        store=wire.store,
        background=wire.background,
        stream=wire.stream,
        truncation=wire.truncation,
        toolbox=Toolbox(wire.tools, wire.tool_choice),
        wire=wire,
    )


def request(asked: Asked, history: Sequence[Item], key: SealKey) -> Request:
    """What the model is asked: instructions, the items of earlier turns (oldest first), this turn's.

    Raises:
        InvalidRequest: there is nothing to answer, or what is sealed in an item can't be opened.
    """
    before = "conversation" if asked.conversation else "previous_response_id"
    items = [(before, item) for item in history]
    items += [(f"input[{i}]", item) for i, item in enumerate(asked.items)]
    instructions = [{"role": "system", "content": asked.wire.instructions}] if asked.wire.instructions else []
    conversation = messages(instructions, items, key, asked.toolbox.model_name)
    if not conversation:
        raise InvalidRequest("'input' holds nothing that the model could answer", param="input")
    try:
        return to_request(validate(WireChat, _as_chat(asked, conversation)))
    except InvalidRequest as error:
        raise renamed(error) from error


def renamed(error: ApiError) -> ApiError:
    """`error` in the names of this API: the engine and the pipeline know only those of chat."""
    name = (error.param or "").partition("[")[0]
    if name not in PARAMS:
        return error
    ours = copy(error)
    ours.param = PARAMS[name]  # without an index: messages are not counted as items are
    return ours


def echo(asked: Asked) -> dict[str, Any]:
    """The part of the response object that repeats the request."""
    wire = asked.wire
    effort = wire.reasoning.effort or wire.reasoning_effort
    summary = wire.reasoning.summary or wire.reasoning.generate_summary
    conversation = {"conversation": {"id": asked.conversation}} if asked.conversation else {}
    return {
        "model": asked.model,
        "instructions": wire.instructions,
        "previous_response_id": asked.previous_response_id,
        **conversation,
        "background": asked.background,
        "store": asked.store,
        "truncation": asked.truncation,
        "max_output_tokens": wire.max_output_tokens,
        "max_tool_calls": wire.max_tool_calls,
        "temperature": 1.0 if wire.temperature is None else wire.temperature,
        "top_p": 1.0 if wire.top_p is None else wire.top_p,
        "presence_penalty": wire.presence_penalty or 0.0,
        "frequency_penalty": wire.frequency_penalty or 0.0,
        "top_logprobs": wire.top_logprobs,
        "reasoning": {"effort": effort, "summary": summary} if effort or summary else None,
        "text": _text(wire),
        "tools": asked.toolbox.to_json(),
        "tool_choice": wire.tool_choice if isinstance(wire.tool_choice, str) else wire.tool_choice.echo(),
        "parallel_tool_calls": wire.parallel_tool_calls,
        "service_tier": wire.service_tier if wire.service_tier in PRIORITIES else "default",
        "metadata": wire.metadata,
        "prompt_cache_key": wire.prompt_cache_key,
        "safety_identifier": wire.safety_identifier,
        "user": wire.user,
    }


def _text(wire: WireResponses) -> dict[str, Any]:
    format = wire.text.format.model_dump(by_alias=True, exclude_unset=True) if wire.text.format else {"type": "text"}
    return {"format": format} | ({"verbosity": wire.text.verbosity} if wire.text.verbosity else {})


def _check_turn(wire: WireResponses) -> None:
    if wire.previous_response_id and wire.conversation:
        message = "'previous_response_id' and 'conversation' each say what came before: give one of them"
        raise InvalidRequest(message, param="previous_response_id")
    if wire.background and not wire.store:
        raise InvalidRequest("'background' needs 'store': true, else nobody could fetch it", param="background")
    if wire.input is None and not (wire.previous_response_id or wire.conversation):
        raise InvalidRequest("missing required parameter: 'input'", param="input", code="missing_required_parameter")


def _as_chat(asked: Asked, conversation: list[dict[str, Any]]) -> dict[str, Any]:
    """The same request to the chat API."""
    wire, toolbox = asked.wire, asked.toolbox
    shared = {name: getattr(wire, name) for name in SamplingWire.model_fields}
    return shared | {
        "model": wire.model,
        "messages": conversation,
        "stream": False,
        "stream_options": None,
        "logprobs": asked.logprobs,
        "top_logprobs": wire.top_logprobs if asked.logprobs else None,
        "max_completion_tokens": wire.max_output_tokens,
        "response_format": _response_format(wire),
        "tools": [tool.to_chat() for tool in toolbox.offered.values()] or None,
        "tool_choice": toolbox.choice,
        "parallel_tool_calls": wire.parallel_tool_calls,
        "reasoning_effort": wire.reasoning.effort or wire.reasoning_effort,
        "reasoning_budget": wire.reasoning_budget,
        "chat_template_kwargs": wire.chat_template_kwargs,
        "service_tier": wire.service_tier,
        "prompt_cache_key": wire.prompt_cache_key,
    }


def _response_format(wire: WireResponses) -> dict[str, Any] | None:
    format = wire.text.format
    if format is None or format.type != "json_schema":
        return {"type": format.type} if format else None
    return {"type": "json_schema", "json_schema": {"name": format.name, "schema": format.json_schema}}
