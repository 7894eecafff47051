"""A run of the suite as lines to read: a row for each check, what is known of one, the summary. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlxtui.proof import FAIL, RUNNING, WAITING, Probe, Proof
from mlxtui.tui.figures import duration
from mlxtui.tui.text import Line, Tone, fit
from mlxtui.tui.transcript import text_lines

LOOKS: dict[str, tuple[str, Tone]] = {
    WAITING: ("·", "dim"),
    RUNNING: ("▶", "accent"),
    FAIL: ("✗", "bad"),
    "pass": ("✓", "good"),
    "unsupported": ("–", "prefill"),
    "inconclusive": ("?", "warn"),
    "unreachable": ("!", "bad"),
}
VERDICT, LEVEL, TIME = 14, 6, 5


def probe_line(probe: Probe, width: int) -> Line:
    """Sign and word, level, id, time, and as much of the meaning as fits."""
    sign, tone = LOOKS.get(probe.verdict, ("?", "warn"))
    quiet: Tone = "dim" if probe.verdict == WAITING else ""
    name = min(32, max(12, width - VERDICT - LEVEL - TIME - 3))
    line: Line = (
        (fit(f"{sign} {probe.verdict}", VERDICT), tone),
        (" ", ""),
        (fit(probe.id, name), quiet or "bold"),
        (" ", ""),
        (fit("" if probe.seconds is None else duration(probe.seconds), TIME, right=True), "dim"),
        (" ", ""),
        (fit(probe.level, LEVEL), "dim"),
    )
    room = width - VERDICT - name - TIME - LEVEL - 5
    return (*line, ("  ", ""), (fit(probe.meaning, room), quiet)) if room >= 24 else line


def finding_lines(probe: Probe | None) -> list[Line]:
    """All there is to know of one check."""
    if probe is None:
        return []
    sign, tone = LOOKS.get(probe.verdict, ("?", "warn"))
    lines: list[Line] = [
        ((f"{sign} {probe.verdict}", tone), (f"  {probe.id}", "bold"), (f"  {probe.level}", "dim")),
        (),
    ]
    lines += [*text_lines(probe.meaning), ()]
    expected, reason = ("expected", "came back") if probe.verdict == FAIL else ("expected", "because")
    for name, text, of in (
        (expected, probe.expected, ""),
        (reason, probe.got, "bad" if probe.verdict == FAIL else "warn"),
        ("clause", probe.clause, ""),
        ("request", probe.request, ""),
        ("answer", probe.response, ""),
        ("alone", probe.again, ""),
        ("notes", "\n".join(probe.notes), ""),
    ):
        lines += _part(name, text, of)  # type: ignore[arg-type]
    return lines[:-1]


def _part(name: str, text: str, tone: Tone) -> Iterator[Line]:
    if text:
        yield ((f"── {name} ", "head"),)
        yield from text_lines(text, tone)
        yield ()


def summary_line(proof: Proof | None) -> Line:
    """Where the run stands, in one line."""
    if proof is None:
        return (("not run yet", "dim"), ("   r runs it", ""))
    if not proof.probes:
        if proof.ended:
            return ((f"✗ {proof.trouble or 'nothing was checked'}", "bad"),)
        return (("◌ looking at the server…", "warn"), (f"   {proof.url}", "dim"))
    counts = proof.counts()
    done = sum(count for verdict, count in counts.items() if verdict not in (WAITING, RUNNING))
    told = [(f"   {count} {verdict}", LOOKS.get(verdict, ("", "warn"))[1]) for verdict, count in _told(counts)]
    return (*_standing(proof, done), *told)


def _standing(proof: Proof, done: int) -> Line:
    of = f"{done} of {len(proof.probes)}"
    broken = len(proof.broken())
    if not proof.ended:
        return (("▶ checking", "accent"), (f" {of}", "bold"))
    if proof.interrupted or proof.trouble:
        return (
            ("■ stopped", "warn"),
            (f" after {of}", "bold"),
            (f"   {proof.trouble}" if proof.trouble else "", "bad"),
        )
    if broken:
        return ((f"✗ {broken} must{'s' if broken > 1 else ''} failed", "bad"), (f"   {of}", "bold"))
    return (("✓ every must holds", "good"), (f"   {of}", "bold"))


def _told(counts: dict[str, int]) -> list[tuple[str, int]]:
    """In the order of LOOKS, but for those that are still to come."""
    return [(verdict, counts[verdict]) for verdict in LOOKS if verdict in counts and verdict not in (WAITING, RUNNING)]
