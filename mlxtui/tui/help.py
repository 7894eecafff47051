"""The help text of a screen, from the bindings that are active on it and what it says of itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.binding import Binding

from mlxtui.tui.text import Line

WIDTH = 12


def filter_lines(what: str, fields: Iterable[str], example: str) -> list[Line]:
    """How to filter `what` (rows, lines) by these fields; `example` looks at one of them."""
    return [
        (("Filter", "head"),),
        ((f"{'text':<{WIDTH}}  ", "accent"), (f"{what} with this text in any field", "")),
        ((f"{'!text':<{WIDTH}}  ", "accent"), (f"{what} without it", "")),
        ((f"{example:<{WIDTH}}  ", "accent"), (f"in one field: {' '.join(fields)}", "")),
        ((f"{'!' + example:<{WIDTH}}  ", "accent"), ("not in it; all words must hold", "")),
    ]


def help_lines(bindings: Iterable[Binding], display: dict[str, str], more: Sequence[Line]) -> list[Line]:
    """`display` has the name of each key as people know it; `more` is what else the screen has to say."""
    keys: dict[tuple[str, str], list[str]] = {}
    for binding in bindings:
        said = binding.tooltip or binding.description
        if said and binding.id and not binding.system:
            keys.setdefault((binding.action, said), []).append(display[binding.key])
    lines: list[Line] = [(("Keys", "head"),)]
    lines += [((f"{' '.join(names):<{WIDTH}}  ", "accent"), (said, "")) for (_, said), names in keys.items()]
    lines.append(((f"{'^p':<{WIDTH}}  ", "accent"), ("The palette: every command by name", "")))
    return [*lines, (), *more]
