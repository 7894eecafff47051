"""Random models on disk, loaded once per session; the worker's package first, so that OpenBLAS lies under MLX."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import mlxtui.engine.worker  # noqa: F401
from mlxtui.engine.worker.model import Model, load
from tests.engine.tiny_models import make_model

Models = Callable[[str], Model]


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory of a random model of one kind: plain, sliding, recurrent."""
    root = tmp_path_factory.mktemp("models")
    return cache(lambda kind: make_model(kind, root / kind))


@pytest.fixture(scope="session")
def models(model_dir: Callable[[str], Path]) -> Models:
    """A loaded random model of one kind."""
    return cache(lambda kind: load(str(model_dir(kind)), None, lambda detail: None))
