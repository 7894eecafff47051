"""One request from the inside: what was sent, the prompt token by token, what comes back, the wire, where time went."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen

from mlxtui.client import ServerClient
from mlxtui.row import Row
from mlxtui.tui.dossier import request_json, request_markdown
from mlxtui.tui.facts import facts
from mlxtui.tui.figures import percent
from mlxtui.tui.inspected import Inspected
from mlxtui.tui.messages import CancelAsked, CopyAsked, ExportAsked, SnippetKind
from mlxtui.tui.parted import notes, parting
from mlxtui.tui.readonly import offered
from mlxtui.tui.text import Line, one_line
from mlxtui.tui.transcript import answer_lines, chain_lines, message_lines, miss_lines
from mlxtui.tui.view import Painted, View
from mlxtui.tui.widgets.bar import Tab
from mlxtui.tui.widgets.columns import short_id
from mlxtui.tui.widgets.filter import Filter
from mlxtui.tui.widgets.keys import Keys
from mlxtui.tui.widgets.pager import Pager
from mlxtui.tui.widgets.panel import Panel
from mlxtui.tui.widgets.tabs import TabLine
from mlxtui.tui.widgets.timing import timing
from mlxtui.tui.widgets.tokens import TokenPager
from mlxtui.tui.wired import MARGIN, answer_sent_lines, sent_lines

TABS = (
    Tab("m", "messages", "Messages"),
    Tab("p", "prompt", "Prompt"),
    Tab("o", "output", "Output"),
    Tab("r", "raw", "Raw"),
    Tab("w", "sent", "Wire in"),
    Tab("W", "answered", "Wire out"),
)
NAMES = [tab.mode for tab in TABS]
TIPS = (
    "What the client sent: the conversation, tools and parameters",
    "The prompt as the model got it, token by token, and what of it was cached",
    "What comes back: reasoning, content and calls apart",
    "What the model really says, token by token, markup and all",
    "The request on the wire: headers and JSON",
    "The answer on the wire: headers, JSON or events with their times",
)
OF_TOKENS = ("prompt", "raw")
LOOKED_AT = {"prompt": "prompt", "raw": "raw", "sent": "wire", "answered": "wire"}
"""What has to be asked for when a pane is shown."""


LEGEND: list[Line] = [
    (("Prompt", "head"),),
    (("█  ", "good"), ("from the cache, on a green ground   ", ""), ("░  ", "dim"), ("computed   ", "")),
    (
        ("⏎ ⇥ ∅", "dim"),
        ("  a line feed, a tab, a token without text; ", ""),
        ("bold", "bold"),
        (" markers of templates", ""),
    ),
]


class InspectorScreen(Screen[None]):
    AUTO_FOCUS = "#output-text"
    HELP_LINES = LEGEND
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", id="inspector.back", tooltip="Back to the requests"),
        Binding("tab,right,l", "tab(1)", "tabs", key_display="tab", id="inspector.right", tooltip="The next tab"),
        Binding("shift+tab,left,h", "tab(-1)", "tabs", show=False, id="inspector.left", tooltip="The tab before"),
        *(
            Binding(tab.key, f"show('{tab.mode}')", tab.name, show=False, id=f"inspector.{tab.mode}", tooltip=tip)
            for tab, tip in zip(TABS, TIPS, strict=True)
        ),
        Binding("slash", "find", "find", key_display="/", id="inspector.find", tooltip="Find a text in this pane"),
        Binding("n", "find_on(1)", "Next", show=False, id="inspector.found_next", tooltip="The next place it is at"),
        Binding("N", "find_on(-1)", "Before", show=False, id="inspector.found_before", tooltip="The place before"),
        Binding("x", "cancel", "cancel", id="inspector.cancel", tooltip="Cancel this request (asks first)"),
        Binding("e", "export", "export", id="inspector.export", tooltip="Write all of it to a file (JSON, Markdown)"),
        Binding("y", "copy('curl')", "curl", id="inspector.curl", tooltip="Copy this request as a curl command"),
        Binding("Y", "copy('python')", "Python", show=False, id="inspector.python", tooltip="Copy it as Python"),
    ]

    def __init__(self, client: ServerClient, request: str) -> None:
        super().__init__()
        self.request = request
        self.inspected = Inspected(client, request)
        self._drawn: dict[str, tuple[object, ...]] = {}
        self._view: View | None = None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return offered(self, action)

    def compose(self) -> ComposeResult:
        yield Panel(self._facts, id="facts")
        yield Panel(self._timing, id="timing")
        yield TabLine(TABS, "output", id="tabs")
        with Horizontal(id="panes", classes="output"):
            for tab in TABS:
                id = f"{tab.mode}-text"
                pane = TokenPager(id=id) if tab.mode in OF_TOKENS else Pager(id=id, hang=MARGIN)
                pane.border_title = Content(tab.name.lower())
                yield pane
        yield Filter("text to find; n the next place, N the one before")
        yield Keys(id="keys")

    def on_mount(self) -> None:
        self.run_worker(self.inspected.follow())

    @property
    def tab(self) -> str:
        return self.query_one(TabLine).shown

    def draw(self, view: View) -> None:
        self._view = view
        row = view.state.row(self.request)
        for panel in self.query(Panel):
            panel.draw(view)
        shown = [name for name in NAMES if self._pane(name).display]
        for what in {LOOKED_AT[name] for name in shown if name in LOOKED_AT}:
            if self.inspected.due(what, row, view.now):
                self.run_worker(self.inspected.look(what, row, view.now))
        for name in shown:
            getattr(self, f"_draw_{name}")(row)

    def _draw_messages(self, row: Row | None) -> None:
        told = self.inspected.body
        if self._news("messages", told):
            body = told.get("request")
            sent = message_lines(body if isinstance(body, dict) else {})
            self._lines("messages").show([*miss_lines(told.get("miss")), *chain_lines(told.get("chain")), *sent])

    def _draw_output(self, row: Row | None) -> None:
        error = self.inspected.trouble.get("body") or (row.error if row is not None else None)
        lines = answer_lines(self.inspected.answer, error, self.inspected.live)
        self._lines("output").show(lines, follow=self.inspected.grew)

    def _draw_prompt(self, row: Row | None) -> None:
        pane, known = self._tokens("prompt"), self.inspected
        if not known.prompt.texts:
            pane.say(known.trouble.get("prompt", "rendering…"))
            return
        told, miss = known.prompt_told, known.body.get("miss")
        cached = told.get("cached")
        pane.note = "" if cached is None else f"█ {percent(cached / max(1, known.prompt.tokens))} cached"
        pane.done = row.prefill_done if row is not None and row.state == "prefill" else None
        pane.show(known.prompt, cached or 0, notes(told, miss, known.prompt.tokens), parting(miss, cached))

    def _draw_raw(self, row: Row | None) -> None:
        pane, known = self._tokens("raw"), self.inspected
        if not known.raw.texts:
            waiting = "waiting for the first token…" if known.live else "the model said nothing"
            pane.say(known.trouble.get("raw", waiting))
            return
        left_out = known.raw_told.get("left_out") or 0
        pane.note = f"{left_out} more are not kept" if left_out else ""
        pane.show(known.raw, follow=known.grew)

    def _draw_sent(self, row: Row | None) -> None:
        known = self.inspected
        shown = known.body, known.wire, known.trouble.get("wire")
        if self._news("sent", *shown):
            self._lines("sent").show(sent_lines(*shown))

    def _draw_answered(self, row: Row | None) -> None:
        known = self.inspected
        shown = known.wire, known.live, known.trouble.get("wire")
        if self._news("answered", *shown):
            self._lines("answered").show(answer_sent_lines(*shown), follow=known.grew)

    def _news(self, tab: str, *shown: object) -> bool:
        """Whether any of it is another object than when this tab was drawn last: laying bodies out takes time."""
        before = self._drawn.get(tab, ())
        self._drawn[tab] = shown
        return [*map(id, before)] != [*map(id, shown)]

    def _facts(self, view: View, area: Size) -> Painted:
        return Painted(facts(view, self.request, self.inspected.body, area.width))

    def _timing(self, view: View, area: Size) -> Painted:
        row = view.state.row(self.request)
        return Painted(timing(row, view.now, area.width) if row is not None else [])

    def _pane(self, tab: str) -> Pager | TokenPager:
        return self._tokens(tab) if tab in OF_TOKENS else self._lines(tab)

    def _lines(self, tab: str) -> Pager:
        return self.query_one(f"#{tab}-text", Pager)

    def _tokens(self, tab: str) -> TokenPager:
        return self.query_one(f"#{tab}-text", TokenPager)

    def on_tab_line_chosen(self, event: TabLine.Chosen) -> None:
        self.action_show(event.tab)

    def action_show(self, tab: str) -> None:
        """The style sheet shows the panes that belong to the tab: in a wide terminal two together."""
        self.query_one(TabLine).shown = tab
        self.query_one("#panes").set_classes(tab)
        self._pane(tab).focus()
        self.app.call_after_refresh(self.app.draw)  # type: ignore[attr-defined]

    def action_tab(self, by: int) -> None:
        self.action_show(NAMES[(NAMES.index(self.tab) + by) % len(NAMES)])

    def action_back(self) -> None:
        """From the line of what is looked for to the pane first."""
        box = self.query_one(Filter)
        if not box.display:
            self.app.pop_screen()
            return
        self._pane(self.tab).focus()
        box.clear()

    def action_find(self) -> None:
        self.query_one(Filter).open()

    def on_input_submitted(self) -> None:
        self._pane(self.tab).focus()
        self.query_one(Filter).close()
        self.action_find_on(1)

    def action_find_on(self, by: int) -> None:
        words, pane = self.query_one(Filter).words, self._pane(self.tab)
        if not words:
            self.action_find()
        elif not pane.find(words, by):
            self.notify(f"{one_line(words)} is not there.", markup=False)

    def action_cancel(self) -> None:
        self.post_message(CancelAsked(self.request))

    def action_export(self) -> None:
        self.run_worker(self._export(), exclusive=True, group="export")

    async def _export(self) -> None:
        """What nobody has looked at yet is asked for first."""
        if (view := self._view) is None:
            return
        known, row = self.inspected, view.state.row(self.request)
        await known.look_at_all(row, view.now)
        forms = {
            "json": ("JSON", lambda: request_json(known, row)),
            "md": ("Markdown", lambda: request_markdown(known, row, view.now)),
        }
        self.post_message(ExportAsked(f"request-{short_id(self.request)}", forms))

    def action_copy(self, kind: SnippetKind) -> None:
        self.post_message(CopyAsked(self.request, kind))
