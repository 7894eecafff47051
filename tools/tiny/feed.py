"""Where the trainer's batches come from: made in the worker itself on a CPU, by all other cores for a GPU."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from tools.tiny.rows import BATCHES, Batch, batches


@dataclass(frozen=True, slots=True)
class Recipe:
    """`long`: share of rows behind a long system prompt: with one in a hundred they cost as much time as all the
    others on a CPU. `budget`: tokens of a batch."""

    seed: int
    long: float
    budget: int

    def pool(self, tokenizer: Tokenizer, number: int, worker: int = 0, workers: int = 1) -> Iterator[Batch]:
        yield from batches(tokenizer, self.seed * 1_000_000 + number, self.long, self.budget, worker, workers)


def made(tokenizer: Tokenizer, recipe: Recipe, worker: int, workers: int) -> Iterator[Batch]:
    """Without end; `worker` of `workers` that share every step."""
    for number in itertools.count():
        yield from recipe.pool(tokenizer, number, worker, workers)


class Corpus(IterableDataset[Batch]):
    """Pools without end; each process of a DataLoader makes its own."""

    def __init__(self, tokenizer: Path, recipe: Recipe) -> None:
        self._tokenizer, self._recipe = tokenizer, recipe

    def __iter__(self) -> Iterator[Batch]:
        tokenizer = Tokenizer.from_file(str(self._tokenizer))
        me = get_worker_info()
        first, step = (me.id, me.num_workers) if me else (0, 1)
        for number in itertools.count(first, step):
            yield from self._recipe.pool(tokenizer, number)


def prefetched(tokenizer: Path, recipe: Recipe) -> Iterator[Batch]:
    """On the GPU. Every process may be a pool ahead of its turn: with less they all rest while one makes its next."""
    makers = max(1, (os.cpu_count() or 2) - 2)
    corpus = Corpus(tokenizer, recipe)
    loader = DataLoader(corpus, batch_size=None, num_workers=makers, prefetch_factor=2 * BATCHES, pin_memory=True)
    for batch in loader:
        yield batch.moved("cuda")
