"""A run is kept in a file, and its verdicts are read again. Knows nothing of terminals."""

from __future__ import annotations

import json
from pathlib import Path

from .changes import Verdicts
from .check import Verdict
from .options import Options
from .report_json import document
from .results import Run


def save(run: Run, options: Options) -> str:
    """The run as one JSON object, indented so that two of them can be compared by eye."""
    return json.dumps(document(run, options), ensure_ascii=False, indent=1) + "\n"


def load(file: Path) -> Verdicts:
    """The verdicts of a saved run, by id, at least one. Raises OSError, ValueError when it is none."""
    try:
        found = {result["id"]: Verdict(result["verdict"]) for result in json.loads(file.read_bytes())["results"]}
    except (KeyError, TypeError) as error:
        raise ValueError("this is no run that --save wrote") from error
    if not found:
        raise ValueError("this run has no results: nothing can be worse than it")
    return found
