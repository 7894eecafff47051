"""What a scenario is: values that name it, run it and say how its figures are shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from mlxtui.bench.figures import Summary, Words
from mlxtui.bench.options import Options
from mlxtui.bench.prompts import Messages
from mlxtui.bench.wire import Target

Figures = dict[str, list[float]]
"""Samples by the name of their figure; those of several rounds are pooled."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a scenario needs besides its size: whom to ask, how much, and a nonce nobody has used.

    `characters` is the length of a prompt of `options.prompt_tokens` on this endpoint; `idle` is how many requests its
    /health counts as running while we ask nothing, None where it does not count.
    """

    target: Target
    options: Options
    nonce: str
    characters: float
    idle: int | None


@dataclass(frozen=True, slots=True)
class Measured:
    figures: Figures
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FloorWork:
    """What the bare batch loop has to do for the same figure: all prompts, `batch` of them at a time."""

    prompts: list[Messages]
    max_tokens: int
    batch: int


@dataclass(frozen=True, slots=True)
class Column:
    """`figure`, its samples put into one number, in words."""

    title: str
    figure: str
    summary: Summary
    words: Words


@dataclass(frozen=True, slots=True)
class Scenario:
    """`sizes` are the values of what `size_is` names; `lead` is the figure that is put in ratio to others'.

    With `floor`, the bare loop can do the same, and its tokens a second are what the lead figure counts.
    """

    name: str
    title: str
    size_is: str
    sizes: Callable[[Options], tuple[int, ...]]
    run: Callable[[Aim, int], Awaitable[Measured]]
    columns: tuple[Column, ...]
    lead: str
    floor: Callable[[Options, str, int], FloorWork] | None = None


def spread(title: str, figure: str, summaries: Mapping[str, Summary], words: Words) -> tuple[Column, ...]:
    """One column for each percentile of a figure."""
    return tuple(Column(f"{title} {name}", figure, summary, words) for name, summary in summaries.items())
