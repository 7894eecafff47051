"""Trains the model on the endless corpus until a fixed wall-clock time, so that it always ends decayed.

Run: python -m tools.tiny.train OUT_DIR --minutes 90 [--resume CHECKPOINT] (development-only: torch).
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from tools.tiny import SHIPPED
from tools.tiny.model import Model, Shape, initialise
from tools.tiny.optim import Optimiser
from tools.tiny.rows import Batch, batches

WARMUP, DECAY = 0.02, 0.45
"""Shares of the whole time in which the rate rises and falls."""
LONG_EARLY, LONG_LATE = 0.01, 0.04
"""Share of rows behind a long system prompt in the first and in the second half."""


@dataclass(frozen=True, slots=True)
class Plan:
    out: Path
    seconds: float
    peak: float
    seed: int
    budget: int = 4096
    log_every: float = 20.0
    save_every: float = 300.0


def rate(done: float) -> float:
    """Trapezoid over the share of time that has passed."""
    return max(0.0, min(1.0, done / WARMUP, (1 - done) / DECAY))


def stream(tokenizer: Tokenizer, plan: Plan, done: list[float]) -> Iterator[Batch]:
    """Batches without end; `done` holds the share of time passed, which the trainer keeps current."""
    for pool in itertools.count(plan.seed * 1_000_000):
        long = LONG_EARLY if done[0] < 0.5 else LONG_LATE
        yield from batches(tokenizer, pool, long, plan.budget)


def save(plan: Plan, optimiser: Optimiser, shape: Shape, name: str) -> None:
    target = plan.out / f"{name}.pt"
    torch.save({"model": optimiser.weights(), "shape": asdict(shape)}, target.with_suffix(".tmp"))
    target.with_suffix(".tmp").rename(target)


def train(plan: Plan, model: Model, tokenizer: Tokenizer) -> None:
    optimiser = Optimiser(model.to(torch.float32))
    model.to(torch.bfloat16)
    loss_of = torch.compile(model.loss, dynamic=True)
    log = (plan.out / "log.csv").open("a", buffering=1)
    begin, done = time.time(), [0.0]
    logged, saved, tokens, losses = begin, begin, 0, []
    for batch in stream(tokenizer, plan, done):
        done[0] = (time.time() - begin) / plan.seconds
        if done[0] >= 1:
            break
        loss = loss_of(batch.ids, batch.positions, batch.targets)
        loss.backward()
        optimiser.step(plan.peak * rate(done[0]))
        tokens += batch.ids.numel()
        losses.append(loss.item())
        now = time.time()
        if now - logged > plan.log_every:
            log.write(f"{now - begin:.0f},{tokens},{sum(losses) / len(losses):.4f},{rate(done[0]):.3f}\n")
            logged, losses = now, []
        if now - saved > plan.save_every:
            save(plan, optimiser, model.shape, "last")
            saved = now
    save(plan, optimiser, model.shape, "final")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--peak", type=float, default=1.0, help="share of the full learning rates")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", type=Path, help="weights to start from")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    model = Model(Shape())
    initialise(model)
    if options.resume:
        model.load_state_dict(torch.load(options.resume, weights_only=True)["model"])
    plan = Plan(options.out, options.minutes * 60, options.peak, options.seed)
    train(plan, model, Tokenizer.from_file(str(SHIPPED / "tokenizer.json")))


if __name__ == "__main__":
    main()
