"""Results made by hand, as tables, a picture and JSON."""

from __future__ import annotations

import io
import json

import pytest

from mlxtui.bench.options import Options
from mlxtui.bench.report import print_report, progress
from mlxtui.bench.report_json import as_json
from mlxtui.bench.results import FLOOR, Endpoint, Outcome, Results, Task
from mlxtui.bench.rounds import SCENARIOS, chosen

OPTIONS = Options(urls=("127.0.0.1:1", "127.0.0.1:2"), api_key="secret", clients=(1, 8), select=("throughput", "gap"))
OURS, THEIRS = "127.0.0.1:1", "127.0.0.1:2"


def speeds(number: int, task: Task, who: str, speed: float) -> Outcome:
    if who == FLOOR:
        return Outcome(number, task, who, {"tokens_per_second": [speed]})
    return Outcome(number, task, who, {"tokens_per_second": [speed], "ttft": [0.01, 0.02, 0.03], "gap": [0.004] * 9})


@pytest.fixture
def results() -> Results:
    """Two rounds at two sizes, the second one ten times slower; one failure, and one note twice."""
    one, eight, gap = chosen(OPTIONS)
    made = Results((one, eight, gap), [Endpoint(OURS, "http://127.0.0.1:1/v1", "m"), Endpoint(THEIRS, "b", "m2")])
    for number, slow in ((1, 1.0), (2, 10.0)):
        for task in (one, eight):
            for who, speed in ((FLOOR, 100.0), (OURS, 95.0), (THEIRS, 50.0)):
                made.outcomes.append(speeds(number, task, who, speed / slow))
    made.outcomes.append(Outcome(1, gap, THEIRS, failure="HTTP 429: queue full"))
    made.outcomes += [Outcome(number, gap, OURS, {"gap": [0.1]}, ("a note",)) for number in (1, 2)]
    return made


def printed(results: Results) -> str:
    out = io.StringIO()
    print_report(results, out)
    return out.getvalue()


def row(text: str, *starts: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[: len(starts)] == list(starts))


def test_the_tables(results: Results) -> None:
    text = printed(results)
    assert row(text, "clients")[:7] == ["clients", "endpoint", "tok/s", "of", "floor", "of", "first"]
    assert row(text, "8", OURS)[2:7] == ["52.2", "0.95", "1.00", "20", "ms"]
    assert row(text, "8", THEIRS)[2:5] == ["27.5", "0.50", "0.53"]
    assert row(text, "1", FLOOR)[2:6] == ["55.0", "1.00", "1.05", "-"]
    assert "A long prompt beside a running stream" in text
    assert "\x1b" not in text, "no colours in a pipe"


def test_the_picture(results: Results) -> None:
    text = printed(results)
    assert "tokens/s over clients" in text
    drawn = {line.split()[0]: line.count("█") for line in text.splitlines() if "█" in line and line.startswith(" ")}
    assert drawn[FLOOR] > drawn[THEIRS] > 0


def test_remarks_are_said_once(results: Results) -> None:
    text = printed(results)
    assert text.count(f"! {OURS}: gap: a note") == 1
    assert f"! {THEIRS}: gap: not measured: HTTP 429: queue full" in text


def test_nothing_measured_prints_nothing() -> None:
    assert printed(Results(chosen(OPTIONS))) == ""


def test_json_says_what_the_tables_say(results: Results) -> None:
    said = json.loads(as_json(OPTIONS, results, 1, interrupted=False))
    assert (said["exit"], said["interrupted"]) == (1, False)
    assert "secret" not in json.dumps(said)
    entries = {(entry["scenario"], entry["size"], entry["endpoint"]): entry for entry in said["results"]}
    ours = entries["throughput", 8, OURS]
    assert ours["of_floor"] == pytest.approx(0.95)
    assert ours["figures"]["ttft"]["samples"] == 6
    assert ours["figures"]["tokens_per_second"]["rounds"] == {"1": 95.0, "2": 9.5}
    assert entries["throughput", 8, THEIRS]["of_first"] == pytest.approx(50 / 95)
    assert entries["gap", 1, THEIRS]["failed"] == 1
    assert "HTTP 429" in " ".join(said["remarks"])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_scenario_leads_with_a_figure_it_shows(scenario: object) -> None:
    assert scenario.lead in {column.figure for column in scenario.columns}  # type: ignore[attr-defined]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_on_a_terminal_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    err = Terminal()
    with progress(2, err) as tell:
        tell("round 1: gap on this one")
    assert "round 1: gap on this one" in err.getvalue()
    assert err.getvalue().endswith("\x1b[2K"), "its last act is to erase its line"


def test_progress_is_silent_in_a_pipe() -> None:
    err = io.StringIO()
    with progress(2, err) as tell:
        tell("one")
        tell("two")
        tell("more than was told")
    assert err.getvalue() == ""
