"""Percentiles, ratios and the words for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui.bench import figures
from mlxtui.bench.figures import p50, paired_ratio, percentile
from mlxtui.bench.plot import bar, bars

SAMPLES = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)


@pytest.mark.parametrize(
    ("samples", "q", "expected"),
    [([7], 0.99, 7), ([1, 2], 0.5, 1.5), ([3, 1, 2], 0.5, 2), ([0, 10], 0.95, 9.5), (list(range(101)), 0.99, 99)],
)
def test_percentiles_lie_between_ranks(samples: list[float], q: float, expected: float) -> None:
    assert percentile(samples, q) == pytest.approx(expected)


@given(SAMPLES, st.floats(0, 1), st.floats(0, 1))
def test_percentiles_rise_and_stay_inside(samples: list[float], low: float, high: float) -> None:
    low, high = sorted((low, high))
    slack = 1e-6 * max(samples)
    assert min(samples) <= percentile(samples, low) + slack
    assert percentile(samples, low) <= percentile(samples, high) + slack
    assert percentile(samples, high) <= max(samples) + slack


def test_a_ratio_is_taken_round_by_round() -> None:
    """A round in which everybody was ten times slower changes nothing."""
    ours, floor = {1: 90.0, 2: 9.0, 3: 95.0}, {1: 100.0, 2: 10.0, 3: 100.0}
    assert paired_ratio(ours, floor) == pytest.approx(0.9)


def test_rounds_that_only_one_has_do_not_count() -> None:
    assert paired_ratio({1: 1.0, 2: 50.0}, {1: 2.0, 3: 1.0}) == 0.5
    assert paired_ratio({1: 1.0}, {2: 1.0}) is None
    assert paired_ratio({1: 1.0}, {1: 0.0}) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.00042, "0.42 ms"), (0.0123, "12 ms"), (0.9996, "1.00 s"), (1.239, "1.24 s"), (75.2, "75 s")],
)
def test_seconds_in_words(value: float, said: str) -> None:
    assert figures.seconds(value) == said


def test_other_figures_in_words() -> None:
    assert (figures.rate(41.84), figures.rate(1234.5)) == ("41.8", "1234")
    assert (figures.times(9.94), figures.times(52.4), figures.share(0.667)) == ("9.9 x", "52 x", "67%")


def test_bars_are_in_proportion() -> None:
    lines = bars([("1", [("a", 100.0), ("floor", 50.0)]), ("32", [("a", 0.1)])], width=60)
    filled = [line.count("█") for line in lines]
    assert filled[0] - 1 <= 2 * filled[1] <= filled[0]
    assert lines[2].startswith("32  a")
    assert "▏" in lines[2], "never quite nothing"
    assert max(map(len, lines)) <= 60
    assert bars([], 60) == []


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_longer_bar_is_not_shorter(low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert len(bar(low)) <= len(bar(high))


def test_the_median_of_what_came_in_any_order() -> None:
    assert p50([5.0, 1.0, 3.0]) == 3.0
