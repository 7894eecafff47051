"""What is in memory: the engine's use against the machine's, the weights, the prompt cache."""

from __future__ import annotations

from textual.geometry import Size

from mlxtui.tui.figures import bar, count, size
from mlxtui.tui.text import Line, joined
from mlxtui.tui.view import Painted, View


def memory(view: View, area: Size) -> Painted:
    used, model, machine = view.state.memory, view.state.model, view.state.server.memory_bytes
    active = max(used.active_bytes, model.weights_bytes if model.status == "ready" else 0)
    lines: list[Line] = [
        _with((("active   ", "dim"), (size(active), "bold")), f"of {size(machine)}" if machine else "", area),
        (("weights  ", "dim"), (size(model.weights_bytes), "")),
        _with((("cache    ", "dim"), (size(used.cache_bytes), "")), f"{count(used.cache_entries)} kept", area),
        (("peak     ", "dim"), (size(used.peak_bytes), "")),
    ]
    if machine and area.height > len(lines):
        share = active / machine
        lines.insert(1, ((bar(share, area.width), "bad" if share > 0.9 else "warn" if share > 0.75 else "accent"),))
    return Painted(lines[: area.height], title="memory")


def _with(line: Line, more: str, area: Size) -> Line:
    return joined([line, ((more, "dim"),)], "  ", area.width)
