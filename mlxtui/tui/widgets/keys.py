"""The bottom line: the keys that work here, as many as fit; the last ones (help, quit) always do. Clickable."""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from mlxtui.tui.text import Line, cells
from mlxtui.tui.widgets.panel import TONE_CLASSES, to_strip

KEPT = 2  # at the end of the line, always shown
GAP = "  "


class Keys(Widget):
    COMPONENT_CLASSES = TONE_CLASSES

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, _: Screen[object]) -> None:
        self.refresh()

    def _shown(self) -> list[Binding]:
        """Bindings with a place on the line, once per action, cut to the width."""
        active = self.screen.active_bindings.values()
        bindings = list({each.binding.action: each.binding for each in active if each.binding.show}.values())
        while len(bindings) > KEPT and cells(self._line(bindings)) > self.content_size.width:
            del bindings[-KEPT - 1]
        return bindings

    def _line(self, bindings: list[Binding]) -> Line:
        line: Line = ()
        for binding in bindings:
            line = (*line, *_hint(self.app.get_key_display(binding), binding.description), (GAP, ""))
        return line[:-1]

    def render_line(self, y: int) -> Strip:
        return to_strip(self, self._line(self._shown()), self.content_size.width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        x = event.x - self.content_offset.x
        for binding in self._shown():
            x -= cells(_hint(self.app.get_key_display(binding), binding.description)) + len(GAP)
            if x < 0:
                self.app.simulate_key(binding.key)
                return


def _hint(key: str, description: str) -> Line:
    return ((key, "accent"), (f" {description}", "dim"))
