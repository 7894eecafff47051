"""Held-out evaluation of the shipped model, greedy, through mlx-lm in float32. Prints Markdown tables.

Run: python -m tools.tiny.evaluate [MODEL_DIR] [--count 50] [--long 5] [--failures] (`just eval-tiny`).
Knows nothing of training; always exits 0: the figures are to be read, not to be passed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.tiny import SHIPPED, render
from tools.tiny.cases import LONG_NAMES, LONG_TARGET, SUITES, Suite, Wants, cases, lengthened
from tools.tiny.probes import PROBES
from tools.tiny.scoring import Score, score
from tools.tiny.talk import Conversation, Message

LIMIT = 450
Answer = tuple[str, bool]
"""The text and whether the model stopped by itself."""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    count: int
    right: int
    target: int


class Subject:
    """The model under test: conversations in, answers out."""

    def __init__(self, folder: Path) -> None:
        with contextlib.suppress(OSError):  # only makes it faster on Linux
            ctypes.CDLL("libopenblas.so.0", mode=ctypes.RTLD_GLOBAL)
        import mlx.core as mx
        import mlx_lm

        self.model, self.tokenizer = mlx_lm.load(str(folder))[:2]
        self.model.set_dtype(mx.float32)
        self.batch: Callable[..., Any] = mlx_lm.batch_generate

    def length(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def prompt(self, talk: Conversation) -> list[int]:
        asked = Conversation((*talk.messages[:-1], Message("assistant")), talk.tools, talk.mode)
        wire = render.to_wire(asked)
        messages = wire.pop("messages")[:-1]
        ids: list[int] = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, **wire)
        return ids

    def answer(self, talks: Sequence[Conversation]) -> list[Answer]:
        prompts = [self.prompt(talk) for talk in talks]
        done = self.batch(self.model, self.tokenizer, prompts, max_tokens=LIMIT, return_token_ids=True)
        return [(text, len(ids) < LIMIT) for text, ids in zip(done.texts, done.token_ids, strict=True)]


class Tally:
    """Collects rows and what holds over all of them: stopping, well-formed thinking."""

    def __init__(self, show_failures: bool) -> None:
        self.show = show_failures
        self.asked = self.stopped = self.formed = 0

    def row(
        self, name: str, target: int, talks: list[Conversation], answers: list[Answer], wants: Wants = "answer"
    ) -> Row:
        right = 0
        for talk, (text, stopped) in zip(talks, answers, strict=True):
            got = score(talk, text)
            asked = {"answer": got.right, "thought": got.thought, "both": got.right and got.thought}
            good = stopped and got.formed and asked[wants]
            self._note(got, stopped)
            right += good
            if self.show and not good:
                print(f"- {name}: {talk.messages[-2].content[-160:]!r} -> {text[-300:]!r}, wanted {_wanted(talk)!r}")
        return Row(name, len(talks), right, target)

    def _note(self, got: Score, stopped: bool) -> None:
        self.asked += 1
        self.stopped += stopped
        self.formed += got.formed

    def overall(self) -> list[Row]:
        return [
            Row("stops by itself (all cases)", self.asked, self.stopped, 99),
            Row("thinking well-formed or absent (all cases)", self.asked, self.formed, 98),
        ]


def _wanted(talk: Conversation) -> str:
    target = talk.messages[-1]
    return render.compact([[c.name, c.arguments] for c in target.calls]) if target.calls else talk.key or target.content


def table(rows: Sequence[Row]) -> str:
    lines = ["| family | n | score | target |", "|---|---|---|---|"]
    for r in rows:
        percent = 100 * r.right / max(1, r.count)
        target = f"{r.target} %" + ("" if percent >= r.target else " (missed)") if r.target else "-"
        lines.append(f"| {r.name} | {r.count} | {percent:.0f} % | {target} |")
    return "\n".join(lines)


def suites(subject: Subject, tally: Tally, count: int) -> list[Row]:
    def row(suite: Suite) -> Row:
        talks = cases(suite, count)
        return tally.row(suite.name, suite.target, talks, subject.answer(talks), suite.wants)

    return [row(suite) for suite in SUITES]


def long_suites(subject: Subject, tally: Tally, count: int, tokens: int) -> list[Row]:
    def row(suite: Suite) -> Row:
        talks = lengthened(cases(suite, count, seed=tokens), tokens, subject.length)
        return tally.row(suite.name, LONG_TARGET, talks, subject.answer(talks))

    return [row(suite) for suite in SUITES if suite.name in LONG_NAMES]


def probes(subject: Subject, tally: Tally) -> list[Row]:
    return [tally.row(name, 0, list(talks), subject.answer(talks)) for name, talks in PROBES.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=SHIPPED)
    parser.add_argument("--count", type=int, default=50, help="cases of each family")
    parser.add_argument("--long", type=int, default=5, help="cases of each family behind a long prompt")
    parser.add_argument("--failures", action="store_true", help="print every wrong answer")
    options = parser.parse_args()
    subject, tally = Subject(options.model), Tally(options.failures)
    print("## Held-out words, names, cities and tools\n")
    print(table(suites(subject, tally, options.count)), flush=True)
    print("\n## Requests written by hand\n")
    print(table(probes(subject, tally)), flush=True)
    for tokens in (1500, 3000) if options.long else ():
        print(f"\n## Behind a system prompt of about {tokens} tokens\n")
        print(table(long_suites(subject, tally, options.long, tokens)), flush=True)
    print(f"\n## Overall\n\n{table(tally.overall())}")


if __name__ == "__main__":
    main()
