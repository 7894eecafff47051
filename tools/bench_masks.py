"""What masks cost: decode steps of one batch with every row constrained beside the same steps without masks.

The forward passes, the sampling and the number of steps are equal; the grammar never ends, and ends of sequence are
ignored. Both take turns in each round and the ratio is taken per round. Prints a Markdown row.

    uv run --no-sync python tools/bench_masks.py [--model DIR] [--batch 8] [--steps 150] [--rounds 9]
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import mlxtui.engine.worker  # noqa: F401  # first: it puts OpenBLAS under MLX

import mlx.core as mx  # isort: skip
from mlx_lm.models.cache import make_prompt_cache

from mlxtui.engine.worker.batch import merge
from mlxtui.engine.worker.masks import Compiler, Grammar, Masks
from mlxtui.engine.worker.model import Model, load
from mlxtui.engine.worker.sampling import Choice, Sampler
from mlxtui.settings import EMBEDDED_MODEL
from mlxtui.types import Constraint

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "mood": {"enum": ["happy", "sad", "hungry"]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 10}, "maxItems": 4},
        "address": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"zip": {"pattern": "^[0-9]{5}$"}}}]},
    },
    "required": ["name", "age", "mood", "tags", "address"],
}
ENDLESS = Constraint({"type": "array", "items": PERSON, "minItems": 100_000})


class Decoder:
    """Steps of one batch in the order `masks` asks for; without a grammar the usual pipelined ones."""

    def __init__(self, model: Model, batch: int, grammar: Grammar | None) -> None:
        prompt = model.tokenizer.encode("Write a long list of people as JSON.", add_special_tokens=False)
        caches = make_prompt_cache(model.module)
        model.module(mx.array([prompt]), cache=caches)
        self.module, self.cache, self.drawn = model.module, merge([caches] * batch), 0
        self.sampler = Sampler([Choice(1.0, 1.0, 0, 0.0, row) for row in range(batch)])
        self.masks = Masks([grammar.matcher() if grammar else None for _ in range(batch)], model.vocab)
        self.pending = mx.array([prompt[-1]] * batch)
        self.masking = 0.0  # seconds of the owner thread in masks

    def step(self) -> list[int]:
        fed = self.pending
        logits = self.module(fed[:, None], cache=self.cache)[:, -1, :]
        if self.masks:
            mx.async_eval(logits)
            values: list[int] = fed.tolist()
            began = time.perf_counter()
            self.masks.advance(values if self.drawn else [None] * len(values))
            logits = self.masks.apply(logits)
            self.masking += time.perf_counter() - began
        self.pending = self.sampler(logits, [self.drawn] * fed.shape[0])
        mx.async_eval(self.pending)
        self.drawn += 1
        return fed.tolist()  # type: ignore[no-any-return]


def seconds(model: Model, batch: int, steps: int, grammar: Grammar | None) -> tuple[float, float]:
    """Wall seconds of the steps, and of those the owner thread spent in masks."""
    decoder = Decoder(model, batch, grammar)
    for _ in range(5):
        decoder.step()
    decoder.masking, began = 0.0, time.perf_counter()
    for _ in range(steps):
        decoder.step()
    return time.perf_counter() - began, decoder.masking


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=EMBEDDED_MODEL)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    model = load(asked.model, None, lambda detail: None)
    grammar = Compiler(model.tokenizer, model.vocab, model.info.dialect).compile(ENDLESS, may_think=False)
    free, held, masking = [], [], []
    for _ in range(asked.rounds):
        free.append(seconds(model, asked.batch, asked.steps, None)[0])
        took, inside = seconds(model, asked.batch, asked.steps, grammar)
        held.append(took)
        masking.append(inside)
    cost = median(b / a for a, b in zip(free, held, strict=True)) - 1
    tokens = asked.batch * asked.steps
    print("| batch | free, tok/s | all constrained, tok/s | cost, median | in masks, ms a step |")
    print("| --- | --- | --- | --- | --- |")
    print(
        f"| {asked.batch} | {tokens / median(free):.0f} | {tokens / median(held):.0f} | {cost:+.1%} "
        f"| {median(masking) / asked.steps * 1000:.2f} |"
    )


if __name__ == "__main__":
    main()
