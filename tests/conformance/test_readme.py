"""The table in conformance/README.md is the one the code gives today."""

from __future__ import annotations

from pathlib import Path

from mlxtui_conformance.readme import renewed
from mlxtui_conformance.suite import CHECKS

README = Path(__file__).parents[2] / "conformance" / "README.md"


def test_the_table_is_current() -> None:
    text = README.read_text(encoding="utf-8")
    assert renewed(text) == text, "run python -m mlxtui_conformance.readme conformance/README.md"


def test_every_check_explains_itself() -> None:
    for check in CHECKS:
        assert check.meaning.endswith("."), check.id
        assert check.clause, check.id
