from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.server import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with the embedded model for all tests that leave it as they found it."""
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running
