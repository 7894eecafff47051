"""`/tokenize`, `/detokenize`, `/apply-template`: what the model gets to read. Wire JSON ⇄ values; pure.

Shapes as in vLLM (`/tokenize`, `/detokenize`) and llama.cpp (`/apply-template`): OpenAI's API has none of them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from mlxtui.api.body import validate
from mlxtui.api.chat import template_variables, to_tool
from mlxtui.api.chat_wire import MAX_MESSAGES, MAX_TOOLS, TemplateWire, WireMessage, WireTool
from mlxtui.errors import InvalidRequest
from mlxtui.types import Request, TextPrompt


class WirePrompt(TemplateWire):
    model: str | None = None
    prompt: str | None = None
    messages: Annotated[list[WireMessage], Field(min_length=1, max_length=MAX_MESSAGES)] | None = None
    tools: Annotated[list[WireTool], Field(max_length=MAX_TOOLS)] | None = None


class WireTokens(TemplateWire):
    model: str | None = None
    tokens: Annotated[list[Annotated[int, Field(ge=0, lt=1 << 31)]], Field(max_length=1 << 20)]


def parse_prompt(body: dict[str, Any]) -> Request:
    """The prompt of a `/tokenize` or `/apply-template` request: `prompt` as text, or `messages` with `tools`.

    Raises:
        InvalidRequest: with `param` set to the field at fault.
    """
    wire = validate(WirePrompt, body)
    if (wire.prompt is None) == (wire.messages is None):
        raise InvalidRequest("give either 'prompt' or 'messages'", param="prompt" if wire.messages else "messages")
    if wire.messages is None:
        return Request(model=wire.model or "default", texts=(TextPrompt(wire.prompt or ""),))
    return Request(
        model=wire.model or "default",
        messages=tuple(message.to_message() for message in wire.messages),
        tools=tuple(to_tool(tool) for tool in wire.tools or ()),
        template=template_variables(wire),
    )


def parse_tokens(body: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
    """Model name and token ids of a `/detokenize` request."""
    wire = validate(WireTokens, body)
    return wire.model or "default", tuple(wire.tokens)
