"""One request from the inside: its messages as sent, its output as it grows, where its time went, the wire JSON."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Tab, Tabs

from mlxtui.answer import Answer
from mlxtui.client import ServerClient
from mlxtui.errors import MlxtuiError
from mlxtui.row import Row
from mlxtui.tui.figures import count, duration, percent, rate
from mlxtui.tui.messages import CancelAsked, CopyAsked, SnippetKind
from mlxtui.tui.text import Line, joined
from mlxtui.tui.transcript import answer_lines, chain_lines, message_lines, miss_lines, wire_lines
from mlxtui.tui.view import Painted, View
from mlxtui.tui.widgets.columns import Moment, short_id, state_cell
from mlxtui.tui.widgets.keys import Keys
from mlxtui.tui.widgets.pager import Pager
from mlxtui.tui.widgets.panel import Panel
from mlxtui.tui.widgets.timing import timing

TABS = ("messages", "output", "wire")


class InspectorScreen(Screen[None]):
    AUTO_FOCUS = "#output-text"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back", id="inspector.back", tooltip="Back to the requests"),
        Binding("left", "tab(-1)", "tabs", key_display="←→", id="inspector.left", tooltip="The tab to the left"),
        Binding("right", "tab(1)", "tabs", show=False, id="inspector.right", tooltip="The tab to the right"),
        Binding("m", "show('messages')", "Messages", show=False, id="inspector.messages", tooltip="What was sent"),
        Binding("o", "show('output')", "Output", show=False, id="inspector.output", tooltip="What the model says"),
        Binding("w", "show('wire')", "Wire", show=False, id="inspector.wire", tooltip="The JSON on the wire"),
        Binding("x", "cancel", "cancel", id="inspector.cancel", tooltip="Cancel this request (asks first)"),
        Binding("y", "copy('curl')", "curl", id="inspector.curl", tooltip="Copy this request as a curl command"),
        Binding("Y", "copy('python')", "Python", id="inspector.python", tooltip="Copy it as Python"),
    ]

    def __init__(self, client: ServerClient, request: str) -> None:
        super().__init__()
        self.request = request
        self.answer = Answer()
        self._client = client
        self._trouble = ""
        self._live = True
        self._grew = False

    def compose(self) -> ComposeResult:
        yield Panel(self._facts, id="facts")
        yield Panel(self._timing, id="timing")
        yield Tabs(*(Tab(name.capitalize(), id=name) for name in TABS), active="output")
        with Horizontal(id="panes", classes="output"):
            for name in TABS:
                pager = Pager(id=f"{name}-text")
                pager.border_title = name
                yield pager
        yield Keys(id="keys")

    def on_mount(self) -> None:
        self.run_worker(self._load())

    async def _load(self) -> None:
        """The body at once; the output as it grows; the whole again when it is complete."""
        try:
            finished = self._take(await self._client.inspect(self.request))
            if not finished:
                self._grew = True
                async with aclosing(self._client.output(self.request)) as answers:
                    async for self.answer in answers:
                        pass
                self._take(await self._client.inspect(self.request))
        except MlxtuiError as error:
            self._trouble = str(error)
        self._live = False

    def _take(self, inspected: dict[str, Any]) -> bool:
        body = inspected.get("request")
        sent = message_lines(body if isinstance(body, dict) else {})
        self._pager("messages").show([*miss_lines(inspected.get("miss")), *chain_lines(inspected.get("chain")), *sent])
        self._pager("wire").show(wire_lines(inspected))
        self.answer = Answer.from_json(inspected.get("output"))
        return bool(inspected.get("finished"))

    def draw(self, view: View) -> None:
        row = view.state.row(self.request)
        for panel in self.query(Panel):
            panel.draw(view)
        error = self._trouble or (row.error if row is not None else None)
        self._pager("output").show(answer_lines(self.answer, error, self._live), follow=self._grew)

    def _facts(self, view: View, area: Size) -> Painted:
        row = view.state.row(self.request)
        if row is None:
            return Painted([((short_id(self.request), "bold"), ("  no longer in the list", "dim"))])
        who: list[Line] = [
            ((row.id, "bold"),),
            (state_cell(row, Moment(view.now, view.state.queue())),),
            ((row.endpoint, ""),),
            (("from ", "dim"), (row.client, "")),
            (("model ", "dim"), (row.model, "")),
        ]
        return Painted([joined(who, "   ", area.width), joined(_figures(row, view.now), "   ", area.width)])

    def _timing(self, view: View, area: Size) -> Painted:
        row = view.state.row(self.request)
        return Painted(timing(row, view.now, area.width) if row is not None else [])

    def _pager(self, tab: str) -> Pager:
        return self.query_one(f"#{tab}-text", Pager)

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        """The style sheet shows the panes that belong to the tab: in a wide terminal messages and output together."""
        tab = event.tab.id or "output"
        self.query_one("#panes").set_classes(tab)
        self._pager(tab).focus()

    def action_show(self, tab: str) -> None:
        self.query_one(Tabs).active = tab

    def action_tab(self, by: int) -> None:
        active = self.query_one(Tabs).active
        self.action_show(TABS[(TABS.index(active) + by) % len(TABS)])

    def action_cancel(self) -> None:
        self.post_message(CancelAsked(self.request))

    def action_copy(self, kind: SnippetKind) -> None:
        self.post_message(CopyAsked(self.request, kind))


def _figures(row: Row, now: float) -> list[Line]:
    return [
        (("prompt ", "dim"), (count(row.prompt_tokens), "")),
        (("cached ", "dim"), (percent(row.cached_share()), "")),
        (("out ", "dim"), (count(row.completion_tokens), "")),
        (("tok/s ", "dim"), (rate(row.rate(now)), "decode")),
        (("TTFT ", "dim"), (duration(row.ttft), "")),
        (("status ", "dim"), (str(row.status or "-"), "")),
    ]
