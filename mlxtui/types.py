"""The values that walk through the house: what is asked (Request), what comes back (Delta), what it cost.

Every API parses its wire JSON into a Request and renders its answer from Deltas. Nothing here knows HTTP, JSON or MLX.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls"]
Channel = Literal["content", "reasoning"]
Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""The first one first."""


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
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. None means "not said": the server's, then the model's, default decides."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    xtc_probability: float | None = None
    xtc_threshold: float | None = None
    logit_bias: tuple[tuple[int, float], ...] | None = None
    seed: int | None = None

    def over(self, defaults: Sampling) -> Sampling:
        """This sampling, with what it leaves open taken from `defaults`."""
        said = {f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None}
        return replace(defaults, **said)


NEUTRAL_SAMPLING = Sampling(
    temperature=1.0,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    repetition_penalty=1.0,
    xtc_probability=0.0,
    xtc_threshold=0.1,
    logit_bias=(),
)


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the answer must look like, enforced token by token from the end of the reasoning on.

    `schema`: JSON by this JSON schema (`{"type": "object"}`: any object); None: free text. `calls`: "auto" leaves it to
    the model whether it calls `tools`, "required" makes it; then nothing but calls may come. With `schema` and "auto"
    calls the answer is either. `tools` are those that may be called; with `strict` their arguments follow their schema
    (required calls always do). `parallel` False: one call at most.
    """

    schema: Mapping[str, Any] | None = None
    calls: Literal["auto", "required"] = "auto"
    tools: tuple[Tool, ...] = ()
    parallel: bool = True


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
    """The loaded model, as the worker tells it once on load. Sizes in bytes, `created` in Unix seconds.

    `draft` is the model that drafts for it, "" for none.
    """

    id: str
    context_length: int
    dialect: Dialect
    created: int
    parameters: int = 0
    weights_bytes: int = 0
    kv_bytes_per_token: int = 0
    sampling: Sampling = Sampling()
    device: str = "cpu"
    draft: str = ""


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """Text or token ids as they are, without a template; with `suffix`, the gap before it is filled (FIM tokens)."""

    text: str | tuple[int, ...]
    suffix: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What any API asks of the model: to go on with a conversation (`messages`), or with each of some `texts`.

    `max_tokens` None means the rest of the context. `model` is the name as the client wrote it, echoed in the answer.
    `n` choices are drawn for each prompt, from one prefill. `top_logprobs` None: no logprobs; 0: only those of the
    tokens that were drawn.
    `reasoning_budget`: tokens of reasoning after which the model is made to answer.
    `template` holds keyword arguments for the chat template (`enable_thinking`, `reasoning_effort`, ...).
    `priority`: who is served first where not all can be.
    `cache_key`: the client's name for the conversation; None: it is known by how it begins.
    """

    model: str
    messages: tuple[Message, ...] = ()
    texts: tuple[TextPrompt, ...] = ()
    tools: tuple[Tool, ...] = ()
    parallel_tool_calls: bool = True
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    template: Mapping[str, Any] = field(default_factory=dict)
    n: int = 1
    top_logprobs: int | None = None
    constraint: Constraint | None = None
    reasoning_budget: int | None = None
    priority: Priority = "normal"
    cache_key: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts. `cached_tokens` of the prompt were not prefilled again."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from the arrival of the request; `ttft` is None when no token came.

    `per_token` is the mean time between two tokens of one choice, over all choices; None when none had a second.
    """

    queued: float = 0.0
    ttft: float | None = None
    total: float = 0.0
    per_token: float | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token as text and as bytes (which may be part of a character), and its natural-log probability."""

    token: str
    raw: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Logprob:
    """The token that was drawn and the likeliest ones at its place, best first."""

    drawn: TokenLogprob
    top: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """The prompt is rendered, fits the context and is accepted: from here on an answer may be streamed."""

    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Text:
    """Content; `logprobs` are of the tokens that came since the last Text: text may be held back, figures are not."""

    text: str
    choice: int = 0
    logprobs: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Reasoning:
    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class CallStart:
    """A tool call begins; `index` counts from 0 within one choice."""

    index: int
    id: str
    name: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class CallArguments:
    """A further piece of the JSON text of call `index`'s arguments."""

    index: int
    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of one choice. `usage` and `timings` are those of the whole request so far."""

    reason: FinishReason
    usage: Usage
    timings: Timings
    choice: int = 0


Delta = Started | Text | Reasoning | CallStart | CallArguments | Finish
