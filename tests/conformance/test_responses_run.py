"""Whole runs of the responses areas: against servers without the endpoint, without a feature, or with a weak model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from mlxtui_conformance.check import Check, Verdict
from mlxtui_conformance.context import Context, Shared
from mlxtui_conformance.runner import run_check
from mlxtui_conformance.suite import CHECKS
from mlxtui_conformance.talk_responses import body

from .conftest import aim
from .fake.brain import Json
from .fake.hooks import edited, instead, on, refusing
from .fake.server import Asked, Defect, Said, Server, say

ASKED = [check for check in CHECKS if check.id.startswith(("responses.", "state."))]


# What a model that only says "." can't show.
WEAK = {
    *("responses.max-output-tokens", "responses.stream.incomplete", "responses.stream.reasoning"),
    "state.encrypted-reasoning",
}


def below(asked: Asked) -> bool:
    return "/responses" in asked.path or "/conversations" in asked.path


def verdicts(checks: list[Check], base: str, shared: Shared) -> dict[str, Verdict]:
    return {check.id: run_check(check, aim(base), shared).verdict for check in checks}


@pytest.mark.parametrize("said", [Said(404, b"<html>", "text/html"), say(405, {}), say(501, {"error": {}})])
def test_a_server_without_responses_is_told_by_one_request(said: Said, server: Server, shared: Shared) -> None:
    asked: list[str] = []

    def counted(request: Asked, answer: Said) -> Said:
        asked.append(request.path)
        return answer

    absent = Defect("absent", "", reply=on(below, lambda a, s: counted(a, said)))
    assert set(verdicts(ASKED, server.mount(absent), shared).values()) == {Verdict.UNSUPPORTED}
    assert asked == ["/v1/responses"]


LACKING: dict[str, tuple[Callable[[Json], object], set[str]]] = {
    "tools": (lambda r: r.get("tools"), {"responses.function-call", "responses.hosted-tools", "state.tool-chain"}),
    "custom tools": (lambda r: "custom" in str(r.get("tools")), {"responses.custom-tool"}),
    "reasoning": (lambda r: r.get("reasoning"), set()),
    "formats": (lambda r: r.get("text"), {"responses.json-schema"}),
    "background": (lambda r: r.get("background"), {"state.background", "state.cancel"}),
}


@pytest.mark.parametrize("feature", LACKING)
def test_an_honest_refusal_is_unsupported(feature: str, server: Server, shared: Shared) -> None:
    test, expected = LACKING[feature]
    base = server.mount(Defect("shy", "", request=refusing(test)))
    # One check sends such fields for every client that does, whatever the server makes of them.
    found = verdicts([c for c in ASKED if c.id != "responses.echo-values"], base, shared)
    failed = {id for id, verdict in found.items() if verdict == Verdict.FAIL}
    assert failed == ({"responses.hosted-tools"} if feature == "custom tools" else set())
    assert {id for id, verdict in found.items() if verdict == Verdict.UNSUPPORTED} >= expected


def test_a_server_that_keeps_nothing_fails_nothing(server: Server, shared: Shared) -> None:
    """No chains, no GET, no conversations, all said with clean refusals."""
    refusal = say(404, {"error": {"message": "nothing is kept", "type": "x", "param": None, "code": None}})
    kept = on(lambda a: below(a) and not a.path.endswith("/responses"), instead(refusal))
    chained = refusing(lambda r: r.get("previous_response_id"))
    base = server.mount(Defect("forgetful", "", request=chained, reply=kept))
    found = verdicts([check for check in ASKED if check.id != "state.unknown-code"], base, shared)
    assert Verdict.FAIL not in found.values()
    assert found["state.recall"] == found["state.get"] == found["state.conversation"] == Verdict.UNSUPPORTED


def test_a_weak_model_fails_nothing(server: Server, shared: Shared) -> None:
    base = server.mount(Defect("weak", "", flags=frozenset({"mumbling"})))
    found = verdicts(ASKED, base, shared)
    assert Verdict.FAIL not in found.values()
    unsure = {id for id, verdict in found.items() if verdict == Verdict.INCONCLUSIVE}
    assert unsure == WEAK


PLACES: list[tuple[str | int, ...]] = [
    ("output", 0),
    ("output", 0, "content", 0, "text"),
    ("usage", "output_tokens"),
    ("tools", 0),
    ("data", 0),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_an_answer_of_no_known_shape_breaks_no_check(
    place: tuple[str | int, ...], server: Server, shared: Shared
) -> None:
    """A 7 where something else belongs is a failure, or nothing to a check; never the check's own stumbling."""

    def wrong(response: Any) -> None:
        with contextlib.suppress(KeyError, IndexError, TypeError):
            here = response
            for step in place[:-1]:
                here = here[step]
            here[place[-1]] = 7

    def wrong_at_the_end(events: list[Json]) -> None:
        wrong(events[-1].get("response", {}))  # chunks of a chat have none

    defect = Defect("odd", "", completion=edited(wrong), chunks=edited(wrong_at_the_end))
    target = aim(server.mount(defect))
    found = [run_check(check, target, shared) for check in ASKED]
    assert [result.got for result in found if "broke" in result.got] == []
    assert Verdict.FAIL in {result.verdict for result in found}


def test_requests_leave_nothing_behind(server: Server, shared: Shared) -> None:
    """What is not asked to be kept says so, for servers keep responses by default."""
    with Context(aim(server.mount()), shared) as ctx:
        request: dict[str, Any] = body(ctx)
    assert request["store"] is False
