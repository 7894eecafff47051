"""Chat: conversations with the served model, through the HTTP API that everybody uses, kept between runs.

Several may be answered at the same time, also while another screen is shown. A letter is a command where the text is
read, and a letter where it is written.
"""

from __future__ import annotations

import json
from dataclasses import replace
from operator import itemgetter
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList
from textual.widgets.option_list import Option
from textual.worker import Worker

from mlxtui import dialogue
from mlxtui.client import ServerClient
from mlxtui.dialogue import Conversation, Setup
from mlxtui.dialogues import NotKept, Shelf
from mlxtui.settings import state_home
from mlxtui.tui.messages import InspectAsked, TextCopyAsked
from mlxtui.tui.screens.ask import Ask, Choice
from mlxtui.tui.screens.form import Field, Form
from mlxtui.tui.talking import Page
from mlxtui.tui.talks import Talks
from mlxtui.tui.text import Line, one_line
from mlxtui.tui.view import View
from mlxtui.tui.widgets.columns import Moment, state_cell
from mlxtui.tui.widgets.composer import Composer
from mlxtui.tui.widgets.header import header
from mlxtui.tui.widgets.keys import Keys
from mlxtui.tui.widgets.pager import Pager
from mlxtui.tui.widgets.panel import Panel
from mlxtui.tui.widgets.titles import entitle


class ChatScreen(Screen[None]):
    AUTO_FOCUS = "Composer"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "stop/read", id="chat.leave", tooltip="Stop the answer; then: leave the text field"),
        Binding("i", "write", "write", id="chat.write", tooltip="Write a message"),
        Binding("n", "new", "new", id="chat.new", tooltip="A new conversation"),
        Binding("r", "retry", "retry", id="chat.retry", tooltip="Ask for the last answer again"),
        Binding("e", "edit", "edit", id="chat.edit", tooltip="Change the last question and ask anew"),
        Binding("u", "unfold", "reasoning", id="chat.unfold", tooltip="Unfold the reasoning, and fold it"),
        Binding("p", "setup", "setup", id="chat.setup", tooltip="System prompt, sampling and tools"),
        Binding("y", "copy", "copy", id="chat.copy", tooltip="Copy the last answer"),
        Binding("Y", "copy_all", "Copy all", show=False, id="chat.copy_all", tooltip="Copy the conversation as JSON"),
        Binding("l", "list", "list", id="chat.list", tooltip="The list of conversations"),
        Binding(
            "left_square_bracket", "step(-1)", "", key_display="[", show=False, id="chat.up", tooltip="The one before"
        ),
        Binding(
            "right_square_bracket", "step(1)", "", key_display="]", show=False, id="chat.down", tooltip="The next one"
        ),
        Binding("R", "rename", "Rename", show=False, id="chat.rename", tooltip="Rename the conversation"),
        Binding("D", "delete", "Delete", show=False, id="chat.delete", tooltip="Delete the conversation (asks first)"),
        Binding(
            "I", "inspect", "Inspect", show=False, id="chat.inspect", tooltip="Look into the last answer's request"
        ),
    ]

    def __init__(self, client: ServerClient) -> None:
        super().__init__()
        self._client = client
        self._asking: dict[str, Worker[None]] = {}
        self._pages: dict[str, Page] = {}
        self._unfolded = False
        self._view: View | None = None
        self._titles: list[tuple[str, str]] = []

    def compose(self) -> ComposeResult:
        yield Panel(header, id="header")
        with Horizontal(id="chat"):
            yield _talks()
            yield Pager(id="talk")
        yield Composer(id="composer")
        yield Keys(id="keys")

    def on_mount(self) -> None:
        self.talks = Talks(Shelf(state_home() / "chats"))
        for trouble in self.talks.troubles:
            self._say(trouble)

    def _say(self, trouble: str) -> None:
        self.notify(one_line(trouble), severity="warning", markup=False)

    def draw(self, view: View) -> None:
        self._view = view
        self.query_one("#header", Panel).draw(view)
        self._draw_list()
        talk, pager = self.talks.shown, self.query_one("#talk", Pager)
        page = self._pages.setdefault(talk.id, Page())
        reply = self.talks.replies.get(talk.id)
        lines = page.lines(
            talk,
            view.state.model.name or "the model",
            pager.scrollable_content_region.width,
            self._unfolded,
            reply.turn() if reply else None,
            self._stage(view, reply.request) if reply else (),
        )
        pager.show(lines or _hint(view), follow=True)
        entitle(pager, talk.title)
        box = self.query_one(Composer)
        calls = dialogue.unanswered(talk)
        entitle(box, f"result of {calls[0].name}" if calls else "message")

    def _stage(self, view: View, request: str) -> Line:
        """How far the answer is; nothing is known of its request before the server has taken it."""
        row = view.state.row(request) if request else None
        piece = state_cell(row, Moment(view.now, view.state.queue())) if row else ("◌ asking…", "dim")
        return (piece, ("   esc stops", "dim"))

    def _draw_list(self) -> None:
        """Only when it has changed: an option list lays itself out anew."""
        listed = self.talks.listed()
        titles = [(each.id, f"{self._mark(each)} {each.title}") for each in listed]
        if titles == self._titles:
            return
        self._titles = titles
        box = self.query_one("#talks", OptionList)
        box.clear_options()
        box.add_options(Option(Content(one_line(title)), id=id) for id, title in titles)
        box.highlighted = [id for id, _ in titles].index(self.talks.shown.id)

    def _mark(self, talk: Conversation) -> str:
        """Answering, shown here, or neither: not by colour alone."""
        return "▶" if talk.id in self.talks.replies else "▸" if talk.id == self.talks.shown.id else " "

    def _changed(self, to_end: bool = True) -> None:
        if self._view is not None:
            self.draw(self._view)
        if to_end:
            pager = self.query_one("#talk", Pager)
            pager.call_after_refresh(pager.scroll_end, animate=False)

    def _put(self, talk: Conversation) -> None:
        try:
            self.talks.put(talk)
        except NotKept as error:
            self._say(str(error))
        self._changed()

    def on_composer_sent(self, message: Composer.Sent) -> None:
        if self.talks.shown.id in self.talks.replies:
            self.query_one(Composer).fill(message.text)
            self._say("the last answer is still coming in: esc stops it")
            return
        self._put(dialogue.said(self.talks.shown, message.text, self.talks.now()))
        self._ask()

    def _ask(self) -> None:
        """The model's turn, if it is."""
        id = self.talks.shown.id
        if dialogue.waiting(self.talks.shown) and id not in self.talks.replies:
            self._asking[id] = self.run_worker(self._answer(id), name="chat")

    async def _answer(self, id: str) -> None:
        try:
            await self.talks.answer(self._client, id)
        except NotKept as error:
            self._say(str(error))

    def action_leave(self) -> None:
        if self.talks.shown.id in self.talks.replies:
            self._asking[self.talks.shown.id].cancel()
        else:
            self.remove_class("-listing")
            self.query_one("#talk").focus()

    def action_write(self) -> None:
        self.query_one(Composer).focus()

    def action_new(self) -> None:
        self.talks.begin()
        self._changed()
        self.action_write()

    def action_retry(self) -> None:
        if self.talks.shown.id not in self.talks.replies:
            self._put(dialogue.retried(self.talks.shown, self.talks.now()))
            self._ask()

    def action_edit(self) -> None:
        if self.talks.shown.id in self.talks.replies:
            return
        talk, text = dialogue.edited(self.talks.shown, self.talks.now())
        if text:
            self._put(talk)
            self.query_one(Composer).fill(text)
            self.action_write()

    def action_unfold(self) -> None:
        self._unfolded = not self._unfolded
        self._changed(to_end=False)

    def action_setup(self) -> None:
        self.app.push_screen(
            Form("system prompt, sampling, tools", _fields(self.talks.shown.setup), dialogue.setup_from), self._set
        )

    def _set(self, setup: Setup | None) -> None:
        if setup is not None:
            self._put(replace(self.talks.shown, setup=setup))

    def action_copy(self) -> None:
        answers = [turn.content for turn in self.talks.shown.turns if turn.role == "assistant"]
        if answers:
            self.post_message(TextCopyAsked("the last answer", answers[-1]))

    def action_copy_all(self) -> None:
        body = dialogue.request(self.talks.shown, self._client.state.model.name or "default")
        self.post_message(TextCopyAsked("the conversation", json.dumps(body, ensure_ascii=False, indent=2)))

    def action_inspect(self) -> None:
        reply = self.talks.replies.get(self.talks.shown.id)
        asked = [turn.request for turn in self.talks.shown.turns if turn.request] + ([reply.request] if reply else [])
        if asked and asked[-1]:
            self.post_message(InspectAsked(asked[-1]))

    def action_list(self) -> None:
        """In a narrow terminal the list takes the place of the conversation until one is chosen."""
        self.add_class("-listing")
        self.query_one("#talks").focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.talks.show(event.option.id or "")
        self.remove_class("-listing")
        self._changed()
        self.query_one("#talk").focus()

    def action_step(self, by: int) -> None:
        self.talks.step(by)
        self._changed()

    def action_rename(self) -> None:
        field = Field("name", "name", self.talks.shown.title)
        self.app.push_screen(Form("rename the conversation", [field], itemgetter("name")), self._rename)

    def _rename(self, name: str | None) -> None:
        if name is not None:
            self._put(replace(self.talks.shown, name=name.strip()))

    def action_delete(self) -> None:
        talk = self.talks.shown
        choices = [Choice("y", "delete it", talk.id), Choice("n", "keep it", None)]
        self.app.push_screen(Ask(f"Delete “{talk.title}”?", choices), self._delete)

    def _delete(self, id: str | None) -> None:
        if id is None:
            return
        if id in self.talks.replies:
            self._asking[id].cancel()
        try:
            self.talks.remove(id)
        except NotKept as error:
            self._say(str(error))
        self._changed()


def _talks() -> OptionList:
    box = OptionList(id="talks", compact=True)
    box.border_title = "conversations"
    return box


def _fields(setup: Setup) -> list[Field]:
    texts = {name: "" if (value := getattr(setup, name)) is None else str(value) for name in dialogue.NUMBERS}
    return [
        Field("system", "system prompt", setup.system, "You are a helpful assistant.", rows=4),
        *(Field(name, name, text, "the server's") for name, text in texts.items()),
        Field("tools", "tools", json.dumps(setup.tools, indent=1) if setup.tools else "", TOOLS_HINT, rows=5),
    ]


TOOLS_HINT = '[{"name": "get_weather", "description": "…", "parameters": {"type": "object"}}]'


def _hint(view: View) -> list[Line]:
    """What an empty conversation says."""
    return [
        (
            ("talk with ", "dim"),
            (view.state.model.name or "the model", "bold"),
            (" through the server's own API", "dim"),
        ),
        (),
        (("⏎   sends, ^j begins a new line", "dim"),),
        (("esc stops an answer; once more: here letters are commands", "dim"),),
        (("?   lists them (f1 while writing), i goes back to writing", "dim"),),
    ]
