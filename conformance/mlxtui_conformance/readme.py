"""Writes the table of checks into conformance/README.md, between two marks; a test holds it current.

python -m mlxtui_conformance.readme conformance/README.md
"""

from __future__ import annotations

import sys
from pathlib import Path

from .check import Check
from .suite import AREAS

BEGIN = "<!-- checks: written by `python -m mlxtui_conformance.readme conformance/README.md` -->"
END = "<!-- end of checks -->"


def table() -> str:
    """All checks in Markdown, an area after the other."""
    blocks = []
    for area, checks in AREAS:
        rows = [_row(check) for check in checks]
        blocks.append("\n".join([f"### {area}", "", "| check | level | what holds | backed by |", DASHES, *rows]))
    return "\n\n".join(blocks)


DASHES = "|---|---|---|---|"


def _row(check: Check) -> str:
    needs = " †" if check.asks_model else ""
    cells = (f"`{check.id}`", f"{check.level}{needs}", check.meaning, check.clause)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def renewed(text: str) -> str:
    """The README with the table of today."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
