"""What a person sees while a run goes on: a board on a terminal, rows in the suite's order, plain text elsewhere."""

from __future__ import annotations

import io
import re

import pytest
from mlxtui_conformance.canary import Canary
from mlxtui_conformance.check import Verdict
from mlxtui_conformance.live import SHOWN, Board
from mlxtui_conformance.options import Options
from mlxtui_conformance.report import TextReport
from mlxtui_conformance.results import Result, Run
from mlxtui_conformance.suite import CHECKS
from mlxtui_conformance.target import Target
from rich.console import Console

FEW = CHECKS[:3]
CANARY = Canary(Target("http://host/v1", "tiny"), ("/chat/completions",), ())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def drawn(board: Board) -> str:
    paper = Console(file=io.StringIO(), record=True, width=100)
    paper.print(board)
    return paper.export_text()


def test_the_board_shows_what_runs_and_the_verdicts_so_far() -> None:
    board = Board(Console(file=io.StringIO()), len(CHECKS))
    for check in CHECKS[: SHOWN + 3]:
        board.begun(check)
    board.ended(CHECKS[0], Verdict.PASS)
    board.ended(CHECKS[1], Verdict.FAIL)
    text = drawn(board)
    assert CHECKS[0].id not in text
    assert re.search(rf"▸ +{re.escape(CHECKS[2].id)} +0.0 s", text)
    assert "and 1 more" in text
    assert f"2 of {len(CHECKS)}" in text
    assert "✓ 1 pass" in text
    assert "✗ 1 fail" in text


def whole_run(out: io.StringIO) -> str:
    """Three checks at once, ended in another order than begun."""
    report = TextReport(Options(("http://host",)), out, brief=False)
    report.started("http://host", CANARY, FEW)
    results = [Result(check, Verdict.PASS, 0.1) for check in FEW]
    for check in FEW:
        report.begun(check)
    for result in reversed(results):
        report.result(result)
    report.finished(Run("http://host", CANARY, tuple(results)))
    return out.getvalue()


def test_rows_come_in_the_order_of_the_suite_however_checks_end() -> None:
    text = whole_run(io.StringIO())
    assert "\x1b" not in text
    rows = [line for line in text.splitlines() if line.startswith("✓")]
    assert [row.split()[3] for row in rows] == [check.id for check in FEW]
    assert "3 checks: 3 pass" in text


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m")
    assert coloured.search(whole_run(Terminal()))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured.search(whole_run(Terminal()))


def test_a_row_is_one_line_of_a_terminal_however_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    whole = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", whole_run(Terminal()))
    rows = [line for line in whole.splitlines() if "✓ pass  " in line]
    assert len(rows) == 3
    assert all(len(row) <= 60 and row.endswith("…") for row in rows)


def test_an_interrupted_run_tells_what_came_in_out_of_order() -> None:
    out = io.StringIO()
    report = TextReport(Options(("http://host",)), out, brief=False)
    report.started("http://host", CANARY, FEW)
    result = Result(FEW[2], Verdict.PASS, 0.1)
    report.result(result)
    assert FEW[2].id not in out.getvalue()
    report.finished(Run("http://host", CANARY, (result,), "interrupted after 1 of 3 checks", True))
    assert FEW[2].id in out.getvalue()
    assert "interrupted after 1 of 3 checks" in out.getvalue()
