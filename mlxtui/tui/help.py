"""The help text of a screen, from the bindings that are active on it and what it says of itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.binding import Binding

from mlxtui.tui.text import Line

WIDTH = 12

FILTER: list[Line] = [
    (("Filter", "head"),),
    (("opencode      ", "accent"), ("rows with this text in id, state, client, model, endpoint or error", "")),
    (("!zed          ", "accent"), ("rows without it", "")),
    (("state:decode  ", "accent"), ("one field: id state client model endpoint status error", "")),
    (("!client:curl  ", "accent"), ("and so on; all words must hold", "")),
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
