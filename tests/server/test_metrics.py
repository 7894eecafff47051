"""`/metrics` through Prometheus' own parser: it says what the state counted, and the clients were told."""

from __future__ import annotations

import asyncio
import json

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mlxtui.engine.interface import Job
from mlxtui.engine.replay import ReplayEngine
from mlxtui.events import RequestFinished
from mlxtui.pipeline import Pipeline, Run
from mlxtui.settings import Settings
from mlxtui.totals import DURATION, Histogram, Totals
from mlxtui.types import Message, Request
from tests.server.serving import CHAT, HELLO, run, serving


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Each sample's value by its name and its labels' values."""
    families = text_string_to_metric_families(text)
    return {(s.name, *map(str, s.labels.values())): s.value for family in families for s in family.samples}


def test_what_clients_were_told_is_what_prometheus_reads() -> None:
    async def main() -> None:
        async with serving() as served, served.http() as http:
            usages = [(await http.post(CHAT, json=HELLO)).json()["usage"] for _ in range(3)]
            refused = await http.post(CHAT, json={**HELLO, "temperature": 9})
            scraped = await http.get("/metrics")
            got = samples(scraped.text)
            assert scraped.headers["content-type"].startswith("text/plain")
            assert refused.status_code == 400
            assert got["mlxtui_requests_total", "chat", "stop"] == 3
            assert got["mlxtui_requests_total", "chat", "error"] == 1
            for kind, field in (("input", "prompt_tokens"), ("output", "completion_tokens")):
                assert got["mlxtui_tokens_total", kind] == sum(usage[field] for usage in usages)
            assert got["gen_ai_server_request_duration_seconds_count",] == 4
            assert got["gen_ai_server_time_to_first_token_seconds_count",] == 3
            assert got["mlxtui_model_ready", "scripted"] == 1
            assert got["mlxtui_requests_live", "decode"] == 0

    run(main())


def test_the_time_per_token_is_one_stream_s_however_many_choices_run_at_once() -> None:
    now = 0.0
    together = asyncio.Barrier(2)

    async def a_second_each(job: Job, number: int, dt: float) -> None:
        nonlocal now
        await together.wait()
        now = float(number)

    async def main() -> None:
        engine = ReplayEngine.scripted(("one", " two", " three"), pace=a_second_each)
        await engine.start()
        run = Run(Pipeline(engine, Settings()), "a", Request("m", (Message("user", "count"),), n=2), lambda: now)
        assert run.timings.per_token is None
        async for _ in run.deltas():
            pass
        assert run.usage.completion_tokens == 6
        assert run.timings.per_token == 1.0

    run(main())


def test_a_request_counts_once_for_the_time_per_token_if_it_had_two() -> None:
    totals = Totals()
    for per_token in (None, 0.05):
        totals.count("chat", RequestFinished(1.0, "a", 200, "stop", None, 9, 0, 6, 0, 0.3, 1.0, per_token))
    assert (sum(totals.next_token.counts), totals.next_token.sum) == (1, 0.05)


@given(st.lists(st.floats(0, 200)))
def test_a_histogram_counts_each_value_once_where_it_belongs(values: list[float]) -> None:
    histogram = Histogram(DURATION)
    for value in values:
        histogram.add(value)
    below = [sum(value <= bound for value in values) for bound in DURATION]
    assert [sum(histogram.counts[: i + 1]) for i in range(len(DURATION))] == below
    assert sum(histogram.counts) == len(values)


def test_totals_survive_the_wire() -> None:
    totals = Totals(outcomes={"chat stop": 2, "chat error": 1})
    totals.first_token.add(0.3)
    again = Totals.from_json(json.loads(json.dumps(totals.to_json())))
    assert again == totals
    assert (again.requests, again.failed) == (3, 1)
