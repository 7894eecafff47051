"""A small picture in text: bars over client counts. Pure; knows no terminal but its width."""

from __future__ import annotations

from collections.abc import Sequence

from mlxtui.bench import figures

_EIGHTHS = " ▏▎▍▌▋▊▉"


def bars(groups: Sequence[tuple[str, Sequence[tuple[str, float]]]], width: int) -> list[str]:
    """A line for each (name, value), as long as its value; the name of a group stands before its first line."""
    values = [value for _, rows in groups for _, value in rows]
    if not values or max(values) <= 0:
        return []
    heads = max(len(head) for head, _ in groups)
    names = max(len(name) for _, rows in groups for name, _ in rows)
    room = max(8, width - heads - names - 12)
    lines = []
    for head, rows in groups:
        for place, (name, value) in enumerate(rows):
            shown = "" if place else head
            lines.append(f"{shown:>{heads}}  {name:<{names}}  {bar(value / max(values) * room)} {figures.rate(value)}")
    return lines


def bar(length: float) -> str:
    """So many columns, in eighths; never quite nothing."""
    eighths = max(1, round(length * 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
