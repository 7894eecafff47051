"""How verdicts look, wherever they are shown: the word always stands beside sign and colour."""

from __future__ import annotations

from .check import Verdict

# Sign, colour.
LOOKS: dict[Verdict, tuple[str, str]] = {
    Verdict.PASS: ("✓", "green"),
    Verdict.FAIL: ("✗", "bold red"),
    Verdict.UNSUPPORTED: ("–", "cyan"),
    Verdict.INCONCLUSIVE: ("?", "yellow"),
    Verdict.UNREACHABLE: ("!", "bold magenta"),
}
