"""The plain-text twin of the dashboard: one line for each step a request takes, none after its end."""

from __future__ import annotations

import re

from mlxtui.events import (
    Decoded,
    EngineDown,
    EngineStep,
    Event,
    Logged,
    ModelReady,
    PrefillProgress,
    PromptParted,
    RequestFinished,
    RequestQueued,
    RequestReceived,
)
from mlxtui.server.console import Console


def lines(*events: Event) -> list[str]:
    """What is shown, without the clock."""
    console = Console()
    shown = [line for event in events for line in console.lines(event)]
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in shown)
    return [line[10:] for line in shown]


def step(*decoded: str, prefill: str = "") -> EngineStep:
    prefills = (PrefillProgress(prefill, 4, 9, 4),) if prefill else ()
    return EngineStep(1.0, prefills, tuple(Decoded(id, 1) for id in decoded), 0, 0, 0, 0)


def finished(error: str | None = None) -> RequestFinished:
    outcome = "cancelled" if error else "stop"
    return RequestFinished(1.0, "abcdef99", 499 if error else 200, outcome, error, 9, 4, 11, 0, 0.5, 1.5)


RECEIVED = RequestReceived(1.0, "abcdef99", "chat", "curl", "m", True)


def test_each_step_of_a_request_is_told_once() -> None:
    shown = lines(
        *(RECEIVED, RequestQueued(1.0, "abcdef99", 1234), step(prefill="abcdef99"), step(prefill="abcdef99")),
        *(step("abcdef99"), step("abcdef99"), finished()),
    )
    assert shown == [
        "abcdef  chat from curl, model m, streamed",
        "abcdef  queued: 1,234 prompt tokens",
        "abcdef  prefill: 9 tokens, 4 of them cached",
        "abcdef  decode",
        "abcdef  ✓ stop: 11 tokens in 1.50 s, 10.0 tok/s",
    ]


def test_why_a_prompt_was_not_reused_is_told() -> None:
    missed = EngineStep(1.0, (PrefillProgress("abcdef99", 300, 900, 300, "parted"),), (), 0, 0, 0, 0)
    assert lines(RECEIVED, missed, PromptParted(1.0, "abcdef99", 1300, "messages[0].content"))[1:] == [
        "abcdef  prefill: 900 tokens, 300 of them cached: the prompt parts from the nearest earlier one",
        "abcdef  parts after token 1,300 in messages[0].content",
    ]


def test_steps_that_come_after_the_end_are_not_told() -> None:
    console = Console()
    for event in (RECEIVED, finished("the client left")):
        console.lines(event)
    assert console.lines(step("abcdef99", prefill="abcdef99")) == []


def test_strangers_can_not_forge_lines() -> None:
    shown = lines(
        RequestReceived(1.0, "abcdef99", "chat", "a\nb\x1b[2J", "m\u202e", False), Logged(1.0, "error", "x\ny")
    )
    assert len(shown) == 2
    assert not re.search(r"[\n\x1b\u202e]", "".join(shown))


def test_what_happens_to_the_model_is_told() -> None:
    assert lines(
        ModelReady(1.0, "m", 4096, 10, 5_000_000, "cpu", 1.25),
        EngineDown(1.0, "it died", 0.5),
        EngineDown(1.0, "it is no model", None),
        Logged(1.0, "info", "not worth a line"),
    ) == [
        "model m ready in 1.2 s on cpu: 5 MB, context 4,096",
        "engine down: it died; next try in 0.5 s",
        "engine down: it is no model",
    ]
