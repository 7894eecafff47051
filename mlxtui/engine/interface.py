"""The seam between the server and whatever produces text: a Job goes in, Outputs come out.

Two engines stand behind it: `process` (an MLX worker in a child process) and `replay` (recorded sessions, no MLX).
Nothing here knows HTTP, OpenAI's wire or MLX. All values cross a process boundary: frozen and picklable.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mlxtui.types import Channel, Constraint, Logprob, Message, ModelInfo, Sampling, TextPrompt, Tool

EngineState = Literal["loading", "ready", "restarting", "failed", "closed"]


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """A conversation for the model's own chat template."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    template: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """One generation. `sampling` is complete (nothing None but `seed`: None draws a random one).

    `max_tokens` None means: up to the end of the context. Jobs with equal prompts that are submitted together are
    prefilled once.
    """

    id: str
    prompt: ChatPrompt | TextPrompt
    sampling: Sampling
    max_tokens: int | None = None
    top_logprobs: int | None = None
    constraint: Constraint | None = None
    reasoning_budget: int | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """The prompt was rendered and tokenised and fits. `opens_in` is the channel the prompt leaves the model in."""

    id: str
    prompt_tokens: int
    opens_in: Channel = "content"


MissReason = Literal["new", "parted", "uncut", "evicted"]


@dataclass(frozen=True, slots=True)
class Miss:
    """Why no more of a prompt was reused. It parts from the nearest earlier one after `at` tokens; `was` and `now` are
    the texts there.

    "new": nothing kept begins alike. "parted": the tokens differ from there on. "uncut": what is kept goes on beyond
    the common part, and this model's caches can't be cut. "evicted": it was kept once, and had to make room.
    """

    reason: MissReason
    at: int = 0
    was: str = ""
    now: str = ""


@dataclass(frozen=True, slots=True)
class Prefill:
    """`done` of `total` prompt tokens are in the KV cache; `cached` of them were taken from an earlier request.

    The first one of a job (done == cached) tells that it left the queue, and in `miss` why no more was cached.
    """

    id: str
    done: int
    total: int
    cached: int
    miss: Miss | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Generated text with the ids of its tokens; `finish` is set on the last piece of a job.

    `text` may be empty while bytes of a character or a held-back token are still missing.
    End-of-sequence tokens count in `tokens` but never show in `text`. `logprobs`, where asked for, one for each token
    but end-of-sequence tokens.
    """

    id: str
    text: str
    tokens: tuple[int, ...]
    finish: Literal["stop", "length"] | None = None
    logprobs: tuple[Logprob, ...] = ()


FailureCode = Literal[
    "context_length_exceeded", "invalid_prompt", "invalid_constraint", "insufficient_memory", "engine_error"
]


@dataclass(frozen=True, slots=True)
class Failure:
    """A job ended without an answer. The first three codes are the client's doing; `param` names the field at fault."""

    id: str
    code: FailureCode
    message: str
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """The worker after a step: job counts, and bytes as MLX accounts them."""

    running: int = 0
    prefilling: int = 0
    queued: int = 0
    active_bytes: int = 0
    peak_bytes: int = 0
    cache_bytes: int = 0
    cache_entries: int = 0


Output = Rendered | Prefill | Piece


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """`detail` is a human sentence: what is being loaded, why it failed, when it is tried again."""

    state: EngineState
    detail: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class ParsedCall:
    """A tool call as mlx-lm's parser read it; `arguments` is a JSON object."""

    name: str
    arguments: Mapping[str, Any]


class Engine(Protocol):
    """Turns Jobs into Outputs. All methods are called on the server's event loop."""

    @property
    def status(self) -> EngineStatus: ...

    @property
    def model(self) -> ModelInfo | None:
        """The loaded model; None until the first load is complete."""
        ...

    async def start(self) -> None:
        """Begin loading and return at once; progress shows in `status` and on the event bus."""
        ...

    def run(self, job: Job) -> AsyncGenerator[tuple[Output, ...], None]:
        """The job's outputs: one Rendered, Prefills, Pieces; the last Piece has `finish` set.

        Each iteration gives all that is ready by now, in order, so every iteration really suspends. Closing the
        generator early cancels the job: its slot is free within one step.

        Raises:
            mlxtui.errors.ApiError: the prompt does not fit or cannot be rendered (400), the engine is not ready (503),
                it died or failed on this job (500).
        """
        ...

    async def parse_calls(self, job: str, text: str, tools: tuple[Tool, ...]) -> tuple[ParsedCall, ...]:
        """What stands between tool markers in this job's text, as the model's own parser reads it; empty: it can't."""
        ...

    async def tokenize(self, prompt: ChatPrompt | TextPrompt) -> tuple[str, tuple[int, ...]]:
        """The prompt as the model would get it: rendered text and token ids.

        Raises:
            mlxtui.errors.ApiError: as `run`; the prompt may be longer than the context.
        """
        ...

    async def detokenize(self, tokens: tuple[int, ...]) -> str:
        """The text of token ids; special tokens show.

        Raises:
            mlxtui.errors.ApiError: an id is outside of the vocabulary (400), the engine is not ready (503).
        """
        ...

    async def close(self) -> None:
        """Stop gently: close the worker's pipe, SIGTERM, SIGKILL last. Jobs in flight end with an error."""
        ...
