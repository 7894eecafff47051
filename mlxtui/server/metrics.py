"""`GET /metrics`: the State as Prometheus reads it. The same counters as the dashboard's; nothing is counted twice.

Names follow OpenTelemetry's GenAI conventions where those have one (`gen_ai_*`), the rest is `mlxtui_*`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from mlxtui.state import State
from mlxtui.totals import Histogram

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics(Collector):
    """Reads `state()` whenever it is scraped."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        yield from _requests(state)
        yield from _times(state)
        yield from _engine(state)


def _requests(state: State) -> Iterator[Metric]:
    totals = state.totals
    finished = CounterMetricFamily(
        "mlxtui_requests", "Requests that ended, by endpoint and outcome.", labels=("endpoint", "outcome")
    )
    for ended, count in totals.outcomes.items():
        finished.add_metric(ended.split(" "), count)
    yield finished
    tokens = CounterMetricFamily("mlxtui_tokens", "Tokens of requests that ended.", labels=("gen_ai_token_type",))
    tokens.add_metric(["input"], totals.prompt_tokens)
    tokens.add_metric(["output"], totals.completion_tokens)
    yield tokens
    yield CounterMetricFamily(
        "mlxtui_cached_tokens", "Input tokens that came from the prefix cache.", value=totals.cached_tokens
    )
    live = GaugeMetricFamily("mlxtui_requests_live", "Requests under way, by state.", labels=("state",))
    for name in ("queued", "prefill", "decode"):
        live.add_metric([name], state.count(name))
    yield live


def _times(state: State) -> Iterator[Metric]:
    totals = state.totals
    for name, text, times in (
        ("request_duration", "Seconds from a request to its end.", totals.duration),
        ("time_to_first_token", "Seconds from a request to its first token.", totals.first_token),
        ("time_per_output_token", "Mean seconds between a request's later tokens.", totals.next_token),
    ):
        yield _histogram(f"gen_ai_server_{name}_seconds", text, times)


def _histogram(name: str, text: str, times: Histogram) -> Metric:
    bounds = [*map(str, times.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(times.counts), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=times.sum)


def _engine(state: State) -> Iterator[Metric]:
    model, memory = state.model, state.memory
    up = GaugeMetricFamily("mlxtui_model_ready", "1 while the model can answer.", labels=("model",))
    up.add_metric([model.name], model.status == "ready")
    yield up
    for name, text, value in (
        ("weights_bytes", "Bytes of the model's weights.", model.weights_bytes),
        ("memory_active_bytes", "Bytes in use, as MLX accounts them.", memory.active_bytes),
        ("memory_peak_bytes", "Most bytes ever in use.", memory.peak_bytes),
        ("prefix_cache_bytes", "Bytes that the prefix cache holds.", memory.cache_bytes),
        ("prefix_cache_entries", "Prompts that the prefix cache holds.", memory.cache_entries),
        ("start_time_seconds", "When the server started, in Unix time.", state.server.started),
    ):
        yield GaugeMetricFamily(f"mlxtui_{name}", text, value=value)
