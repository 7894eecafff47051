"""Conversations → token rows → length-sorted batches for the trainer (numpy in, torch out)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

import torch
from tokenizers import Tokenizer
from torch import Tensor

from tools.tiny import mix, render
from tools.tiny.source import Source

POOL, BATCHES = 1600, 16
"""Rows of a pool at least, and about so many batches of them."""
SKIPPED = 0.3
"""Share of the rows with several turns that jump in their positions between two of them: trains long
distances at the price of short rows."""
LONGEST_JUMP = 24000


@dataclass(frozen=True, slots=True)
class Row:
    ids: list[int]
    learn: list[bool]
    turns: list[int] = field(default_factory=list)
    """Where a later turn than the first begins that is not the model's own."""


@dataclass(frozen=True, slots=True)
class Batch:
    """ids, positions (B, T); what follows at the flat `places` (N,) is learnt: `targets` (N,)."""

    ids: Tensor
    positions: Tensor
    places: Tensor
    targets: Tensor

    def pin_memory(self) -> Batch:
        """What the DataLoader calls, by this name, so that `moved` need not wait."""
        return Batch(*(getattr(self, f.name).pin_memory() for f in fields(self)))

    def moved(self, device: str) -> Batch:
        return Batch(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))


def row(tokenizer: Tokenizer, source: Source, long: float) -> Row:
    if source.chance(0.01):
        ids = tokenizer.encode(mix.plain_text(source) + "<|endoftext|>").ids
        return Row(ids, [True] * len(ids))
    ids: list[int] = []
    learn: list[bool] = []
    turns: list[int] = []
    for piece in render.pieces(mix.conversation(source, long=long)):
        if ids and piece.text.startswith(("<|im_start|>user", "<|im_start|>system")):
            turns.append(len(ids))
        tokens = tokenizer.encode(piece.text).ids
        ids += tokens
        learn += [piece.learn] * len(tokens)
    return Row(ids, learn, turns)


def batches(
    tokenizer: Tokenizer, seed: int, long: float, budget: int, worker: int = 0, workers: int = 1
) -> Iterator[Batch]:
    """One pool of rows, sorted by length, cut into batches of about `budget` tokens, shuffled.

    Every worker makes the same pool and takes its own of `workers` neighbours in length, so that none
    waits for another's longer batch."""
    source = Source(seed, pieces=list(tokenizer.get_vocab()))
    rng = random.Random(seed)
    rows = [row(tokenizer, source, long) for _ in range(max(POOL, BATCHES * budget // 200))]
    rows.sort(key=lambda r: len(r.ids) * rng.uniform(0.95, 1.05))
    groups: list[list[Row]] = [[]]
    for item in rows:
        widest = max(len(r.ids) for r in [*groups[-1], item])
        if groups[-1] and widest * (len(groups[-1]) + 1) > budget:
            groups.append([])
        groups[-1].append(item)
    rounds = [groups[i : i + workers] for i in range(0, len(groups) - workers + 1, workers)]
    rng.shuffle(rounds)
    for together in rounds:
        yield _batch(together[worker], rng)


def _batch(rows: list[Row], rng: random.Random) -> Batch:
    width = max(len(r.ids) for r in rows)
    width += -width % 16
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    targets = torch.full((len(rows), width), -1, dtype=torch.long)
    positions = torch.arange(width).repeat(len(rows), 1)
    for index, item in enumerate(rows):
        tokens = torch.tensor(item.ids)
        ids[index, : len(tokens)] = tokens
        learn = torch.tensor(item.learn)[1:]
        targets[index, : len(tokens) - 1] = torch.where(learn, tokens[1:], -1)
        if item.turns and rng.random() < SKIPPED:
            positions[index, rng.choice(item.turns) :] += int(LONGEST_JUMP ** rng.random())
    places = (targets.flatten() >= 0).nonzero().flatten()
    return Batch(ids, positions, places, targets.flatten()[places])
