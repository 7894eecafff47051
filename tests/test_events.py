"""Events survive the wire."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxtui.events import Event, from_json, to_json

EVENTS = st.one_of(*(st.from_type(kind) for kind in get_args(Event)))


@given(EVENTS.filter(lambda event: "nan" not in repr(event)))
def test_an_event_is_the_same_after_json(event: Event) -> None:
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


@pytest.mark.parametrize("data", [{}, {"type": "moon_landing"}, {"type": "logged", "t": 1.0}])
def test_a_foreign_event_is_a_value_error(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"event type|lacks"):
        from_json(data)
