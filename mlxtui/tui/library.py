"""How models read on the screen: those on the machine, on the Hub and on their way. Pure: values in, lines out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mlxtui.download import Download
from mlxtui.events import DownloadStatus
from mlxtui.models.entry import Entry, Fit
from mlxtui.models.hub import Hit
from mlxtui.state import Model
from mlxtui.tui.choose import matcher
from mlxtui.tui.figures import UNKNOWN, bar, count, duration, percent, size
from mlxtui.tui.text import Line, Piece, Tone, fit

Item = TypeVar("Item")
GAP = "  "
NAME = 24  # cells that a name gets at least
FITS: dict[Fit | None, Piece] = {
    "fits": ("✓ fits", "good"),
    "tight": ("! tight", "warn"),
    "too big": ("✗ too big", "bad"),
    None: (UNKNOWN, "dim"),
}
ENDED: dict[DownloadStatus, Piece] = {
    "done": ("✓ done", "good"),
    "failed": ("✗ failed", "bad"),
    "cancelled": ("✗ cancelled", "warn"),
}
FIELDS: dict[str, Callable[[Entry], str]] = {
    "name": lambda entry: entry.name,
    "arch": lambda entry: entry.architecture,
    "weights": lambda entry: entry.quantisation,
    "memory": lambda entry: entry.fit.replace(" ", "-"),
    "from": lambda entry: entry.source,
}


@dataclass(frozen=True, slots=True)
class Column(Generic[Item]):
    """Beside the name, which takes what is left. Order is importance: the last ones drop first."""

    title: str
    width: int
    cell: Callable[[Item], Piece]
    right: bool = False


ENTRY_COLUMNS: tuple[Column[Entry], ...] = (
    Column("MEMORY", 9, lambda entry: FITS[entry.fit]),
    Column("SIZE", 7, lambda entry: (size(entry.size_bytes), ""), right=True),
    Column("WEIGHTS", 7, lambda entry: (entry.quantisation or UNKNOWN, "")),
    Column("CONTEXT", 9, lambda entry: (count(entry.context_length), ""), right=True),
    Column("ARCHITECTURE", 14, lambda entry: (entry.architecture or UNKNOWN, "dim")),
)
HIT_COLUMNS: tuple[Column[Hit], ...] = (
    Column("MEMORY", 9, lambda hit: FITS[hit.fit]),
    Column("SIZE", 7, lambda hit: (size(hit.weights_bytes) if hit.weights_bytes else UNKNOWN, ""), right=True),
    Column("DOWNLOADS", 10, lambda hit: (count(hit.downloads or None), ""), right=True),
    Column("UPDATED", 10, lambda hit: (hit.updated or UNKNOWN, "dim")),
)


def columns_line(name: Piece, columns: Iterable[tuple[int, Piece, bool]], width: int) -> Line:
    """A name, and as many columns (width, content, to the right) as leave it room; the border is a cell away."""
    kept: list[tuple[int, Piece, bool]] = []
    left = width - 1
    for column in columns:
        if left - column[0] - len(GAP) < NAME:
            break
        kept.append(column)
        left -= column[0] + len(GAP)
    line: list[Piece] = [(fit(name[0], left), name[1])]
    for wide, (text, tone), right in kept:
        line += [(GAP, ""), (fit(text, wide, right), tone)]
    return tuple(line)


def head(columns: Iterable[Column[Item]], width: int) -> Line:
    titles: list[tuple[int, Piece, bool]] = [(column.width, (column.title, "head"), column.right) for column in columns]
    return columns_line(("  MODEL", "head"), titles, width)


def entry_line(entry: Entry, model: Model, width: int) -> Line:
    """Glyph before the name: loaded, being loaded, or not to be loaded."""
    glyph, tone = _glyph(entry, model)
    cells = [(column.width, column.cell(entry), column.right) for column in ENTRY_COLUMNS]
    return columns_line((f"{glyph} {entry.name}", tone), cells, width)


def _glyph(entry: Entry, model: Model) -> tuple[str, Tone]:
    if model.status == "loading" and model.name in (entry.id, entry.path):
        return "◐", "warn"
    if entry.loaded:
        return "●", "good"
    return ("✗", "dim") if entry.trouble else (" ", "bold")


def hit_line(hit: Hit, width: int) -> Line:
    cells = [(column.width, column.cell(hit), column.right) for column in HIT_COLUMNS]
    return columns_line((f"  {hit.id}", "bold"), cells, width)


def chosen(entries: Iterable[Entry], query: str) -> list[Entry]:
    matches = matcher(query, FIELDS)
    return [entry for entry in entries if matches(entry)]


def about(entry: Entry | None, model: Model) -> list[Line]:
    """The selected model in words; `model` is the one that is loaded."""
    if entry is None:
        return []
    where = {"embedded": "comes with mlxtui", "hub": "Hugging Face cache", "folder": "a folder of yours"}[entry.source]
    loaded: Line = (("loaded · ", "good"),) if entry.loaded else ()
    place: Line = (*loaded, (f"{where}  ", "dim"), (entry.path, ""))
    if entry.trouble:
        again: Line = ((" · ", "dim"), ("⏎", "accent"), (" downloads the rest", "dim")) if entry.source == "hub" else ()
        return [place, ((entry.trouble, "bad"), *again)]
    if entry.loaded and model.draft:
        return [place, (("drafted for by ", "dim"), (model.draft, ""), ("; requests run one at a time", "dim"))]
    if entry.source == "embedded":
        return [place, (("a toy to try everything with; ", "dim"), ("d", "accent"), (" gets a real one", "dim"))]
    return [place] if entry.fit == "fits" else [place, ((_memory(entry), "warn"),)]


def _memory(entry: Entry) -> str:
    if entry.fit == "tight":
        return "tight: it runs, with room for few and short conversations"
    return "too big: its weights need more memory than this machine can give"


def download_line(download: Download, width: int) -> Line:
    """Name, bar, share, amounts, speed, time left; or how it ended."""
    name: Piece = (fit(download.model, min(40, width // 3)), "bold")
    gap: Piece = (GAP, "")
    if download.status != "running":
        return (name, gap, ENDED[download.status], (f"{GAP}{download.detail}" if download.detail else "", "dim"))
    if not download.total_bytes:
        return (name, gap, ("◐ asking the Hub", "dim"))
    share = percent(download.done_bytes / download.total_bytes)
    amounts = f"{share:>4}  {size(download.done_bytes)} of {size(download.total_bytes)}"
    speed = f"  {size(int(download.rate))}/s" if download.rate else ""
    left = f"  {duration(download.left)} left" if download.left else ""
    room = width - len(name[0]) - len(amounts + speed + left) - 2 * len(GAP)
    gauge: Piece = (bar(download.done_bytes / download.total_bytes, max(4, min(room, 30))), "accent")
    return (name, gap, gauge, gap, (amounts, ""), (left + speed, "dim"))
