"""What belongs to a disturbance: pauses that lie at least partly in its time."""

from __future__ import annotations

import pytest

from mlxtui.bench.strain import widest
from tests.bench.endpoint import Endpoint
from tests.bench.test_run import go

TIMES = [0.0, 1.0, 1.5, 4.5, 5.0, 7.0]


@pytest.mark.parametrize(
    ("begin", "end", "longest"),
    [
        (1.6, 4.0, 3.0),  # inside one pause
        (1.2, 1.4, 0.5),
        (4.6, 5.5, 2.0),  # the pause that was open at the end
        (0.0, 7.0, 3.0),
        (1.2, 1.6, 3.0),  # it began in the pause before
    ],
)
def test_the_widest_pause(begin: float, end: float, longest: float) -> None:
    assert widest(TIMES, begin, end) == longest


def test_a_stream_that_ends_too_early_is_no_figure() -> None:
    """An endpoint that never says more than 20 tokens: what was to be disturbed is over before the long prompt is."""
    with Endpoint(most=20) as endpoint:
        ran = go(endpoint.url, select=("gap",))
    assert ran.code == 1
    assert "gap: not measured: " in ran.remarks
    assert "ended by itself: use a model that goes on for long" in ran.remarks
