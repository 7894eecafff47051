"""One small server for all tests of the suite, and a way to aim a check at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from httpx2 import HTTPTransport
from mlxtui_conformance.context import Shared
from mlxtui_conformance.target import Limits, Target
from mlxtui_conformance.wire import transport

from .fake.brain import CONTEXT
from .fake.chat import MODEL
from .fake.server import Server

# Patient enough for a busy machine, quick enough for a defect that runs into them.
QUICK = Limits(check=20.0, freed=0.5, refusal=1.0)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(scope="session")
def wire() -> Iterator[HTTPTransport]:
    opened = transport()
    yield opened
    opened.close()


@pytest.fixture
def shared(wire: HTTPTransport) -> Shared:
    """Fresh for each test: no sample of one defect may answer for another."""
    return Shared(wire)


def aim(base: str, key: str | None = None) -> Target:
    return Target(base, MODEL, key, CONTEXT, QUICK)
