"""What the screens of one table with a filter under it have in common. Their keys are their own."""

from __future__ import annotations

from textual.screen import Screen
from textual.widget import Widget

from mlxtui.tui.view import View
from mlxtui.tui.widgets.filter import Filter


class FilteredScreen(Screen[None]):
    """A subclass has a `_table`, and a `draw` that keeps in `_view` what it drew."""

    _view: View | None = None

    @property
    def _table(self) -> Widget:
        raise NotImplementedError

    @property
    def _filter(self) -> Filter:
        return self.query_one(Filter)

    def draw(self, view: View) -> None:
        raise NotImplementedError

    def _redraw(self) -> None:
        if self._view is not None and self.is_mounted:
            self.draw(self._view)

    def on_input_changed(self) -> None:
        self._redraw()

    def on_input_submitted(self) -> None:
        self._table.focus()
        self._filter.close()

    def action_filter(self) -> None:
        self._filter.open()

    def action_unfilter(self) -> None:
        """From another pane, back to the table first."""
        if self._table.has_focus or self._filter.has_focus:
            self._filter.clear()
        self._table.focus()
