"""The suite's pure parts: framing, base URLs, selection, figures."""

from __future__ import annotations

import re
from pathlib import Path

import mlxtui_conformance
import pytest
from mlxtui_conformance.check import Check, Level, Verdict
from mlxtui_conformance.results import Figures, Result, exit_code, figures
from mlxtui_conformance.schema import closed, faults, one_of
from mlxtui_conformance.sse import parse
from mlxtui_conformance.suite import CHECKS, PROFILES, NoSuchCheck, chosen, matches
from mlxtui_conformance.target import Target, base_url


def test_events_end_with_a_blank_line() -> None:
    events = parse(b": hello\n\ndata: 1\ndata:2\n\ndata: [DONE]\n")
    assert [event.data for event in events] == [None, "1\n2", "[DONE]"]
    assert [event.closed for event in events] == [True, True, False]
    assert events[0].names == {""}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_of_the_standard_counts(end: bytes) -> None:
    (event,) = parse(b"event: x" + end + b"data: 1" + end + end)
    assert event.closed
    assert event.names == {"event", "data"}


def test_a_cut_event_is_open() -> None:
    assert [event.closed for event in parse(b"data: 1\n\ndata: 2")] == [True, False]


@pytest.mark.parametrize(
    ("typed", "base"),
    [
        ("localhost:8080", "http://localhost:8080/v1"),
        ("http://host", "http://host/v1"),
        ("http://host/", "http://host/v1"),
        ("https://host/v1/", "https://host/v1"),
        ("https://host/api/openai", "https://host/api/openai"),
    ],
)
def test_a_base_url_is_completed(typed: str, base: str) -> None:
    assert base_url(typed) == base


def test_health_lives_beside_the_api_root() -> None:
    assert Target("http://host/here/v1", "m").root == "http://host/here"


def ids(select: tuple[str, ...], skip: tuple[str, ...] = ()) -> set[str]:
    return {check.id for check in chosen(select, skip)}


def test_patterns_are_ids_starts_levels_and_globs() -> None:
    assert ids(()) == {check.id for check in CHECKS}
    assert ids(("models.list",)) == {"models.list"}
    assert ids(("models",)) == {id for id in ids(()) if id.startswith("models.")}
    assert ids(("opt",)) == {check.id for check in CHECKS if check.level == Level.OPT}
    assert "chat.stream.done" in ids(("*.done",))
    assert ids(("models",), ("models.*code",)) == ids(("models",)) - {"models.unknown-code"}


def test_the_start_of_an_id_ends_at_a_dot() -> None:
    with pytest.raises(NoSuchCheck):
        ids(("mod",))


PLACE = closed(side=one_of("north", "south"), steps=one_of(3, 5), open={"type": "boolean"})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"side": "north", "steps": 3, "open": True}, []),
        ({"side": "east", "steps": True, "open": 1}, ["side is none of", "steps is no integer", "open is no boolean"]),
        ({"side": "north", "steps": "3", "open": False, "why": 1}, ["the value has why", "steps is no integer"]),
        ({"side": "north", "open": False}, ["the value lacks steps"]),
        (["north"], ["the value is no object"]),
    ],
)
def test_what_does_not_fit_a_schema_is_told(value: object, told: list[str]) -> None:
    found = list(faults(value, PLACE))
    assert len(found) == len(told)
    assert all(fault.startswith(start) for fault, start in zip(found, told, strict=True))


def test_arrays_are_looked_into() -> None:
    schema = {"type": "array", "items": one_of(3, 5)}
    assert list(faults([3, 4], schema)) == ["the value[1] is none of [3, 5]: 4"]


def test_a_profile_narrows_what_select_picks_from() -> None:
    every = {check.id for check in chosen((), (), "all")}
    assert every == ids(())
    assert {check.id for check in chosen(("must",), (), "responses")} < ids(("must",))
    assert not chosen(("sampling",), (), "responses")


def test_every_check_is_in_a_profile_of_its_own_kind() -> None:
    """A new area has to say whom it is for."""
    named = [name for name in PROFILES if name != "all"]
    assert {check.id for name in named for check in chosen((), (), name)} == ids(())


def test_every_pattern_of_a_profile_matches_something() -> None:
    patterns = [pattern for profile in PROFILES.values() for pattern in profile.patterns]
    assert [p for p in patterns if not any(matches(check, p) for check in CHECKS)] == []


def result(level: Level, verdict: Verdict, asks_model: bool = False) -> Result:
    return Result(Check("x", level, "", "", "", asks_model, False, lambda ctx: None), verdict, 0.0)


def test_only_musts_decide_the_exit_code() -> None:
    must, should = Level.MUST, Level.SHOULD
    assert exit_code([result(must, Verdict.PASS), result(should, Verdict.FAIL)]) == 0
    assert exit_code([result(must, Verdict.UNSUPPORTED), result(must, Verdict.INCONCLUSIVE)]) == 0
    assert exit_code([result(must, Verdict.FAIL)]) == 1
    assert exit_code([result(must, Verdict.FAIL), result(must, Verdict.UNREACHABLE)]) == 2


def test_the_three_figures_are_apart() -> None:
    found = figures(
        [
            result(Level.MUST, Verdict.PASS),
            result(Level.MUST, Verdict.FAIL, asks_model=True),
            result(Level.MUST, Verdict.INCONCLUSIVE, asks_model=True),
            result(Level.SHOULD, Verdict.FAIL),
            result(Level.MUST, Verdict.UNSUPPORTED, asks_model=True),
            result(Level.MUST, Verdict.UNREACHABLE),
        ]
    )
    assert found == Figures(coverage=(4, 5), conformance=(1, 2), capability=(1, 2))


def test_the_suite_knows_nothing_of_mlxtui() -> None:
    """It ships beside mlxtui but checks any server: an import would make it a judge in its own cause."""
    for path in Path(mlxtui_conformance.__file__).parent.rglob("*.py"):
        imported = re.findall(r"^\s*(?:from|import) +([\w.]+)", path.read_text(encoding="utf-8"), re.M)
        assert not [name for name in imported if name.split(".")[0] == "mlxtui"], path
