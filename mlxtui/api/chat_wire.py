"""The shapes of a chat completion request on the wire, field by field, with the sentence for each way to get one wrong.

Source: OpenAI's API reference, "Create chat completion". What the fields mean is `chat.py`'s business.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mlxtui.errors import InvalidRequest
from mlxtui.types import Message, Sampling, ToolCall

MAX_MESSAGES = 10_000
MAX_TOOLS = 256
MAX_STOPS = 4
MAX_CHOICES = 16
OneStop = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Stops = Annotated[list[OneStop], Field(max_length=MAX_STOPS)]
TokenId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}$")]
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
    """Its words are in the field that its type names."""

    type: Literal["text", "refusal"]
    text: str | None = None
    refusal: str | None = None

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
        return {"type": kind, kind: part[kind]}

    def to_text(self) -> str:
        return self.text or self.refusal or ""


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
    content: Annotated[
        list[WirePart] | None, BeforeValidator(_as_parts, json_schema_input_type=str | list[WirePart] | None)
    ] = None
    name: str | None = None
    tool_calls: list[WireToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    function_call: WireFunctionCall | None = None  # from before there were tools; answered by role 'function'

    @model_validator(mode="after")
    def _has_what_its_role_needs(self) -> WireMessage:
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("a message with role 'tool' needs the 'tool_call_id' of the call it answers")
        if self.content is None and self.role not in ("assistant", "function"):
            raise ValueError(f"a message with role {self.role!r} needs 'content'")
        if (self.tool_calls or self.function_call) and self.role != "assistant":
            raise ValueError("only messages with role 'assistant' may have 'tool_calls' or a 'function_call'")
        return self

    def to_message(self) -> Message:
        roles: dict[str, Any] = {"developer": "system", "function": "tool"}
        calls = [(call.id, call.function) for call in self.tool_calls or ()]
        calls += [(self.function_call.name, self.function_call)] if self.function_call else []
        return Message(
            role=roles.get(self.role, self.role),
            content="".join(part.to_text() for part in self.content or ()) or self.refusal or "",
            tool_calls=tuple(ToolCall(id, function.name, function.arguments) for id, function in calls),
            tool_call_id=self.tool_call_id or (self.name if self.role == "function" else None),
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


class WireJsonSchema(Wire):
    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class WireResponseFormat(Wire):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: WireJsonSchema | None = None

    @model_validator(mode="after")
    def _a_schema_where_one_is_named(self) -> WireResponseFormat:
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("type 'json_schema' needs 'json_schema' with a name and a schema")
        return self


class WireNamed(Wire):
    name: str


class WireAllowed(Wire):
    mode: Literal["auto", "required"]
    tools: Annotated[list[WireToolChoice], Field(min_length=1)]


class WireToolChoice(Wire):
    """{"type": "function", "function": {"name": ...}} or {"type": "allowed_tools", "allowed_tools": {...}}."""

    type: Literal["function", "allowed_tools"]
    function: WireNamed | None = None
    allowed_tools: WireAllowed | None = None

    @model_validator(mode="after")
    def _what_its_type_needs(self) -> WireToolChoice:
        if getattr(self, self.type) is None:
            raise ValueError(f"type {self.type!r} needs {self.type!r}")
        return self

    @property
    def names(self) -> list[str]:
        if self.allowed_tools:
            return [name for tool in self.allowed_tools.tools for name in tool.names]
        return [self.function.name] if self.function else []


def _as_choice(value: Any) -> Any:
    """A mode is written as a plain string."""
    kind = value.get("type") if isinstance(value, dict) else None
    if value not in ("none", "auto", "required") and kind not in ("function", "allowed_tools"):
        raise ValueError("must be 'none', 'auto', 'required' or an object of type 'function' or 'allowed_tools'")
    return value


def _kind_of_choice(value: Any) -> str:
    """So that an error is that of the form that was meant; no field of the wire is named like this."""
    return "Mode" if isinstance(value, str) else "Object"


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("Mode")] | Annotated[WireToolChoice, Tag("Object")],
    Discriminator(_kind_of_choice),
]


def _as_variable(value: Any) -> Any:
    if value is not None and not isinstance(value, str | bool | int | float):
        raise ValueError("a template's variable is a string, a number, a boolean or null")
    return value


Variable = Annotated[str | bool | int | float | None, BeforeValidator(_as_variable)]


class SamplingWire(Wire):
    """What chat and text completions share."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=1 << 31)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    xtc_probability: Annotated[float, Field(ge=0, le=1)] | None = None
    xtc_threshold: Annotated[float, Field(ge=0, le=0.5)] | None = None
    logit_bias: Annotated[dict[TokenId, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=1024)] | None = None
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] = 1
    stop: Stops | None = None
    stream: bool = False
    stream_options: WireStreamOptions | None = None

    @field_validator("stop", mode="before", json_schema_input_type=OneStop | Stops | None)
    @classmethod
    def _one_stop_is_a_list_of_one(cls, value: Any) -> Any:
        stops = [value] if isinstance(value, str) else value
        if isinstance(stops, list) and any(s == "" or (isinstance(s, str) and len(s) > 256) for s in stops):
            raise ValueError("a stop string must have 1 to 256 characters")
        return stops

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def check_stream_options(self) -> None:
        if self.stream_options and not self.stream:
            raise InvalidRequest("'stream_options' is only allowed when 'stream' is true", param="stream_options")

    def sampling(self) -> Sampling:
        """`top_k` -1 and 0 both mean "off"."""
        said = {f.name: getattr(self, f.name) for f in fields(Sampling)}
        said["top_k"] = said["top_k"] and max(said["top_k"], 0)
        said["logit_bias"] = tuple((int(token), bias) for token, bias in (self.logit_bias or {}).items()) or None
        return Sampling(**said)


class TemplateWire(Wire):
    """Variables for the chat template."""

    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    chat_template_kwargs: dict[str, Variable] | None = None

    @field_validator("chat_template_kwargs")
    @classmethod
    def _only_variables_of_the_template(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if reserved := RESERVED_KWARGS & set(value or ()):
            raise ValueError(f"{', '.join(sorted(reserved))} can't be set by a request")
        return value


class WireChat(SamplingWire, TemplateWire):
    # The fields that are honoured; `parameters.CHAT` says what happens to all others.

    messages: Annotated[list[WireMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    model: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: WireResponseFormat | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=1 << 31)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, lt=1 << 31)] | None = None
    tools: Annotated[list[WireTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Annotated[ToolChoice, BeforeValidator(_as_choice)] | None = None
    parallel_tool_calls: bool | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    reasoning_budget: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
