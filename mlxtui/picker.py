"""`mlxtui up` without a model: which of those on this machine is it to be? Asked before any screen is drawn.

Settings come in, the id of a model or None (the embedded one) goes out.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mlxtui.models import disk
from mlxtui.models.entry import Entry
from mlxtui.settings import EMBEDDED_MODEL, Settings, is_given
from mlxtui.text import safe_line
from mlxtui.tui.figures import size


def picked(settings: Settings, flags: Mapping[str, Any]) -> str | None:
    """Asks nothing where a model is named anywhere, where nobody sits at a terminal, and where there is no choice."""
    if settings.replay or is_given("model", flags) or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    entries = [entry for entry in disk.beside_it(settings.model_folders) if not entry.trouble]
    return _ask(entries) if entries else None


def _ask(entries: Sequence[Entry]) -> str | None:
    width = max(len(entry.name) for entry in entries)
    print("Models on this machine:")
    for number, entry in enumerate(entries, 1):
        about = f"{size(entry.size_bytes):>8}  {entry.quantisation or '-':<7}  {entry.fit}"
        print(f"  {number:>2}  {safe_line(entry.name):<{width}}  {about}")
    while True:
        answer = input(f"Which one? [1-{len(entries)}, Enter: {EMBEDDED_MODEL}, a toy that comes along] ").strip()
        if not answer:
            return None
        if (meant := _meant(answer, entries)) is not None:
            return meant.id
        print(f"there is no {safe_line(answer, 80)!r} in the list")


def _meant(answer: str, entries: Sequence[Entry]) -> Entry | None:
    """By its number or by its name."""
    if answer.isascii() and answer.isdigit():
        return entries[int(answer) - 1] if 1 <= int(answer) <= len(entries) else None
    return disk.find(answer, entries)
