"""Cache: what the prompt cache keeps, for whom, and why what went had to go; pin and drop.

Asked of the server once a second while the screen is shown. It knows no more than the server tells.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import Screen

from mlxtui.client import ServerClient
from mlxtui.errors import MlxtuiError
from mlxtui.kept import Cache, CacheAction, Kept
from mlxtui.tui.figures import count, size
from mlxtui.tui.readonly import offered
from mlxtui.tui.screens.ask import Ask, Choice
from mlxtui.tui.text import Line, one_line
from mlxtui.tui.view import Painted, View
from mlxtui.tui.widgets.budget import budget, gone
from mlxtui.tui.widgets.header import header
from mlxtui.tui.widgets.kepttable import KeptTable
from mlxtui.tui.widgets.keys import Keys
from mlxtui.tui.widgets.panel import Panel
from mlxtui.tui.widgets.requests import RequestsTable
from mlxtui.tui.widgets.titles import entitle

PACE = 1.0  # seconds between two questions


class CacheScreen(Screen[None]):
    AUTO_FOCUS = "KeptTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pin", "pin", id="cache.pin", tooltip="Let this entry go last, or in its turn again"),
        Binding("d", "drop", "drop", id="cache.drop", tooltip="Drop this entry (asks first)"),
    ]

    def __init__(self, client: ServerClient) -> None:
        super().__init__()
        self._client = client
        self._cache: Cache | None = None
        self._trouble = ""
        self._asking = False

    def compose(self) -> ComposeResult:
        yield Panel(header, id="header")
        yield Panel(self._budget, id="budget")
        yield KeptTable(id="kept")
        yield Panel(self._gone, id="gone")
        yield Keys(id="keys")

    def on_mount(self) -> None:
        self._timer = self.set_interval(PACE, self._look)

    def on_screen_resume(self) -> None:
        self._timer.resume()
        self._look()

    def on_screen_suspend(self) -> None:
        self._timer.pause()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return offered(self, action)

    def _look(self) -> None:
        if not self._asking:  # a server that is slow to answer is not asked again meanwhile
            self._asking = True
            self.run_worker(self._poll())

    async def _poll(self) -> None:
        await self._take(self._client.cache())
        self._asking = False

    async def _take(self, answer: Awaitable[Cache]) -> None:
        try:
            self._cache, self._trouble = await answer, ""
        except MlxtuiError as error:
            self._trouble = str(error)

    def draw(self, view: View) -> None:
        if view.paused:
            return
        for panel in self.query(Panel):
            panel.draw(view)
        entries = self._cache.entries if self._cache else ()
        table = self.query_one(KeptTable)
        table.draw(entries, view.now, [self._empty()])
        entitle(table, "kept" if not self._trouble else f"kept: {self._trouble}")

    def _empty(self) -> Line:
        said = "nothing is kept yet: the first answered request will be" if self._cache else "asking the server…"
        return ((self._trouble or said, "dim"),)

    def _budget(self, view: View, area: Size) -> Painted:
        return Painted(budget(self._cache or Cache(), view.state.hit_rate(), area.width), title="prompt cache")

    def _gone(self, view: View, area: Size) -> Painted:
        return Painted(gone(self._cache or Cache(), view.now, area.width, area.height), title="had to go")

    @property
    def _selected(self) -> Kept | None:
        return self.query_one(KeptTable).selected

    def on_kept_table_opened(self, message: KeptTable.Opened) -> None:
        if message.kept.request:
            self.post_message(RequestsTable.Inspected(message.kept.request))

    def action_pin(self) -> None:
        if (kept := self._selected) is not None:
            self.run_worker(self._change("unpin" if kept.pinned else "pin", kept.id))

    def action_drop(self) -> None:
        if (kept := self._selected) is not None:
            question = f"Drop {count(kept.tokens)} tokens ({size(kept.nbytes)})?"
            choices = [Choice("y", "drop it", kept.id), Choice("n", "keep it", None)]
            self.app.push_screen(Ask(question, choices, kept.opening), self._drop)

    def _drop(self, id: str | None) -> None:
        if id is not None:
            self.run_worker(self._change("drop", id))

    async def _change(self, action: CacheAction, id: str) -> None:
        await self._take(self._client.change_cache(action, id))
        if self._trouble:
            self.notify(one_line(self._trouble), severity="error", markup=False)
