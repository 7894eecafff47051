"""Drawing tokens: filters, temperatures and seeds, each row by itself."""

from __future__ import annotations

from collections import Counter

import mlx.core as mx
import pytest

from mlxtui.engine.worker.sampling import Choice, Sampler, choice
from mlxtui.types import Sampling

LOGITS = mx.log(mx.array([0.5, 0.25, 0.125, 0.125]))


def _choice(temperature: float = 1.0, top_p: float = 1.0, top_k: int = 0, min_p: float = 0.0, seed: int = 1) -> Choice:
    return Choice(temperature, top_p, top_k, min_p, seed)


def _draw(chosen: Choice, times: int) -> Counter[int]:
    """The tokens drawn at positions 0, 1, 2, ..."""
    rows = mx.broadcast_to(LOGITS, (times, 4))
    return Counter(Sampler([chosen] * times)(rows, list(range(times))).tolist())


def test_tokens_are_drawn_by_their_probability() -> None:
    drawn = _draw(_choice(), 8000)
    assert [drawn[token] / 8000 for token in range(4)] == pytest.approx([0.5, 0.25, 0.125, 0.125], abs=0.02)


def test_temperature_sharpens() -> None:
    drawn = _draw(_choice(temperature=0.5), 8000)  # squares the odds: 16 : 4 : 1 : 1
    assert [drawn[token] / 8000 for token in range(4)] == pytest.approx([16 / 22, 4 / 22, 1 / 22, 1 / 22], abs=0.02)


@pytest.mark.parametrize(
    ("chosen", "allowed"),
    [
        (_choice(temperature=0.0), {0}),
        (_choice(temperature=1e-30), {0}),
        (_choice(top_k=1), {0}),
        (_choice(top_k=2), {0, 1}),
        (_choice(top_p=0.0), {0}),
        (_choice(top_p=0.6), {0, 1}),
        (_choice(min_p=0.4), {0, 1}),
        (_choice(min_p=1.0), {0}),
        (_choice(temperature=2.0), {0, 1, 2, 3}),
    ],
)
def test_filters_leave_what_they_should(chosen: Choice, allowed: set[int]) -> None:
    assert set(_draw(chosen, 500)) == allowed


def test_rows_of_all_kinds_in_one_call_keep_their_places() -> None:
    choices = [_choice(temperature=0.0), _choice(top_k=1), _choice(temperature=0.0), _choice(min_p=1.0), _choice()]
    best = [3, 1, 0, 2, 1]
    logits = mx.array([[10.0 * (token == row) for token in range(4)] for row in best])
    assert Sampler(choices)(logits, [0] * 5).tolist() == best


def test_a_removed_token_is_never_drawn_at_the_edges() -> None:
    logits = mx.array([[-float("inf"), 1.0, 1.0, -float("inf")]])

    class Edge:
        temperature, filters, spared = 1.0, (1.0, 0, 0.0, None), ()

        def __init__(self, at: float) -> None:
            self._at = at

        def uniform(self, position: int) -> float:
            return self._at

    assert Sampler([Edge(0.0)])(logits, [0]).tolist() == [1]  # type: ignore[list-item]
    assert Sampler([Edge(1 - 2**-24)])(logits, [0]).tolist() == [2]  # type: ignore[list-item]


def test_what_a_request_leaves_open_is_decided_once() -> None:
    one, other = choice(Sampling(), 100), choice(Sampling(), 100)
    assert (one.temperature, one.top_p, one.top_k, one.min_p) == (1.0, 1.0, 0, 0.0)
    assert one.seed != other.seed
    assert choice(Sampling(seed=-5), 100).uniform(3) == choice(Sampling(seed=-5), 100).uniform(3)


@pytest.mark.parametrize("top_k", [0, 100, 101, 10**9])
def test_top_k_beyond_the_vocabulary_is_off(top_k: int) -> None:
    assert choice(Sampling(top_k=top_k), 100).top_k == 0
