"""Trains the model on the endless corpus for a fixed wall-clock time, so that it always ends decayed.

Run: python -m tools.tiny.train OUT_DIR --minutes 90 [--resume CHECKPOINT] (development-only: torch).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, distributed, multiprocessing

from tools.tiny import SHIPPED
from tools.tiny.feed import Recipe, made, prefetched
from tools.tiny.model import Model, Shape, initialise
from tools.tiny.optim import Optimiser
from tools.tiny.rows import Batch

WARMUP = 0.02
"""Share of the whole time in which the rate rises."""
FEW = 500
"""Learnt tokens of a batch that counts half."""
WORKERS = 2
"""Processes of one thread each that share every step on a CPU: on a busy machine two threads of one process
wait for each other in every kernel and lose most of the time."""


@dataclass(frozen=True, slots=True)
class Plan:
    out: Path
    seconds: float
    peak: float
    decay: float
    recipe: Recipe
    resume: Path | None
    log_every: float = 20.0
    save_every: float = 300.0


def rate(plan: Plan, done: float) -> float:
    """Trapezoid over the share of time that has passed."""
    return plan.peak * max(0.0, min(1.0, done / WARMUP, (1 - done) / plan.decay))


def shared(optimiser: Optimiser, done: float, loss: Tensor, size: int) -> tuple[float, Tensor, float]:
    """Averages the gradients, and these figures with them, over the workers, if there are several."""
    if not distributed.is_initialized():
        return done, loss, size
    grads = [p.grad for p in optimiser.live.values() if p.grad is not None]
    flat = torch.cat([*(g.flatten().float() for g in grads), torch.tensor([done, loss.item(), size])])
    distributed.all_reduce(flat)
    flat /= WORKERS
    *parts, figures = flat.split([*(g.numel() for g in grads), 3])
    for grad, part in zip(grads, parts, strict=True):
        grad.copy_(part.view_as(grad))
    return float(figures[0]), figures[1], float(figures[2]) * WORKERS


def _weight(batch: Batch) -> float:
    """Long rows have few tokens to learn: a step of theirs is noisier, and counts less."""
    learnt = batch.targets.numel()
    return learnt / (learnt + FEW)


def save(plan: Plan, optimiser: Optimiser, shape: Shape, name: str) -> None:
    target = plan.out / f"{name}.pt"
    torch.save({"model": optimiser.weights(), "shape": asdict(shape)}, target.with_suffix(".tmp"))
    target.with_suffix(".tmp").rename(target)


def train(plan: Plan, model: Model, feed: Iterable[Batch], journal: Journal | None) -> None:
    """`journal`: of the one worker that keeps it, and the weights."""
    optimiser = Optimiser(model)
    model.to(torch.bfloat16)
    loss_of = torch.compile(model.loss, dynamic=True)
    begin = time.time()
    for batch in feed:
        loss = loss_of(batch.ids, batch.positions, batch.places, batch.targets)
        (loss * _weight(batch)).backward()
        done, mean, size = shared(optimiser, (time.time() - begin) / plan.seconds, loss.detach(), batch.ids.numel())
        optimiser.step(rate(plan, done))
        if journal and journal.note(done, mean, size):
            save(plan, optimiser, model.shape, "last")
        if done >= 1:
            break
    if journal:
        save(plan, optimiser, model.shape, "final")


class Journal:
    """The training log; `note` says whether it is time for a checkpoint."""

    def __init__(self, plan: Plan) -> None:
        self.file = (plan.out / "log.csv").open("a", buffering=1)
        self.plan, self.begin = plan, time.time()
        self.logged = self.saved = self.begin
        self.tokens = 0.0
        self.losses: list[Tensor] = []

    def note(self, done: float, loss: Tensor, tokens: float) -> bool:
        now = time.time()
        self.tokens += tokens
        self.losses.append(loss)  # on a GPU not known yet: reading each would make the next step wait
        if now - self.logged > self.plan.log_every:
            mean = torch.stack(self.losses).mean().item()
            self.file.write(f"{now - self.begin:.0f},{self.tokens:.0f},{mean:.4f},{rate(self.plan, done):.3f}\n")
            self.logged, self.losses = now, []
        if now - self.saved < self.plan.save_every:
            return False
        self.saved = now
        return True


def begun(plan: Plan) -> Model:
    model = Model(Shape())
    initialise(model)
    if plan.resume:
        model.load_state_dict(torch.load(plan.resume, map_location="cpu", weights_only=True)["model"])
    return model


def work(worker: int, plan: Plan) -> None:
    """One of the `WORKERS` on a CPU."""
    torch.set_num_threads(1)
    rendezvous = (plan.out / "rendezvous").resolve().as_uri()
    distributed.init_process_group("gloo", init_method=rendezvous, rank=worker, world_size=WORKERS)
    tokenizer = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))
    feed = made(tokenizer, plan.recipe, worker, WORKERS)
    train(plan, begun(plan), feed, Journal(plan) if worker == 0 else None)
    distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--peak", type=float, default=1.0, help="share of the full learning rates")
    parser.add_argument("--decay", type=float, default=0.45, help="share of the time in which the rates fall")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--long", type=float, default=0.01, help="share of rows behind a long system prompt")
    parser.add_argument("--budget", type=int, help="tokens of a batch: 4,096 on a CPU, 65,536 on a GPU")
    parser.add_argument("--resume", type=Path, help="weights to start from")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    cuda = torch.cuda.is_available()
    recipe = Recipe(options.seed, options.long, options.budget or (65536 if cuda else 4096))
    plan = Plan(options.out, options.minutes * 60, options.peak, options.decay, recipe, options.resume)
    if cuda:
        train(plan, begun(plan).cuda(), prefetched(SHIPPED / "tokenizer.json", recipe), Journal(plan))
    else:
        (options.out / "rendezvous").unlink(missing_ok=True)
        multiprocessing.spawn(work, args=(plan,), nprocs=WORKERS)


if __name__ == "__main__":
    main()
