"""What masks cost: decode steps of one batch with every row constrained beside the same steps without masks.

The forward passes, the sampling and the number of steps are equal; the grammar never ends, and ends of sequence are
ignored. Both take turns in short blocks; on a busy machine the quiet blocks tell what the masks cost, since other work
only adds. Prints a Markdown table.

    uv run --no-sync python tools/bench_masks.py [--model DIR] [--batch 8] [--blocks 120]
"""

from __future__ import annotations

import argparse
import time

import mlxtui.engine.worker  # noqa: F401  # first: it puts OpenBLAS under MLX

import mlx.core as mx  # isort: skip
import numpy as np
from mlx_lm.models.cache import make_prompt_cache

from mlxtui.engine.worker.masks import Compiler, Grammar, Masks
from mlxtui.engine.worker.model import Model, load
from mlxtui.engine.worker.rows import merge
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
BLOCK = 8  # steps
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
        self.masking = 0.0  # CPU seconds of the owner thread in masks

    def step(self) -> list[int]:
        fed = self.pending
        logits = self.module(fed[:, None], cache=self.cache)[:, -1, :]
        if self.masks:
            mx.async_eval(logits)
            values: list[int] = fed.tolist()
            began = time.thread_time()
            self.masks.advance(values if self.drawn else [None] * len(values))
            logits = self.masks.apply(logits)
            self.masking += time.thread_time() - began
        self.pending = self.sampler(logits, [self.drawn] * fed.shape[0])
        mx.async_eval(self.pending)
        self.drawn += 1
        return fed.tolist()  # type: ignore[no-any-return]


def milliseconds(decoder: Decoder) -> float:
    """Wall time of a step, over a short block that ends when the device is idle."""
    began = time.perf_counter()
    for _ in range(BLOCK):
        decoder.step()
    mx.eval(decoder.pending)
    return (time.perf_counter() - began) / BLOCK * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=EMBEDDED_MODEL)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=120)
    asked = parser.parse_args()
    model = load(asked.model, None, lambda detail: None)
    grammar = Compiler(model.tokenizer, model.vocab, model.info.dialect).compile(ENDLESS, may_think=False)
    free, held = Decoder(model, asked.batch, None), Decoder(model, asked.batch, grammar)
    milliseconds(free)
    milliseconds(held)
    held.masking = 0.0
    pairs = [
        (milliseconds(free), milliseconds(held)) if turn % 2 else (milliseconds(held), milliseconds(free))[::-1]
        for turn in range(asked.blocks)
    ]
    print("| batch | | free, ms a step | all constrained, ms a step | cost |\n| --- | --- | --- | --- | --- |")
    for name, percent in (("quiet (5th percentile)", 5), ("median", 50)):
        a, b = (float(np.percentile(column, percent)) for column in zip(*pairs, strict=True))
        print(f"| {asked.batch} | {name} | {a:.2f} | {b:.2f} | {b / a - 1:+.1%} |")
    own = held.masking / (asked.blocks * BLOCK) * 1000
    print(f"\nCPU time of the owner thread in masks: {own:.2f} ms a step.")


if __name__ == "__main__":
    main()
