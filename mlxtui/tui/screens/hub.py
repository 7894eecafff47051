"""Looking for a model on the Hub, over the screen: words are typed, the id to download is what it is dismissed with."""

from __future__ import annotations

import re
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from mlxtui.client import ServerClient
from mlxtui.errors import MlxtuiError
from mlxtui.models.hub import Hit
from mlxtui.tui.text import Line
from mlxtui.tui.widgets.keys import Keys
from mlxtui.tui.widgets.models import HitsTable

ID = re.compile(r"[\w.-]+/[\w.-]+")
HINT: list[Line] = [
    (("type part of a name and press enter: ", "dim"), ("qwen3-4b", "bold")),
    (("or the whole id of a model:          ", "dim"), ("mlx-community/Qwen3-4B-4bit", "bold")),
]


class HubScreen(ModalScreen[str | None]):
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "back", id="hub.back", tooltip="Back to the models"),
        Binding("slash", "again", "search again", key_display="/", id="hub.again", tooltip="Search for something else"),
        Binding("down", "results", "Results", show=False, id="hub.results", tooltip="To what was found"),
    ]

    def __init__(self, client: ServerClient) -> None:
        super().__init__()
        self._client = client

    def compose(self) -> ComposeResult:
        with Vertical(id="hub") as box:
            box.border_title = Content("download a model from the Hugging Face Hub")
            yield Input(placeholder="name or id", id="query", compact=True)
            yield HitsTable(id="hits")
            yield Keys(id="keys")

    def on_mount(self) -> None:
        self._table.show([], HINT)

    @property
    def _table(self) -> HitsTable:
        return self.query_one(HitsTable)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if text := event.value.strip():
            self._table.show([], [((f"searching for {text!r}…", "dim"),)])
            self.run_worker(self._search(text), name="hub", exclusive=True)

    async def _search(self, text: str) -> None:
        """An id as it was typed stands first: the search may not know it."""
        typed = [Hit(text, 0, None, 0, "")] if ID.fullmatch(text) else []
        try:
            hits = await self._client.search_hub(text)
        except MlxtuiError as error:
            self._table.show(typed, [((str(error), "bad"),)])
            return
        known = {hit.id for hit in hits}
        found = [*(hit for hit in typed if hit.id not in known), *hits]
        self._table.show(found, [(("no MLX model has that in its name; try fewer letters", "dim"),)])
        if found:
            self._table.focus()

    def on_hits_table_opened(self, message: HitsTable.Opened) -> None:
        self.dismiss(message.id)

    def action_again(self) -> None:
        self.query_one(Input).focus()

    def action_results(self) -> None:
        if self._table.rows:
            self._table.focus()
