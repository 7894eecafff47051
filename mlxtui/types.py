"""The values that walk through the house: what is asked (Request), what comes back (Delta), what it cost.

Every API parses its wire JSON into a Request and renders its answer from Deltas. Nothing here knows HTTP, JSON or MLX.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls"]
Channel = Literal["content", "reasoning"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model made: `arguments` is JSON text, as on OpenAI's wire."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `developer` has become `system`, content parts have been joined."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; `parameters` is its JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. None means "not said": the server's, then the model's, default decides."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None

    def over(self, defaults: Sampling) -> Sampling:
        """This sampling, with what it leaves open taken from `defaults`."""
        said = {f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None}
        return replace(defaults, **said)


NEUTRAL_SAMPLING = Sampling(temperature=1.0, top_p=1.0, top_k=0, min_p=0.0)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the model marks up its output.

    `think` and `tool` are (start, end) marker pairs, None where the model has none. An empty end marker means "to the
    end of the text". `tool_syntax` names mlx-lm's parser of what stands between the tool markers (e.g. `json_tools`).
    """

    think: tuple[str, str] | None = None
    tool: tuple[str, str] | None = None
    tool_syntax: str | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The loaded model, as the worker tells it once on load. Sizes in bytes, `created` in Unix seconds."""

    id: str
    context_length: int
    dialect: Dialect
    created: int
    parameters: int = 0
    weights_bytes: int = 0
    kv_bytes_per_token: int = 0
    sampling: Sampling = Sampling()
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Request:
    """What any API asks of the model.

    `max_tokens` None means the rest of the context. `model` is the name as the client wrote it, echoed in the answer.
    `template` holds keyword arguments for the chat template (`enable_thinking`, `reasoning_effort`, ...).
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    parallel_tool_calls: bool = True
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    template: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts. `cached_tokens` of the prompt were not prefilled again."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from the arrival of the request; `ttft` is None when no token came."""

    queued: float = 0.0
    ttft: float | None = None
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Started:
    """The prompt is rendered, fits the context and is accepted: from here on an answer may be streamed."""

    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    text: str


@dataclass(frozen=True, slots=True)
class CallStart:
    """A tool call begins; `index` counts from 0 within one answer."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """A further piece of the JSON text of call `index`'s arguments."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    reason: FinishReason
    usage: Usage
    timings: Timings


Delta = Started | Text | Reasoning | CallStart | CallArguments | Finish
