"""A Prompt is what the render thread hands over; a Slot is its life from there to the last piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlxtui.engine.worker.cache.entry import UNKNOWN, Origin
from mlxtui.types import Priority

if TYPE_CHECKING:  # it brings MLX along, which the reader thread's side must not wait for
    from mlxtui.engine.worker.detokenize import Detokenizer
    from mlxtui.engine.worker.masks import Grammar, Matcher
    from mlxtui.engine.worker.rows import Rows
    from mlxtui.engine.worker.sampling import Choice
    from mlxtui.engine.worker.thinking import Budget, Thinking


@dataclass(frozen=True, slots=True)
class Prompt:
    """A job ready to run: `tokens` is not empty and `max_new` >= 1 tokens fit behind it.

    `marks`: lengths, ascending, at which a copy of the cache is worth keeping: see `marks.marks`.
    """

    id: str
    tokens: list[int]
    choice: Choice
    max_new: int
    top_logprobs: int | None = None
    grammar: Grammar | None = None
    budget: Budget | None = None
    marks: tuple[int, ...] = ()
    origin: Origin = UNKNOWN
    priority: Priority = "normal"


@dataclass(slots=True, eq=False)
class Slot:
    """One sequence. Until it decodes, `caches` is its own KV cache holding the first `done` of `tokens`, or that is
    still in the `rows` of a shared pass: see `plain`.

    `tokens`: prompt and generated ones.
    `drawn`: tokens sampled so far, the one in flight included. `joined`: its last prompt token has been fed.
    `unfed`: in the batch, how many at the end of its tokens are not in the KV cache: 0, or 1 that is fed next.
    `key`: the prompt's tokens as bytes, see `cache.keys`.
    `leader`: the slot that is just prefilling the first `shared` tokens of both, while this one waits for that.
    `suspect`: it was in a batch that failed; suspects join one at a time, so that the next failure names the guilty.
    """

    prompt: Prompt
    detokenizer: Detokenizer
    caches: list[Any]
    done: int
    tokens: list[int] = field(default_factory=list)
    cached: int = 0
    drawn: int = 0
    joined: bool = False
    unfed: int = 0
    rows: Rows | None = None
    suspect: bool = False
    finished: bool = False
    failure: Exception | None = None
    matcher: Matcher | None = None
    thinking: Thinking | None = None
    key: bytes = b""
    leader: Slot | None = None
    shared: int = 0
    priority: Priority = "normal"

    @property
    def id(self) -> str:
        return self.prompt.id

    @property
    def generated(self) -> int:
        return len(self.tokens) - len(self.prompt.tokens)

    @property
    def ahead(self) -> int:
        """Tokens to prefill: all but the last, which is fed by the first decode step."""
        return len(self.tokens) - 1 - self.done

    @property
    def until_mark(self) -> int:
        """Tokens to prefill up to the next mark, or all that are ahead."""
        return next((mark - self.done for mark in self.prompt.marks if mark > self.done), self.ahead)

    def plain(self) -> list[Any]:
        """Its own KV cache, taken out of the shared pass if it is still in there."""
        if self.rows:
            self.caches, self.rows = self.rows.extract(self), None
        return self.caches

    def guide(self) -> None:
        """Put grammar and budget of reasoning where the generated tokens have brought them."""
        said = self.tokens[len(self.prompt.tokens) :]
        self.matcher = self.prompt.grammar.matcher(said) if self.prompt.grammar else None
        self.thinking = self.prompt.budget.watch(said) if self.prompt.budget else None
