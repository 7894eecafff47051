"""The tables in conformance/README.md and README.md are the ones that the code, and the last run kept, give today."""

from __future__ import annotations

import json
from pathlib import Path

from mlxtui_conformance.readme import renewed
from mlxtui_conformance.suite import CHECKS

from tools import works

README = Path(__file__).parents[2] / "conformance" / "README.md"


def test_the_table_is_current() -> None:
    text = README.read_text(encoding="utf-8")
    assert renewed(text) == text, "run python -m mlxtui_conformance.readme conformance/README.md"


def test_every_check_explains_itself() -> None:
    for check in CHECKS:
        assert check.meaning.endswith("."), check.id
        assert check.clause, check.id


def test_what_works_is_what_the_last_run_says() -> None:
    """That the run is true is proved by `.ci/run`: there it is the baseline of a run of the built wheel."""
    text, kept = (file.read_text(encoding="utf-8") for file in (works.README, works.BASELINE))
    results = json.loads(kept)["results"]
    assert [result["id"] for result in results] == [check.id for check in CHECKS], "run `just works`"
    assert works.renewed(text, kept) == text, "run `just works`"
    assert [result["id"] for result in results if result["verdict"] in ("fail", "unreachable")] == []
    assert sum(result["verdict"] == "inconclusive" for result in results) <= 5
