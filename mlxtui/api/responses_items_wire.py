"""The shapes of the items in a Responses request, kind by kind, with the sentence for each way to get one wrong.

Source: OpenAI's API reference, "Create a model response", `input`. Tags of unions begin with a capital:
`body.param_path` leaves such out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

Status = Literal["in_progress", "completed", "incomplete"]
Some = Annotated[str, StringConstraints(min_length=1)]
PartType = Literal["input_text", "output_text", "text", "summary_text", "reasoning_text", "refusal"]


class Kept(BaseModel):
    """Fields that are not ours are kept: what came in goes back to the client as it was. Null is the default."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_default(cls, value: Any) -> Any:
        if not isinstance(value, dict | BaseModel):
            raise ValueError("must be an object")
        return {name: v for name, v in value.items() if v is not None} if isinstance(value, dict) else value


class WireTextPart(Kept):
    """Its words are in `refusal` where that is its type, else in `text`."""

    type: PartType
    text: str | None = None
    refusal: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _text_is_all_it_reads(cls, part: Any) -> Any:
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str):
            return part
        if kind not in get_args(PartType):
            raise PydanticCustomError(
                "unsupported_content", "this model reads text only, not content of type '{kind}'", {"kind": kind[:40]}
            )
        field = "refusal" if kind == "refusal" else "text"
        if not isinstance(part.get(field), str):
            raise ValueError(f"a part of type {kind!r} needs the string {field!r}")
        return part


def _as_parts(content: Any) -> Any:
    if isinstance(content, str):
        return [{"type": "input_text", "text": content}]
    if not isinstance(content, list):
        raise ValueError("must be a string or a list of parts")
    return content


Parts = Annotated[list[WireTextPart], BeforeValidator(_as_parts, json_schema_input_type=str | list[WireTextPart])]

TextOrParts = Annotated[
    Annotated[str, Tag("Text")] | Annotated[list[WireTextPart], Tag("Parts")],
    Discriminator(lambda value: "Parts" if isinstance(value, list) else "Text"),
]


class WireItem(Kept):
    """An item of a kind that is not for the model: hosted calls, and kinds that are new to us."""

    type: str
    id: str | None = None


class WireInputMessage(WireItem):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Parts
    status: Status | None = None


class WireCall(WireItem):
    type: Literal["function_call"]
    call_id: Some
    name: Some
    arguments: str
    namespace: str | None = None
    status: Status | None = None


class WireCustomCall(WireItem):
    type: Literal["custom_tool_call"]
    call_id: Some
    name: Some
    input: str
    namespace: str | None = None
    status: Status | None = None


class WireCallOutput(WireItem):
    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: Some
    output: TextOrParts
    status: Status | None = None


class WireThought(WireItem):
    type: Literal["reasoning"]
    summary: list[WireTextPart] | None = None
    content: list[WireTextPart] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


class WireCompaction(WireItem):
    type: Literal["compaction"]
    encrypted_content: Some


class WireReference(WireItem):
    type: Literal["item_reference"] = "item_reference"
    id: Some


class WireRefused(WireItem):
    """What would change the answer if it were passed over."""

    @model_validator(mode="after")
    def _says_what_to_do(self) -> WireRefused:
        raise PydanticCustomError(
            "unsupported_content", "is not taken as an item: use POST /v1/responses/compact", {"kind": self.type}
        )


ITEMS = {
    "message": WireInputMessage,
    "function_call": WireCall,
    "function_call_output": WireCallOutput,
    "custom_tool_call": WireCustomCall,
    "custom_tool_call_output": WireCallOutput,
    "reasoning": WireThought,
    "compaction": WireCompaction,
    "item_reference": WireReference,
    "compaction_trigger": WireRefused,
}


def _item_tag(item: Any) -> str:
    """An item without a type is a message, or a reference if it has nothing but an id."""
    kind = item.get("type") if isinstance(item, dict) else None
    if kind is None:
        kind = "item_reference" if isinstance(item, dict) and "id" in item and "role" not in item else "message"
    return ITEMS.get(kind, WireItem).__name__ if isinstance(kind, str) else "WireItem"


AnyItem = Annotated[
    Annotated[WireInputMessage, Tag("WireInputMessage")]
    | Annotated[WireCall, Tag("WireCall")]
    | Annotated[WireCallOutput, Tag("WireCallOutput")]
    | Annotated[WireCustomCall, Tag("WireCustomCall")]
    | Annotated[WireThought, Tag("WireThought")]
    | Annotated[WireCompaction, Tag("WireCompaction")]
    | Annotated[WireReference, Tag("WireReference")]
    | Annotated[WireRefused, Tag("WireRefused")]
    | Annotated[WireItem, Tag("WireItem")],
    Discriminator(_item_tag),
]
