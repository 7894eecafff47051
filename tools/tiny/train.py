"""Trains the model on the endless corpus for a fixed wall-clock time, so that it always ends decayed.

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
from torch import distributed, multiprocessing

from tools.tiny import SHIPPED
from tools.tiny.model import Model, Shape, initialise
from tools.tiny.optim import Optimiser
from tools.tiny.rows import Batch, batches

WARMUP = 0.02
"""Share of the whole time in which the rate rises."""
LONG = 0.02
"""Share of rows behind a long system prompt in every other pool: they cost as much time as all the others."""

WORKERS = 2
"""Processes of one thread each that share every step: on a busy machine two threads of one process
wait for each other in every kernel and lose most of the time."""


@dataclass(frozen=True, slots=True)
class Plan:
    out: Path
    seconds: float
    peak: float
    decay: float
    seed: int
    resume: Path | None
    budget: int = 4096
    """Tokens of a batch of one worker."""
    log_every: float = 20.0
    save_every: float = 300.0


def rate(plan: Plan, done: float) -> float:
    """Trapezoid over the share of time that has passed."""
    return plan.peak * max(0.0, min(1.0, done / WARMUP, (1 - done) / plan.decay))


def stream(tokenizer: Tokenizer, plan: Plan, worker: int) -> Iterator[Batch]:
    """Batches without end. The share of long rows depends on the pool's number, not on the clock, which the
    workers do not read at the same moment."""
    for pool in itertools.count():
        long = LONG * (pool % 2)
        yield from batches(tokenizer, plan.seed * 1_000_000 + pool, long, plan.budget, worker, WORKERS)


def shared(optimiser: Optimiser, *figures: float) -> list[float]:
    """Averages the gradients, and some figures with them, over the workers."""
    grads = [p.grad for p in optimiser.live.values() if p.grad is not None]
    flat = torch.cat([*(g.flatten().float() for g in grads), torch.tensor(figures)])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    parts = flat.split([*(g.numel() for g in grads), len(figures)])
    for grad, part in zip(grads, parts, strict=False):
        grad.copy_(part.view_as(grad))
    return [float(f) for f in parts[-1]]


def save(plan: Plan, optimiser: Optimiser, shape: Shape, name: str) -> None:
    target = plan.out / f"{name}.pt"
    torch.save({"model": optimiser.weights(), "shape": asdict(shape)}, target.with_suffix(".tmp"))
    target.with_suffix(".tmp").rename(target)


def train(plan: Plan, worker: int, model: Model, tokenizer: Tokenizer) -> None:
    optimiser = Optimiser(model)
    model.to(torch.bfloat16)
    loss_of = torch.compile(model.loss, dynamic=True)
    begin = time.time()
    journal = Journal(plan, begin) if worker == 0 else None
    for batch in stream(tokenizer, plan, worker):
        loss = loss_of(batch.ids, batch.positions, batch.places, batch.targets)
        loss.backward()
        done, mean, size = shared(optimiser, (time.time() - begin) / plan.seconds, loss.item(), batch.ids.numel())
        optimiser.step(rate(plan, done))
        if journal and journal.note(done, mean, size * WORKERS):
            save(plan, optimiser, model.shape, "last")
        if done >= 1:
            break
    if worker == 0:
        save(plan, optimiser, model.shape, "final")


class Journal:
    """The training log; `note` says whether it is time for a checkpoint."""

    def __init__(self, plan: Plan, begin: float) -> None:
        self.file = (plan.out / "log.csv").open("a", buffering=1)
        self.plan, self.begin = plan, begin
        self.logged = self.saved = begin
        self.tokens = 0.0
        self.losses: list[float] = []

    def note(self, done: float, loss: float, tokens: float) -> bool:
        now = time.time()
        self.tokens += tokens
        self.losses.append(loss)
        if now - self.logged > self.plan.log_every:
            mean = sum(self.losses) / len(self.losses)
            self.file.write(f"{now - self.begin:.0f},{self.tokens:.0f},{mean:.4f},{rate(self.plan, done):.3f}\n")
            self.logged, self.losses = now, []
        if now - self.saved < self.plan.save_every:
            return False
        self.saved = now
        return True


def work(worker: int, plan: Plan) -> None:
    torch.set_num_threads(1)
    rendezvous = (plan.out / "rendezvous").resolve().as_uri()
    distributed.init_process_group("gloo", init_method=rendezvous, rank=worker, world_size=WORKERS)
    model = Model(Shape())
    initialise(model)
    if plan.resume:
        model.load_state_dict(torch.load(plan.resume, weights_only=True)["model"])
    train(plan, worker, model, Tokenizer.from_file(str(SHIPPED / "tokenizer.json")))
    distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--peak", type=float, default=1.0, help="share of the full learning rates")
    parser.add_argument("--decay", type=float, default=0.45, help="share of the time in which the rates fall")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", type=Path, help="weights to start from")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "rendezvous").unlink(missing_ok=True)
    plan = Plan(options.out, options.minutes * 60, options.peak, options.decay, options.seed, options.resume)
    multiprocessing.spawn(work, args=(plan,), nprocs=WORKERS)


if __name__ == "__main__":
    main()
