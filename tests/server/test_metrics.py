"""`/metrics` through Prometheus' own parser: it says what the state counted, and the clients were told."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mlxtui.totals import DURATION, Histogram, Totals
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
