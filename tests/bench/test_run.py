"""Whole runs over real sockets: figures, exit codes, and what happens when an endpoint or the user gives up."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mlxtui.bench.app import main
from mlxtui.bench.options import Options
from mlxtui.bench.ready import Unusable
from mlxtui.bench.rounds import SCENARIOS
from tests.bench.endpoint import Body, Endpoint

SMALL = {"clients": (1, 3), "tokens": 6, "prompt_tokens": 200, "rounds": 1}


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    def entry(self, scenario: str, size: int, place: int = 0) -> dict[str, Any]:
        found = [e for e in json.loads(self.out)["results"] if (e["scenario"], e["size"]) == (scenario, size)]
        return found[place]

    @property
    def remarks(self) -> str:
        return " ".join(json.loads(self.out)["remarks"])


def go(*urls: str, **fields: Any) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    code = main(Options(urls, **SMALL | {"json": True} | fields), out, err)
    return Ran(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def whole() -> Iterator[tuple[Ran, Endpoint]]:
    """Everything once, on an endpoint that does all that is asked."""
    with Endpoint() as endpoint:
        yield go(endpoint.url, api_key="k"), endpoint


def test_every_scenario_has_its_figures(whole: tuple[Ran, Endpoint]) -> None:
    ran, _ = whole
    assert ran.code == 0, ran.remarks
    assert ran.err == ""
    for entry in json.loads(ran.out)["results"]:
        scenario = next(scenario for scenario in SCENARIOS if scenario.name == entry["scenario"])
        assert {column.figure for column in scenario.columns} <= entry["figures"].keys()
        assert all(figure["samples"] for figure in entry["figures"].values()), entry


def test_counts_are_exact(whole: tuple[Ran, Endpoint]) -> None:
    """Times may be anything; how many there are is known."""
    ran, _ = whole
    figures = ran.entry("throughput", 3)["figures"]
    assert figures["tokens"]["p50"] == 18
    assert (figures["ttft"]["samples"], figures["gap"]["samples"]) == (3, 15)
    assert ran.entry("rate", 3)["figures"]["latency"]["samples"] == 12
    turns = ran.entry("followup", 4)["figures"]
    assert (turns["cold_ttft"]["samples"], turns["followup_ttft"]["samples"]) == (4, 12)
    assert turns["prompt_tokens"]["p50"] == pytest.approx(200, rel=0.1), "as long as asked, by the endpoint's count"


def test_what_was_sent(whole: tuple[Ran, Endpoint]) -> None:
    _, endpoint = whole
    assert endpoint.keys == {"Bearer k"}
    assert {body["model"] for body in endpoint.asked} == {"fake"}, "the first one listed"
    assert all(body["temperature"] == 0 for body in endpoint.asked)
    firsts = [body["messages"][0]["content"] for body in endpoint.asked if len(body["messages"]) == 1]
    # Only the prompt whose client left is sent again.
    assert len(firsts) - len({text[:8] for text in firsts}) == 1
    longest = max(endpoint.asked, key=lambda body: len(body["messages"]))
    assert [message["role"] for message in longest["messages"]] == ["user", "assistant"] * 3 + ["user"]


def test_nobody_is_left_running(whole: tuple[Ran, Endpoint]) -> None:
    _, endpoint = whole
    assert endpoint.running == 0


def test_two_endpoints_side_by_side() -> None:
    with Endpoint() as first, Endpoint(usage=False, health=False) as second:
        options = {"select": ("throughput", "disconnect"), "clients": (2,), "models": ("other",)}
        ran = go(first.url, second.url, **options)
        assert ran.code == 0, ran.remarks
        assert ran.entry("throughput", 2)["of_first"] == 1.0
        assert ran.entry("throughput", 2, 1)["of_first"] > 0
        assert ran.entry("throughput", 2, 1)["figures"]["tokens"]["p50"] == 12, "pieces of text, where usage is missing"
        assert {body["model"] for body in first.asked + second.asked} == {"other"}
    assert "pieces of text are counted as tokens" in ran.remarks
    assert "no times to free a slot" in ran.remarks
    assert "4 characters are taken for one" in ran.remarks


def test_connections_that_the_endpoint_closes_are_opened_again() -> None:
    with Endpoint(closes=True) as endpoint:
        ran = go(endpoint.url, select=("rate",), clients=(1,))
        assert ran.code == 0, ran.remarks
        assert endpoint.connections > 4


def test_a_table_for_people() -> None:
    with Endpoint() as endpoint:
        ran = go(endpoint.url, select=("throughput",), json=False)
    assert ran.code == 0
    assert "Throughput: everybody asks at once" in ran.out
    assert "tokens/s over clients" in ran.out


def test_the_same_nonce_sends_the_same_prompts() -> None:
    sent = []
    for nonce in ("again", "again", ""):
        with Endpoint() as endpoint:
            go(endpoint.url, select=("rate",), clients=(1,), nonce=nonce)
            sent.append([body["messages"][0]["content"] for body in endpoint.asked])
    assert sent[0] == sent[1]
    assert not set(sent[0]) & set(sent[2])


def test_nobody_there_is_said_before_anything_is_measured() -> None:
    with Endpoint() as endpoint:
        gone = endpoint.url
    with pytest.raises(Unusable, match="nothing answers at"):
        go(gone)


def test_an_endpoint_that_refuses_can_not_be_measured() -> None:
    with Endpoint(refuses=lambda body: 401) as endpoint, pytest.raises(Unusable, match="HTTP 401: not today"):
        go(endpoint.url)


def test_what_fails_is_told_and_the_rest_goes_on() -> None:
    def full(body: Body) -> int | None:
        return 429 if body["max_tokens"] == SMALL["tokens"] else None

    with Endpoint(refuses=full) as endpoint:
        ran = go(endpoint.url, select=("throughput", "rate"))
    assert ran.code == 1
    assert "throughput 3: not measured: 3 of 3 requests failed: HTTP 429: not today" in ran.remarks
    assert ran.entry("rate", 3)["failed"] == 0


def test_silence_ends_at_the_timeout() -> None:
    """The endpoint never answers: however slow the machine, nothing but the timeout can end this."""
    with Endpoint(hangs=5) as endpoint:
        ran = go(endpoint.url, select=("throughput",), clients=(1,), timeout=5.0, rounds=3)
    assert ran.code == 1
    assert "longer than 5 s (--timeout)" in ran.remarks


def test_an_interrupt_prints_what_is_known() -> None:
    """The second of two rounds hangs when Ctrl-C comes."""
    with Endpoint(hangs=4) as endpoint:
        words = ["bench", endpoint.url, "--select", "throughput", "--clients", "1", "--tokens", "4", "--rounds", "2"]
        process = subprocess.Popen(
            [sys.executable, "-m", "mlxtui", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert endpoint.hung.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Throughput: everybody asks at once" in out
    assert "interrupted after 1 measurements" in out
    assert err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["127.0.0.1:9", "--rounds", "0"], "--rounds takes numbers from 1 to 100"),
        (["api.example.com"], "load tests go to loopback only"),
        (["127.0.0.1:9", "--clients", "x"], "--clients takes numbers"),
    ],
)
def test_a_wrong_option_is_one_line_and_2(words: list[str], said: str) -> None:
    command = [sys.executable, "-m", "mlxtui", "bench", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("mlxtui: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
