"""The reducer: events in, rows and figures out, and a snapshot at any point changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxtui.events import (
    Decoded,
    Downloading,
    EngineDown,
    EngineStep,
    Event,
    Logged,
    ModelLoading,
    ModelReady,
    ModelUnloaded,
    PrefillProgress,
    RequestFinished,
    RequestQueued,
    RequestReceived,
    ServerStarted,
    ServerStopping,
)
from mlxtui.fold import fold
from mlxtui.state import FINISHED_KEPT, LOG_KEPT, SECONDS_KEPT, State


def folded(*events: Event) -> State:
    state = State()
    for event in events:
        fold(state, event)
    return state


def received(t: float, request: str = "a") -> RequestReceived:
    return RequestReceived(t, request, "chat", "curl", "m", True)


def step(t: float, *parts: PrefillProgress | Decoded) -> EngineStep:
    prefills = tuple(part for part in parts if isinstance(part, PrefillProgress))
    decoded = tuple(part for part in parts if isinstance(part, Decoded))
    return EngineStep(t, prefills, decoded, active_bytes=4, peak_bytes=5, cache_bytes=6, cache_entries=7)


def finished(t: float, request: str = "a", **changed: Any) -> RequestFinished:
    fields: dict[str, Any] = {
        "status": 200,
        "outcome": "stop",
        "error": None,
        "prompt_tokens": 100,
        "cached_tokens": 40,
        "completion_tokens": 11,
        "reasoning_tokens": 3,
        "ttft": 0.5,
        "total": 1.5,
    }
    return RequestFinished(t, request, **(fields | changed))


_ids = st.sampled_from(["a", "b", "c"])
_counts = st.integers(0, 50)


def _events(t: float) -> st.SearchStrategy[Event]:
    parts = st.lists(
        st.builds(PrefillProgress, _ids, _counts, _counts, _counts) | st.builds(Decoded, _ids, _counts), max_size=4
    )
    finish = st.builds(finished, st.just(t), _ids, outcome=st.sampled_from(["stop", "error", "cancelled"]))
    return st.one_of(
        st.builds(received, st.just(t), _ids),
        st.builds(RequestQueued, st.just(t), _ids, _counts),
        parts.map(lambda chosen: step(t, *chosen)),
        finish,
        st.builds(Logged, st.just(t), st.just("info"), st.text(), st.none() | _ids),
        st.just(ServerStarted(t, "1", "http://x", 1, 32)),
        st.just(ServerStopping(t, 10.0)),
        st.just(ModelLoading(t, "m", "")),
        st.just(ModelReady(t, "m", 4096, 1, 2, "cpu", 0.5)),
        st.builds(EngineDown, st.just(t), st.text(), st.none() | st.just(2.0)),
    )


_sessions = st.lists(st.floats(0, 100), max_size=30).flatmap(lambda ts: st.tuples(*(_events(t) for t in sorted(ts))))


@settings(max_examples=60, deadline=None)
@given(_sessions, st.data())
def test_a_snapshot_anywhere_changes_nothing(events: tuple[Event, ...], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    resumed = State.from_json(json.loads(json.dumps(folded(*events[:cut]).to_json())))
    for event in events[cut:]:
        fold(resumed, event)
    assert resumed == folded(*events)


@settings(max_examples=60, deadline=None)
@given(_sessions)
def test_every_figure_can_be_asked_for_at_any_time(events: tuple[Event, ...]) -> None:
    state = folded(*events)
    for now in (0.0, 50.0, 1e9):
        state.rates(now)
        assert len(state.history(now)) == SECONDS_KEPT
        for row in [*state.requests.values(), *state.finished]:
            row.rate(now), row.prefill_eta(now), row.cached_share(), row.stalled(now)
            assert all(seconds >= 0 for seconds in row.phases(now))
    state.ttft(0.5, 0.95), state.hit_rate(), state.queue()


def test_a_request_walks_through_its_states() -> None:
    state = folded(received(10.0))
    row = state.requests["a"]
    assert (row.state, row.prompt_tokens) == ("queued", None)
    fold(state, RequestQueued(10.1, "a", 100))
    assert (row.state, row.prompt_tokens) == ("queued", 100)
    fold(state, step(10.5, PrefillProgress("a", 40, 100, 40)))
    fold(state, step(11.0, PrefillProgress("a", 70, 100, 40)))
    assert (row.state, row.cached_share()) == ("prefill", 0.4)
    assert (row.prefill_rate(), row.prefill_eta(11.0), row.prefill_eta(11.25)) == (60.0, 0.5, 0.25)
    fold(state, step(12.0, Decoded("a", 1)))
    assert (row.state, row.ttft) == ("decode", 2.0)
    fold(state, finished(13.0))
    assert state.requests == {}
    assert state.row("a") is row
    assert (row.state, row.outcome, row.ttft, row.rate(99.0)) == ("done", "stop", 0.5, 10.0)
    assert row.phases(99.0) == (0.5, 1.5, 1.0)


def test_tokens_per_second_is_of_the_last_two_seconds() -> None:
    events = [received(0.0)] + [step(i / 20, Decoded("a", 1)) for i in range(1, 201)]
    row = folded(*events).requests["a"]
    assert row.rate(10.0) == pytest.approx(20, rel=0.1)
    assert row.rate(11.0) == pytest.approx(10, rel=0.15)
    assert row.rate(20.0) == 0
    assert not row.stalled(11.0)
    assert row.stalled(12.5)


def test_throughput_is_kept_per_second_and_only_for_five_minutes() -> None:
    state = folded(
        received(0.0), step(1.0, PrefillProgress("a", 30, 100, 30)), step(1.9, PrefillProgress("a", 90, 100, 30))
    )
    fold(state, step(2.5, Decoded("a", 4)))
    assert [(s.at, s.decode, s.prefill) for s in state.history(3.5, 3)] == [(0, 0, 0), (1, 0, 60), (2, 4, 0)]
    assert state.rates(3.5) == (2.0, 30.0)
    fold(state, step(500.0, Decoded("a", 1)))
    history = state.history(501.0)
    assert (len(history), history[-1].decode, sum(s.decode + s.prefill for s in history)) == (SECONDS_KEPT, 1, 1)


def test_each_second_knows_what_came_from_the_cache_and_what_was_in_memory() -> None:
    state = folded(received(1.0, "a"), received(1.0, "b"), step(1.5, PrefillProgress("a", 40, 100, 40)))
    fold(state, step(2.5, PrefillProgress("a", 100, 100, 40), PrefillProgress("b", 0, 60, 0)))
    fold(state, EngineDown(5.2, "killed", None))
    seconds = state.history(7.0, 6)
    assert [(s.prompt, s.cached) for s in seconds] == [(100, 40), (60, 0), (0, 0), (0, 0), (0, 0), (0, 0)]
    assert [(s.active_bytes, s.cache_bytes) for s in seconds] == [*[(4, 6)] * 4, (0, 0), (0, 0)]


def test_queue_positions_follow_the_order_of_arrival() -> None:
    state = folded(received(1.0, "a"), received(2.0, "b"), received(3.0, "c"), step(4.0, PrefillProgress("a", 0, 9, 0)))
    assert state.queue() == {"b": 1, "c": 2}
    assert (state.count("queued"), state.count("prefill", "decode")) == (2, 1)


def test_percentiles_and_hit_rate_look_at_recent_requests() -> None:
    state = folded()
    assert state.ttft(0.5, 0.95) == [None, None]
    assert state.hit_rate() is None
    for i in range(100):
        request = str(i)
        fold(state, received(float(i), request))
        fold(state, step(float(i), PrefillProgress(request, 40, 100, 40)))
        fold(state, finished(float(i), request, ttft=i / 100))
    assert state.ttft(0.5, 0.95) == [0.5, 0.95]
    assert state.hit_rate() == 0.4


def test_finished_rows_and_log_are_bounded() -> None:
    state = folded()
    for i in range(10_000):
        fold(state, received(float(i), str(i)))
        fold(state, finished(float(i), str(i), outcome="error", error="boom", status=500))
    assert (len(state.finished), len(state.log), len(state.requests)) == (FINISHED_KEPT, LOG_KEPT, 0)
    assert (state.totals.requests, state.totals.failed) == (10_000, 10_000)


def test_of_the_same_server_more_is_remembered_than_a_snapshot_brings_but_not_without_bound() -> None:
    before, started = folded(), ServerStarted(1.0, "0.1.0", "http://x", 1, 32)
    fold(before, started)
    for i in range(5):
        fold(before, received(float(i), str(i)))
        fold(before, finished(float(i), str(i)))
    told = before.to_json()
    told["finished"] = told["finished"][-2:]
    snapshot = State.from_json(told, finished=4)
    snapshot.remember(before)
    assert [row.id for row in snapshot.finished] == ["1", "2", "3", "4"]
    other = State.from_json(told | {"server": told["server"] | {"pid": 2}}, finished=4)
    other.remember(before)
    assert [row.id for row in other.finished] == ["3", "4"]


def test_what_is_held_still_does_not_change() -> None:
    state = folded(received(1.0, "a"), received(1.0, "b"), finished(2.0, "b"))
    held = state.copy()
    assert held == state
    fold(state, finished(3.0, "a"))
    assert (held.count("queued"), len(held.finished), held.totals.requests) == (1, 1, 1)


def test_events_about_unknown_requests_change_nothing() -> None:
    state = folded(RequestQueued(1.0, "x", 3), finished(2.0, "x"))
    assert state == State()
    fold(state, step(3.0, Decoded("x", 1), PrefillProgress("x", 1, 2, 0)))
    assert (state.requests, state.row("x")) == ({}, None)


def test_the_model_is_loading_ready_and_down() -> None:
    state = folded(ServerStarted(1.0, "0.1", "http://127.0.0.1:1", 7, 32), ModelLoading(2.0, "m", "reading weights"))
    assert (state.model.status, state.model.detail) == ("loading", "reading weights")
    fold(state, ModelReady(3.0, "m", 4096, 10, 20, "gpu", 1.0))
    assert (state.model.status, state.model.context_length) == ("ready", 4096)
    fold(state, EngineDown(4.0, "killed", 2.0))
    assert (state.model.status, state.model.name, state.model.retry_at) == ("down", "m", 6.0)
    assert [line.level for line in state.log] == ["info", "info", "info", "error"]


def test_a_state_of_another_version_is_said_to_be_one() -> None:
    data = State().to_json() | {"server": {"colour": "blue"}}
    with pytest.raises(ValueError, match="not a state of this version"):
        State.from_json(data)


def test_a_download_is_followed_from_where_it_went_on() -> None:
    state = State()
    for t, done in ((1.0, 0), (2.0, 0), (3.0, 400), (5.0, 800)):
        fold(state, Downloading(t, "org/m", "running", done, 1000 if t > 2 else 0))
    download = state.downloads["org/m"]
    assert (download.rate, download.left) == (200.0, 1.0)
    fold(state, Downloading(6.0, "org/m", "failed", 800, 1000, "no room"))
    assert (state.downloads["org/m"].status, state.log[-1].level) == ("failed", "error")
    assert state.log[-1].message == "download of org/m failed: no room"
    fold(state, Downloading(7.0, "org/m", "running", 0, 0))
    assert (state.downloads["org/m"].status, state.downloads["org/m"].rate) == ("running", None)
    assert State.from_json(state.to_json()) == state
    for number in range(50):
        fold(state, Downloading(8.0, f"org/{number}", "done", 1, 1))
    assert len(state.downloads) <= 22


def test_an_unloaded_model_leaves_nothing() -> None:
    state = State()
    fold(state, ModelReady(1.0, "m", 4096, 1, 1, "cpu", 0.1))
    fold(state, ModelUnloaded(2.0, "it was too big"))
    assert (state.model.name, state.model.status, state.model.detail) == ("", "unloaded", "it was too big")
    assert state.memory.active_bytes == 0
