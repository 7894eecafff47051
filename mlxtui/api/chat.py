"""`/v1/chat/completions`: the wire's JSON becomes a Request. Pure: no I/O, no engine.

The wire is described in OpenAI's API reference, "Create chat completion".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from mlxtui.api.body import validate
from mlxtui.api.parameters import CHAT, refuse, unsupported
from mlxtui.errors import InvalidRequest
from mlxtui.types import Message, Request, Sampling, Tool, ToolCall

MAX_MESSAGES = 10_000
MAX_TOOLS = 256
MAX_STOPS = 4
RESERVED_KWARGS = frozenset(
    (
        *("messages", "conversation", "tools", "documents", "chat_template", "add_generation_prompt", "tokenize"),
        *("continue_final_message", "padding", "truncation", "max_length", "return_tensors", "return_dict"),
        *("return_assistant_tokens_mask", "tokenizer_kwargs"),
    )
)
"""Arguments of the tokenizer's own function for templates: a request may only set the template's variables."""


class Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class WirePart(Wire):
    type: Literal["text", "refusal"]
    text: str = ""

    @model_validator(mode="before")
    @classmethod
    def _text_is_all_it_reads(cls, part: Any) -> Any:
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str):
            return part
        if kind not in ("text", "refusal"):
            raise PydanticCustomError(
                "unsupported_content", "this model reads text only, not content of type '{kind}'", {"kind": kind[:40]}
            )
        if not isinstance(part.get(kind), str):
            raise ValueError(f"a part of type {kind!r} needs the string {kind!r}")
        return {"type": kind, "text": part[kind]}


def _as_parts(content: Any) -> Any:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if content is not None and not isinstance(content, list):
        raise ValueError("content must be a string or a list of parts")
    return content


class WireFunctionCall(Wire):
    name: Annotated[str, StringConstraints(min_length=1)]
    arguments: str = ""


class WireToolCall(Wire):
    id: Annotated[str, StringConstraints(min_length=1)]
    type: Literal["function"] = "function"
    function: WireFunctionCall


class WireMessage(Wire):
    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: Annotated[list[WirePart] | None, BeforeValidator(_as_parts)] = None
    name: str | None = None
    tool_calls: list[WireToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None

    @model_validator(mode="after")
    def _has_what_its_role_needs(self) -> WireMessage:
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("a message with role 'tool' needs the 'tool_call_id' of the call it answers")
        if self.content is None and self.role not in ("assistant", "function"):
            raise ValueError(f"a message with role {self.role!r} needs 'content'")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("only messages with role 'assistant' may have 'tool_calls'")
        return self

    def to_message(self) -> Message:
        roles: dict[str, Any] = {"developer": "system", "function": "tool"}
        return Message(
            role=roles.get(self.role, self.role),
            content="".join(part.text for part in self.content or ()) or self.refusal or "",
            tool_calls=tuple(ToolCall(c.id, c.function.name, c.function.arguments) for c in self.tool_calls or ()),
            tool_call_id=self.tool_call_id,
            name=self.name,
            reasoning=self.reasoning_content or self.reasoning,
        )


class WireFunction(Wire):
    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class WireTool(Wire):
    type: Literal["function"]
    function: WireFunction


class WireStreamOptions(Wire):
    include_usage: bool | None = None


class WireChat(Wire):
    """The fields that are honoured; `parameters.CHAT` says what happens to all others."""

    messages: Annotated[list[WireMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    model: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=1 << 31)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=1 << 31)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, lt=1 << 31)] | None = None
    stop: Annotated[list[str], Field(max_length=MAX_STOPS)] | None = None
    stream: bool = False
    stream_options: WireStreamOptions | None = None
    tools: Annotated[list[WireTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    chat_template_kwargs: dict[str, str | bool | int | float | None] | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop_is_a_list_of_one(cls, value: Any) -> Any:
        stops = [value] if isinstance(value, str) else value
        if isinstance(stops, list) and any(s == "" or (isinstance(s, str) and len(s) > 256) for s in stops):
            raise ValueError("a stop string must have 1 to 256 characters")
        return stops

    @field_validator("chat_template_kwargs")
    @classmethod
    def _only_variables_of_the_template(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if reserved := RESERVED_KWARGS & set(value or ()):
            raise ValueError(f"{', '.join(sorted(reserved))} can't be set by a request")
        return value

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


def parse_chat(body: dict[str, Any]) -> WireChat:
    """The body, checked field by field.

    Raises:
        InvalidRequest: with `param` set to the field at fault.
    """
    refuse(CHAT, body)
    wire = validate(WireChat, body)
    _check_tools(wire)
    if wire.stream_options and not wire.stream:
        raise InvalidRequest("'stream_options' is only allowed when 'stream' is true", param="stream_options")
    return wire


def to_request(wire: WireChat) -> Request:
    """The request as the pipeline takes it."""
    tools = () if wire.tool_choice == "none" else tuple(_tool(tool) for tool in wire.tools or ())
    return Request(
        model=wire.model,
        messages=tuple(message.to_message() for message in wire.messages),
        tools=tools,
        parallel_tool_calls=wire.parallel_tool_calls is not False,
        sampling=Sampling(
            temperature=wire.temperature,
            top_p=wire.top_p,
            top_k=wire.top_k if wire.top_k is None else max(wire.top_k, 0),
            min_p=wire.min_p,
            seed=wire.seed,
        ),
        max_tokens=wire.max_completion_tokens or wire.max_tokens,
        stop=tuple(wire.stop or ()),
        template=_template(wire),
    )


def _template(wire: WireChat) -> dict[str, Any]:
    """Effort "none" switches thinking off in templates of either kind."""
    effort = {"reasoning_effort": wire.reasoning_effort} if wire.reasoning_effort else {}
    switch = {"enable_thinking": False} if wire.reasoning_effort == "none" else {}
    return {**effort, **switch, **(wire.chat_template_kwargs or {})}


def _tool(tool: WireTool) -> Tool:
    return Tool(tool.function.name, tool.function.description or "", tool.function.parameters or {})


def _check_tools(wire: WireChat) -> None:
    names = [tool.function.name for tool in wire.tools or ()]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InvalidRequest(f"two tools are named {name!r}", param=f"tools[{i}].function.name")
    if wire.tool_choice not in (None, "auto", "none"):
        if wire.tool_choice != "required" and not isinstance(wire.tool_choice, dict):
            raise InvalidRequest("'tool_choice' must be 'auto', 'none', 'required' or an object", param="tool_choice")
        raise unsupported("tool_choice", wire.tool_choice, "auto or none only")
