"""Results as one JSON object, with enough in it to compute every ratio again. Times are in seconds. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from mlxtui import __version__
from mlxtui.bench.figures import mean, p50, p95, p99
from mlxtui.bench.options import Options
from mlxtui.bench.report import contestants
from mlxtui.bench.results import FLOOR, Results, Task


def as_json(options: Options, results: Results, code: int, interrupted: bool) -> str:
    """The API key stays out of it."""
    said = asdict(options) | {"api_key": None}
    shown = {
        "version": __version__,
        "options": said,
        "endpoints": [asdict(endpoint) for endpoint in results.endpoints],
        "results": [
            _entry(results, task, who)
            for task in results.tasks
            for who in contestants(results)
            if results.of(task, who)
        ],
        "remarks": results.remarks(),
        "interrupted": interrupted,
        "exit": code,
    }
    return json.dumps(shown, ensure_ascii=False, indent=1)


def _entry(results: Results, task: Task, who: str) -> dict[str, Any]:
    outcomes = results.of(task, who)
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.figures)
    first = results.endpoints[0].label if results.endpoints else ""
    return {
        "scenario": task.scenario.name,
        "size": task.size,
        "endpoint": who,
        "rounds": len(outcomes),
        "failed": sum(bool(outcome.failure) for outcome in outcomes),
        "figures": {name: _figure(results, task, who, name) for name in names},
        "of_floor": results.ratio(task, who, FLOOR),
        "of_first": results.ratio(task, who, first),
    }


def _figure(results: Results, task: Task, who: str, name: str) -> dict[str, Any]:
    """`rounds`: the median of each."""
    samples = results.pooled(task, who, name)
    if not samples:
        return {"samples": 0}
    return {
        "samples": len(samples),
        "mean": mean(samples),
        "p50": p50(samples),
        "p95": p95(samples),
        "p99": p99(samples),
        "max": max(samples),
        "rounds": results.by_round(task, who, name),
    }
