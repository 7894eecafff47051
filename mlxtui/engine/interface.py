"""The seam between the server and whatever produces text: a Job goes in, Outputs come out.

Two engines stand behind it: `process` (an MLX worker in a child process) and `replay` (recorded sessions, no MLX).
Nothing here knows HTTP, OpenAI's wire or MLX. All values cross a process boundary: frozen and picklable.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from mlxtui.events import MissReason, PrefillProgress
from mlxtui.kept import Cache, CacheAction
from mlxtui.types import Channel, Constraint, Logprob, Message, ModelInfo, Priority, Sampling, TextPrompt, Tool

EngineState = Literal["loading", "ready", "draining", "restarting", "unloaded", "failed", "closed"]
"""Draining: what runs may finish, nothing new is taken, then another model or none is loaded."""

_CODES: dict[EngineState, str] = {
    "restarting": "engine_restarting",
    "unloaded": "model_not_loaded",
    "failed": "model_failed",
    "closed": "shutting_down",
}


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
    prefilled once. Jobs of one `cache_key` share one quota of the prompt cache.
    """

    id: str
    prompt: ChatPrompt | TextPrompt
    sampling: Sampling
    max_tokens: int | None = None
    top_logprobs: int | None = None
    constraint: Constraint | None = None
    reasoning_budget: int | None = None
    priority: Priority = "normal"
    cache_key: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """The prompt was rendered and tokenised and fits. `opens_in` is the channel the prompt leaves the model in."""

    id: str
    prompt_tokens: int
    opens_in: Channel = "content"


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

    @property
    def progress(self) -> PrefillProgress:
        """What everybody may know of it: the texts of a miss are for the request's own inspector."""
        return PrefillProgress(self.id, self.done, self.total, self.cached, self.miss.reason if self.miss else None)


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
    "context_length_exceeded",
    "invalid_prompt",
    "invalid_constraint",
    "cache_entry_not_found",
    "insufficient_memory",
    "engine_error",
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

    @property
    def code(self) -> str:
        """What the 503 is called that a request gets in this state."""
        return _CODES.get(self.state, "model_loading")


@dataclass(frozen=True, slots=True)
class ParsedCall:
    """A tool call as mlx-lm's parser read it; `arguments` is a JSON object."""

    name: str
    arguments: Mapping[str, Any]


class Spelling(NamedTuple):
    """One token: its bytes, which may be a part of a character, and whether it is `special`: a marker that templates
    write and text never becomes.
    """

    raw: bytes
    special: bool


class Engine(Protocol):
    """Turns Jobs into Outputs. All methods are called on the server's event loop."""

    @property
    def status(self) -> EngineStatus: ...

    @property
    def model(self) -> ModelInfo | None:
        """The loaded model; None while there is none, or another one is being loaded."""
        ...

    @property
    def wanted(self) -> str | None:
        """What was last asked to be loaded, by the name it was asked by; None: nothing."""
        ...

    async def start(self) -> None:
        """Begin loading and return at once; progress shows in `status` and on the event bus."""
        ...

    async def load(self, name: str) -> ModelInfo:
        """Exchange the model. What runs gets the grace period to finish and a 503 after it; new jobs get one at once.

        Raises:
            mlxtui.errors.ApiError: it can't be loaded (400; the one before is loaded again), another one is being
                loaded or this engine can't exchange its model (409), it was unloaded or closed meanwhile (409, 503).
        """
        ...

    async def unload(self) -> None:
        """End the worker, so that all memory returns; what runs is treated as in `load`.

        Raises:
            mlxtui.errors.ApiError: this engine can't (409).
        """
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

    def prioritise(self, job: str, priority: Priority) -> None:
        """From now on this job waits for its slot and its prefill as `priority` has it; once it decodes all are equal.

        Of equal ones who came first is first; nobody waits for ever. Unknown jobs are none of its business.
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

    async def spell(self, tokens: tuple[int, ...]) -> tuple[Spelling, ...]:
        """Each of these tokens by itself.

        Raises:
            mlxtui.errors.ApiError: as `detokenize`.
        """
        ...

    async def cache(self, action: CacheAction | None = None, id: str = "") -> Cache:
        """What the prompt cache keeps, once `action` is done to the entry of this id.

        Raises:
            mlxtui.errors.ApiError: there is no such entry (404), the engine is not ready (503).
        """
        ...

    async def close(self) -> None:
        """Stop gently: close the worker's pipe, SIGTERM, SIGKILL last. Jobs in flight end with an error."""
        ...
