"""The shapes of a Responses request on the wire, field by field, with the sentence for each way to get one wrong.

Source: OpenAI's API reference, "Create a model response". What the fields mean is `responses.py`'s business, and
`responses_items_wire.py`'s for the items. Tags of unions begin with a capital: `body.param_path` leaves such out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

from mlxtui.api.chat_wire import MAX_MESSAGES, MAX_TOOLS, SamplingWire, TemplateWire, Wire
from mlxtui.api.responses_items_wire import AnyItem, Kept, Some

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
ToolName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]


class WireToolFunction(Kept):
    type: Literal["function"]
    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class WireCustomFormat(Kept):
    type: Literal["text", "grammar"]
    syntax: Literal["lark", "regex"] | None = None
    definition: str | None = None

    @model_validator(mode="after")
    def _a_grammar_is_written_down(self) -> WireCustomFormat:
        if self.type == "grammar" and not (self.syntax and self.definition):
            raise ValueError("type 'grammar' needs 'syntax' and 'definition'")
        return self


class WireCustomTool(Kept):
    type: Literal["custom"]
    name: ToolName
    description: str | None = None
    format: WireCustomFormat | None = None


class WireHostedTool(Kept):
    """A tool that OpenAI would run: there is none here, but agents list it in every request."""

    type: str


def _tool_tag(tool: Any) -> str:
    tags = {"function": "WireToolFunction", "custom": "WireCustomTool", "namespace": "WireNamespace"}
    kind = tool.get("type") if isinstance(tool, dict) else getattr(tool, "type", None)
    return tags.get(kind, "WireHostedTool") if isinstance(kind, str) else "WireHostedTool"


class WireNamespace(Kept):
    type: Literal["namespace"]
    name: ToolName
    description: str | None = None
    tools: Annotated[list[AnyTool], Field(max_length=MAX_TOOLS)]


AnyTool = Annotated[
    Annotated[WireToolFunction, Tag("WireToolFunction")]
    | Annotated[WireCustomTool, Tag("WireCustomTool")]
    | Annotated["WireNamespace", Tag("WireNamespace")]
    | Annotated[WireHostedTool, Tag("WireHostedTool")],
    Discriminator(_tool_tag),
]


class WireChosen(Kept):
    """`tool_choice` as an object, or one of the tools in an `allowed_tools`."""

    type: str
    name: str | None = None
    namespace: str | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: Annotated[list[WireChosen], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _what_its_type_needs(self) -> WireChosen:
        needed = {"function": "name", "custom": "name", "allowed_tools": "tools"}.get(self.type)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"type {self.type!r} needs {needed!r}")
        return self

    def echo(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


def _as_choice(value: Any) -> Any:
    """A mode is written as a plain string."""
    if isinstance(value, str) and value not in ("none", "auto", "required"):
        raise ValueError("must be 'none', 'auto', 'required' or an object")
    return value


Mode = Literal["none", "auto", "required"]
ToolChoice = Annotated[
    Annotated[Mode, Tag("Mode")] | Annotated[WireChosen, Tag("Chosen")],
    Discriminator(lambda value: "Mode" if isinstance(value, str) else "Chosen"),
    BeforeValidator(_as_choice),
]


class WireTextFormat(Kept):
    type: Literal["text", "json_object", "json_schema"]
    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")] | None = None
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    description: str | None = None
    strict: bool | None = None

    @model_validator(mode="after")
    def _a_schema_where_one_is_named(self) -> WireTextFormat:
        if self.type == "json_schema" and (self.name is None or self.json_schema is None):
            raise ValueError("type 'json_schema' needs 'name' and 'schema'")
        return self


class WireText(Wire):
    format: WireTextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class WireReasoning(Wire):
    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class WireConversation(Wire):
    id: Some


def _as_conversation(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError("must be an id, or an object that holds it")
    return {"id": value} if isinstance(value, str) else value


def _as_items(value: Any) -> Any:
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    if not isinstance(value, list):
        raise ValueError("must be a string or a list of items")
    return value


Metadata = dict[
    Annotated[str, StringConstraints(max_length=64)],
    Annotated[str, StringConstraints(max_length=512)],
]
Items = Annotated[list[AnyItem], Field(max_length=MAX_MESSAGES)]


class WireResponses(SamplingWire, TemplateWire):
    # The fields that are read; `parameters.RESPONSES` says what happens to all others.

    model: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    input: Annotated[Items, BeforeValidator(_as_items, json_schema_input_type=str | Items)] | None = None
    instructions: str | None = None
    previous_response_id: Some | None = None
    conversation: Annotated[
        WireConversation | None, BeforeValidator(_as_conversation, json_schema_input_type=str | WireConversation | None)
    ] = None
    store: bool = True
    background: bool = False
    truncation: Literal["auto", "disabled"] = "disabled"
    include: list[str] = Field(default_factory=list)
    max_output_tokens: Annotated[int, Field(ge=1, lt=1 << 31)] | None = None
    max_tool_calls: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    metadata: Annotated[Metadata, Field(max_length=16)] = Field(default_factory=dict)
    parallel_tool_calls: bool = True
    reasoning: WireReasoning = WireReasoning()
    reasoning_budget: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    text: WireText = WireText()
    tools: Annotated[list[AnyTool], Field(max_length=MAX_TOOLS)] = Field(default_factory=list)
    tool_choice: ToolChoice = "auto"
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    user: str | None = None
