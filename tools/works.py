"""A run of the conformance suite becomes README.md's table of what works, and the baseline that CI compares with.

python -m tools.works [WHAT…]: everything, on a server of our own, or only what is new, as --select takes it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlxtui_conformance.app import main
from mlxtui_conformance.options import Options
from mlxtui_conformance.suite import AREAS, CHECKS

from mlxtui.up import own_server

ROOT = Path(__file__).parents[1]
README, BASELINE = ROOT / "README.md", ROOT / "conformance" / "embedded.json"
BEGIN = "<!-- what works: written by `just works` -->"
END = "<!-- end of what works -->"


def kept(run: dict[str, Any], before: list[dict[str, Any]]) -> str:
    """What of a run outlives it, a line for each check: no times, no addresses. What did not run is as it was."""
    found = {result["id"]: result for result in [*before, *run["results"]]}
    ran = (found[check.id] for check in CHECKS if check.id in found)
    results = [{name: result[name] for name in ("id", "verdict", "got") if name in result} for result in ran]
    lines = ",\n".join(f"  {json.dumps(result, ensure_ascii=False)}" for result in results)
    return f'{{"model": {json.dumps(run["model"])}, "results": [\n{lines}\n]}}\n'


def table(results: list[dict[str, Any]]) -> str:
    """A row for each area of the suite: how many of its checks hold, and why the others do not."""
    found = {result["id"]: result for result in results}
    rows = [_row(area, [found[check.id] for check in checks]) for area, checks in AREAS]
    held = sum(result["verdict"] == "pass" for result in results)
    return "\n".join(["| | holds | |", "|---|---:|---|", *rows, f"| **all** | **{held} of {len(results)}** | |"])


def _row(area: str, results: list[dict[str, Any]]) -> str:
    others = [result for result in results if result["verdict"] != "pass"]
    why = "; ".join(f"`{result['id']}` {result['verdict']}: {result['got']}" for result in others).replace("|", "\\|")
    return f"| {area} | {len(results) - len(others)} of {len(results)} | {why} |"


def renewed(readme: str, baseline: str) -> str:
    """The README with the table of a kept run."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(json.loads(baseline)['results'])}\n\n{END}{after}"


def checked(what: tuple[str, ...]) -> dict[str, Any]:
    """A run on a server of our own, as --save writes it."""
    with own_server() as url, TemporaryDirectory() as folder:
        file = Path(folder) / "run.json"
        main(Options((url,), select=what, save=file))
        found: dict[str, Any] = json.loads(file.read_bytes())
        return found


if __name__ == "__main__":
    before = json.loads(BASELINE.read_bytes())["results"]
    BASELINE.write_text(kept(checked(tuple(sys.argv[1:])), before), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(renewed(text, BASELINE.read_text(encoding="utf-8")), encoding="utf-8")
