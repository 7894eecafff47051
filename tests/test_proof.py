"""The suite's JSON lines folded into what stands for each check."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlxtui.proof import PROFILES, Proof

START = {
    "kind": "start",
    "model": "m",
    "warnings": ["odd"],
    "checks": [{"id": "a", "level": "must", "meaning": "A."}, {"id": "b", "level": "should", "meaning": "B."}],
}
FAILED = {
    "kind": "result",
    "id": "a",
    "level": "must",
    "verdict": "fail",
    "seconds": 0.5,
    "meaning": "A.",
    "clause": "RFC",
    "expected": "x",
    "got": "y",
    "request": "GET /",
    "response": "200",
    "alone": "check a",
    "notes": ["n"],
}


def folded(*lines: dict[str, Any]) -> Proof:
    proof = Proof("http://x", "all")
    for line in lines:
        proof.take(line)
    return proof


def test_a_check_waits_runs_and_ends() -> None:
    proof = folded(START)
    assert (proof.model, proof.warnings) == ("m", ("odd",))
    assert proof.counts() == {"waiting": 2}
    proof.take({"kind": "begin", "id": "a"})
    assert proof.probes["a"].verdict == "running"
    proof.take(FAILED)
    found = proof.probes["a"]
    assert (found.verdict, found.seconds, found.meaning, found.again, found.notes) == (
        "fail",
        0.5,
        "A.",
        "check a",
        ("n",),
    )
    assert found.troubled
    assert proof.broken() == ["a"]
    proof.take({"kind": "result", "id": "b", "level": "should", "verdict": "fail"})
    assert proof.counts() == {"fail": 2}
    assert proof.broken() == ["a"]


def test_the_end_leaves_nothing_running() -> None:
    proof = folded(START, {"kind": "begin", "id": "b"}, {"kind": "end", "interrupted": True, "trouble": ""})
    proof.end()
    assert (proof.ended, proof.interrupted, proof.counts()) == (True, True, {"waiting": 2})
    assert folded().ended is False


def test_the_profiles_are_those_of_the_suite() -> None:
    from mlxtui_conformance.suite import PROFILES as THEIRS

    assert set(PROFILES) == set(THEIRS)


ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.text(max_size=2), max_size=2)


@given(st.lists(st.dictionaries(st.sampled_from([*FAILED, "trouble", "interrupted"]), ODD), max_size=6))
def test_no_line_breaks_it(lines: list[dict[str, Any]]) -> None:
    kinds = ("start", "begin", "result", "end", "news")
    for number, line in enumerate(lines):
        folded(START, {**line, "kind": kinds[number % len(kinds)]}).end("x")
