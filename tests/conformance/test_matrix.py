"""Every check passes the correct server and fails for each defect it claims; none is left that cannot fail."""

from __future__ import annotations

import pytest
from mlxtui_conformance.check import Check, Verdict
from mlxtui_conformance.context import Shared
from mlxtui_conformance.runner import run_check
from mlxtui_conformance.suite import CHECKS

from .conftest import aim
from .fake.defects_agents import AGENTS
from .fake.defects_answers import ANSWERS
from .fake.defects_calls import CROWDED
from .fake.defects_forms import FORMS
from .fake.defects_minds import MINDS
from .fake.defects_responses import RESPONDING
from .fake.defects_responses_state import REMEMBERED
from .fake.defects_responses_stream import EVENTS
from .fake.defects_streams import STREAMING
from .fake.server import Defect, Server

DEFECTS = ANSWERS + STREAMING + CROWDED + FORMS + MINDS + RESPONDING + REMEMBERED + EVENTS + AGENTS
BY_ID = {check.id: check for check in CHECKS}


@pytest.fixture(scope="module")
def sound(server: Server) -> str:
    return server.mount()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_the_correct_server_passes(check: Check, sound: str, shared: Shared) -> None:
    result = run_check(check, aim(sound), shared)
    assert result.verdict == Verdict.PASS, f"{result.expected} | {result.got} | {result.shown}"


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.id)
def test_a_defect_is_caught_by_its_check(defect: Defect, server: Server, shared: Shared) -> None:
    result = run_check(BY_ID[defect.caught_by], aim(server.mount(defect)), shared)
    assert result.verdict == Verdict.FAIL, f"{result.verdict}: {result.got} | {result.shown}"
    assert result.expected
    assert result.got


def test_every_check_can_fail() -> None:
    assert {check.id for check in CHECKS} == {defect.caught_by for defect in DEFECTS}


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(CHECKS)
    assert len({defect.id for defect in DEFECTS}) == len(DEFECTS)
