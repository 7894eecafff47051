"""Samples become figures, figures become words. Pure; None is a figure that nobody knows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

UNKNOWN = "-"
Summary = Callable[[Sequence[float]], float]
Words = Callable[[float], str]


def percentile(samples: Sequence[float], q: float) -> float:
    """Between the two nearest ranks, in proportion (as numpy's default); `q` from 0 to 1."""
    ordered = sorted(samples)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def p50(samples: Sequence[float]) -> float:
    return percentile(samples, 0.50)


def p95(samples: Sequence[float]) -> float:
    return percentile(samples, 0.95)


def p99(samples: Sequence[float]) -> float:
    return percentile(samples, 0.99)


def mean(samples: Sequence[float]) -> float:
    return sum(samples) / len(samples)


def paired_ratio(ours: dict[int, float], theirs: dict[int, float]) -> float | None:
    """Median over the rounds that both have: a busy machine slows a whole round, not one contestant."""
    ratios = [ours[number] / theirs[number] for number in ours if theirs.get(number)]
    return p50(ratios) if ratios else None


def seconds(value: float) -> str:
    """0.42 ms, 12 ms, 1.24 s, 75 s."""
    if value < 0.01:
        return f"{value * 1000:.2f} ms"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def rate(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ratio(value: float) -> str:
    return f"{value:.2f}"


def times(value: float) -> str:
    return f"{value:.1f} x" if value < 10 else f"{value:.0f} x"


def share(value: float) -> str:
    return f"{value:.0%}"


def whole(value: float) -> str:
    return f"{value:.0f}"
