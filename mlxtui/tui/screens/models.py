"""Models: what is on the server's machine and whether its memory will do, load, unload, download, remove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size

from mlxtui.client import ModelAction, ServerClient
from mlxtui.errors import MlxtuiError
from mlxtui.models.entry import Entry
from mlxtui.tui.figures import size
from mlxtui.tui.help import filter_lines
from mlxtui.tui.library import FIELDS, about, chosen, download_line
from mlxtui.tui.readonly import offered
from mlxtui.tui.screens.ask import Ask, Choice
from mlxtui.tui.screens.filtered import FilteredScreen
from mlxtui.tui.screens.hub import HubScreen
from mlxtui.tui.text import Line, one_line
from mlxtui.tui.view import Painted, View
from mlxtui.tui.widgets.filter import Filter
from mlxtui.tui.widgets.header import header
from mlxtui.tui.widgets.keys import Keys
from mlxtui.tui.widgets.models import ModelsTable
from mlxtui.tui.widgets.panel import Panel
from mlxtui.tui.widgets.titles import entitle


class ModelsScreen(FilteredScreen):
    AUTO_FOCUS = "ModelsTable"
    HELP_LINES = filter_lines("models", FIELDS, "memory:fits")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "load", "load", key_display="⏎", id="models.load", tooltip="Load this model"),
        Binding("u", "unload", "unload", id="models.unload", tooltip="Unload the model; the server stays up"),
        Binding("d", "download", "download", id="models.download", tooltip="Download a model from the Hub"),
        Binding("x", "cancel", "cancel download", id="models.cancel", tooltip="Stop a download; what is here is kept"),
        Binding("r", "remove", "remove", id="models.remove", tooltip="Delete this model from the disk (asks first)"),
        Binding("slash", "filter", "filter", key_display="/", id="models.filter", tooltip="Show only some models"),
        Binding(
            "escape", "unfilter", "Clear filter", show=False, id="models.unfilter", tooltip="Show all models again"
        ),
    ]

    def __init__(self, client: ServerClient) -> None:
        super().__init__()
        self._client = client
        self._entries: Sequence[Entry] = ()
        self._trouble = "asking the server…"
        self._told: object = None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return offered(self, action)

    def compose(self) -> ComposeResult:
        yield Panel(header, id="header")
        yield ModelsTable(id="models")
        yield Panel(_downloads, id="downloads")
        yield Panel(self._about, id="about")
        yield Filter("text  !not  memory:fits  from:hub  weights:4-bit")
        yield Keys(id="keys")

    def on_screen_resume(self) -> None:
        self._told = None

    @property
    def _table(self) -> ModelsTable:
        return self.query_one(ModelsTable)

    def draw(self, view: View) -> None:
        """Ask again for the list whenever the feed tells of something that may have changed it."""
        self._view = view
        state = view.state
        told = (state.model.status, state.model.name, [(each.model, each.status) for each in state.downloads.values()])
        if view.link.status == "connected" and told != self._told:
            self._told = told
            self.run_worker(self._refresh(), name="models", exclusive=True, group="models")
        self.query_one("#downloads").display = bool(state.downloads)
        table, query = self._table, self._filter.words
        table.model = state.model
        table.show(chosen(self._entries, query), self._empty(query))
        entitle(table, f"models: {len(self._entries)}" + (f" · {len(table.rows)} match {query!r}" if query else ""))
        for panel in self.query(Panel):
            panel.draw(view)

    async def _refresh(self) -> None:
        try:
            self._entries, self._trouble = await self._client.models(), ""
        except (MlxtuiError, ValueError) as error:
            self._trouble = str(error)
        self._redraw()

    def _empty(self, query: str) -> list[Line]:
        if self._trouble:
            return [((self._trouble, "dim"),)]
        return [(("no model matches ", "dim"), (query, "bold"), ("   (esc shows all)", "dim"))]

    def _about(self, view: View, area: Size) -> Painted:
        return Painted(about(self._table.selected, view.state.model)[: area.height], title="this model")

    def on_models_table_opened(self) -> None:
        self.action_load()

    def action_load(self) -> None:
        entry = self._table.selected
        if entry is None or entry.loaded or not offered(self, "load"):
            return
        if entry.trouble and entry.source == "hub":
            self._after_asking("pull", entry.id, f"Download the rest of {entry.name}?", "download it", [entry.trouble])
            return
        doubts = self._at_stake()
        if entry.fit == "too big":
            doubts = [f"its {size(entry.weights_bytes)} are more than this machine can give", *doubts]
        self._after_asking("load", entry.id, f"Load {entry.name}?", "load it", doubts)

    def action_unload(self) -> None:
        loaded = next((entry for entry in self._entries if entry.loaded), None)
        name = loaded.name if loaded else "the model"
        self._after_asking("unload", "", f"Unload {name}?", "unload it", self._at_stake())

    def _at_stake(self) -> list[str]:
        running = len(self._view.state.requests) if self._view else 0
        return [f"{running} request{'s' if running != 1 else ''} in flight"] if running else []

    def action_remove(self) -> None:
        """The server refuses what is not in the Hugging Face cache, and says why: there is nothing to ask."""
        if (entry := self._table.selected) is not None:
            freed = [f"{size(entry.size_bytes)} in the Hugging Face cache"] if entry.source == "hub" else []
            self._after_asking("remove", entry.id, f"Delete {entry.name} from the disk?", "delete it", freed)

    def action_download(self) -> None:
        def begin(id: str | None) -> None:
            if id is not None:
                self._run("pull", id)

        self.app.push_screen(HubScreen(self._client), begin)

    def action_cancel(self) -> None:
        """The only one at once; of several, which."""
        running = (
            [each.model for each in self._view.state.downloads.values() if each.status == "running"]
            if self._view
            else []
        )
        if len(running) == 1:
            self._run("pull/cancel", running[0])
        elif running:
            choices = [Choice(str(number), id, id) for number, id in enumerate(running, 1)]
            ask = Ask("Stop which download?", [*choices, Choice("n", "none", None)])
            self.app.push_screen(ask, lambda id: self._run("pull/cancel", id) if id else None)

    def _after_asking(self, action: ModelAction, id: str, question: str, yes: str, doubts: Sequence[str]) -> None:
        """Asked only where something is lost by it."""
        if not doubts:
            self._run(action, id)
            return
        ask = Ask(question, [Choice("y", yes, id or " "), Choice("n", "leave it", None)], " · ".join(doubts))
        self.app.push_screen(ask, lambda answer: self._run(action, id) if answer else None)

    def _run(self, action: ModelAction, id: str) -> None:
        self.run_worker(self._changed(action, id), name=action)

    async def _changed(self, action: ModelAction, id: str) -> None:
        """What succeeds is seen on the screen; what does not is said."""
        try:
            await self._client.change_models(action, id)
        except MlxtuiError as error:
            self.notify(one_line(str(error)), severity="error", markup=False)
        self._told = None
        self._redraw()


def _downloads(view: View, area: Size) -> Painted:
    """Those under way first, then how the last ones ended."""
    newest = [*reversed(view.state.downloads.values())]
    ordered = sorted(newest, key=lambda each: each.status != "running")
    return Painted([download_line(each, area.width) for each in ordered[: area.height]], title="downloads")
