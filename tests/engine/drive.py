"""Drives a Scheduler the way the worker does and collects what each job got."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from mlxtui.engine.interface import Failure, Piece, Prefill
from mlxtui.engine.worker.model import Model
from mlxtui.engine.worker.sampling import choice
from mlxtui.engine.worker.scheduler import Scheduler
from mlxtui.engine.worker.slot import Prompt
from mlxtui.types import NEUTRAL_SAMPLING, Logprob, Sampling

GREEDY = Sampling(temperature=0.0)
_ids = itertools.count()


@dataclass
class Got:
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    finish: str | None = None
    failure: Failure | None = None
    cached: int = 0
    prefills: list[Prefill] = field(default_factory=list)
    logprobs: list[Logprob] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.finish is not None or self.failure is not None


class Drive:
    """One scheduler and what came out of it so far. `order` lists the ids of jobs as they ended."""

    def __init__(self, model: Model, *, max_running: int = 32, cache_bytes: int = 1 << 28, **options: object) -> None:
        self.model = model
        self.scheduler = Scheduler(model, max_running=max_running, cache_bytes=cache_bytes, **options)  # type: ignore[arg-type]
        self.got: defaultdict[str, Got] = defaultdict(Got)
        self.order: list[str] = []

    def admit(self, tokens: list[int], max_new: int, sampling: Sampling = GREEDY, **asked: Any) -> str:
        job = f"job{next(_ids)}"
        chosen = choice(sampling.over(NEUTRAL_SAMPLING), self.model.vocab)
        self.scheduler.admit(Prompt(job, tokens, chosen, max_new, **asked))
        return job

    def step(self) -> None:
        report = self.scheduler.step()
        self.scheduler.retire()
        for prefill in report.prefills:
            self.got[prefill.id].prefills.append(prefill)
            self.got[prefill.id].cached = prefill.cached
        for piece in report.pieces:
            self._take(piece)
        for failure in report.failures:
            self.got[failure.id].failure = failure
            self.order.append(failure.id)

    def _take(self, piece: Piece) -> None:
        got = self.got[piece.id]
        assert not got.over, "nothing may follow the last piece"
        got.tokens += piece.tokens
        got.text += piece.text
        got.logprobs += piece.logprobs
        got.finish = piece.finish
        if piece.finish:
            self.order.append(piece.id)

    def finish(self) -> None:
        while not self.scheduler.idle:
            self.step()

    def run(self, tokens: list[int], max_new: int, sampling: Sampling = GREEDY, **asked: Any) -> Got:
        """One job from admission to its end, with whatever else is running."""
        job = self.admit(tokens, max_new, sampling, **asked)
        while not self.got[job].over:
            self.step()
        return self.got[job]


def alone(model: Model, tokens: list[int], max_new: int, sampling: Sampling = GREEDY) -> list[int]:
    """The tokens of a job on a fresh scheduler."""
    return Drive(model).run(tokens, max_new, sampling).tokens


def prompt(seed: int, length: int) -> list[int]:
    """Ordinary tokens (no specials), different for each seed from the first one on."""
    draw = random.Random(seed)
    return [draw.randrange(6, 262) for _ in range(length)]
