"""The dashboard: follows one server's feed and draws what changed, four times a second.

A URL comes in; what the person wants to become of the server goes out. It is only ever a client: it does not know the
engine, and nothing here can slow the server down.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen

from mlxtui.client import ServerClient
from mlxtui.errors import MlxtuiError, UserError
from mlxtui.tui.clipboard import system_copy
from mlxtui.tui.export import folder, save
from mlxtui.tui.help import help_lines
from mlxtui.tui.messages import CancelAsked, CopyAsked, ExportAsked, InspectAsked, PriorityAsked, TextCopyAsked
from mlxtui.tui.places import PLACES, Place
from mlxtui.tui.screens.ask import Ask, Choice
from mlxtui.tui.screens.inspector import InspectorScreen
from mlxtui.tui.screens.reader import Reader
from mlxtui.tui.snippets import curl, python
from mlxtui.tui.terminal import hung_up
from mlxtui.tui.text import one_line
from mlxtui.tui.transcript import text_lines
from mlxtui.tui.view import Live, View
from mlxtui.tui.widgets.bar import Bar, Tab
from mlxtui.tui.widgets.columns import short_id
from mlxtui.tui.widgets.requests import RequestsTable
from mlxtui.types import PRIORITIES

FRAME = 0.25
Failure = Callable[[bool], str | None]
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to become of the server; `failed` says why it failed to serve; `broken`: we did, not it."""

    server: Literal["stop", "leave"] = "leave"
    failed: str = ""
    broken: bool = False


class Dashboard(App[Outcome]):
    """`owns_server`: we started it, so quitting asks what becomes of it.

    `failure(reached)` says why the server failed, once it has; `reached`: it has answered us before.
    """

    TITLE = "mlxtui"
    CSS_PATH = "mlxtui.tcss"
    DEFAULT_MODE = PLACES[0].mode
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (72, "-medium"), (110, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-normal"), (30, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        *(place.binding() for place in PLACES),
        Binding("space", "pause", "pause", id="app.pause", tooltip="Hold the picture still; data is still collected"),
        Binding("z", "zoom", "zoom", id="app.zoom", tooltip="This pane alone, and back (tab goes between)"),
        Binding("escape", "unzoom", "All panes", show=False, priority=True, id="app.unzoom", system=True),
        Binding("t", "change_theme", "Theme", show=False, id="app.theme", tooltip="Choose a theme"),
        Binding("question_mark", "help", "help", key_display="?", id="app.help", tooltip="The keys of this screen"),
        Binding("q", "quit", "quit", id="app.quit", tooltip="Leave; asks what becomes of the server"),
        Binding("ctrl+c", "quit", "Quit", show=False, id="app.interrupt", system=True),
    ]

    def __init__(
        self,
        client: ServerClient,
        owns_server: bool,
        failure: Failure | None = None,
        clock: Callable[[], float] = time.time,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        """`keys` are keys by the names of bindings, in place of those they have here."""
        super().__init__()
        self.set_keymap({**(keys or {})})
        self.client = client
        self._places = [place for place in PLACES if not (client.readonly and place.acts)]
        for place in self._places:
            self.add_mode(place.mode, partial(self._build, place))
        self._owns_server = owns_server
        self._failure = failure
        self._clock = clock
        self._held: View | None = None

    @property
    def readonly(self) -> bool:
        return self.client.readonly

    def _build(self, place: Place) -> Screen[Any]:
        """A place's screen, under the line of all places."""
        screen = place.build(self.client)
        tabs = [Tab(each.key, each.mode, each.name) for each in self._places]
        screen.call_later(screen.mount, Bar(tabs, place.mode, "read-only" if self.readonly else ""), before=0)
        return screen

    def on_mount(self) -> None:
        for each in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(each, self.exit, Outcome("leave"))
        self.run_worker(self._follow(), name="feed")
        self.set_interval(FRAME, self.draw)
        if not self.is_headless:
            self.set_interval(1.0, self._leave_if_hung_up)
        self.call_after_refresh(self.draw)

    def _leave_if_hung_up(self) -> None:
        if hung_up():
            self.exit(Outcome("leave"))

    async def _follow(self) -> None:
        async with aclosing(self.client.follow()) as changes:
            async for _ in changes:
                pass

    @property
    def view(self) -> View:
        if self._held is not None:
            return self._held
        client = self.client
        return View(client.state, self._clock() + client.skew, client.link, client.url, self._owns_server)

    def draw(self) -> None:
        """One frame: the screens that can be seen draw what changed."""
        if not self.is_running:
            return  # a last tick of the timer, while the screens are being taken down
        reached = self.client.state.server.started > 0
        if self._failure is not None and (failed := self._failure(reached)):
            self.exit(Outcome("leave", failed))
            return
        view = self.view
        with self.batch_update():
            for screen in reversed(self.screen_stack):
                if screen.is_running and screen.is_mounted and isinstance(screen, Live):
                    screen.draw(view)
                if not isinstance(screen, ModalScreen):
                    break

    def action_pause(self) -> None:
        """What is held is a copy: the feed goes on folding into the client's own state."""
        if self._held is not None:
            self._held = None
        else:
            now = self.view
            self._held = replace(now, state=now.state.copy(), paused=True)
        self.draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "unzoom":
            return self.screen.has_class("-zoom")
        return action != "go" or parameters[0] in [place.mode for place in self._places]

    async def action_go(self, mode: str) -> None:
        """Show a place; from whatever lies on top of it, go back to it."""
        await self.switch_mode(mode)
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        self.draw()

    def action_unzoom(self) -> None:
        self.action_zoom()

    def action_zoom(self) -> None:
        """The pane that has the focus alone: the style sheet hides what is beside it, and beside what it is in."""
        screen, focused = self.screen, self.screen.focused
        if screen.has_class("-zoom"):
            screen.remove_class("-zoom").query("*").remove_class("-alone", "-around")
        elif focused is not None:
            focused.add_class("-alone")
            for node in focused.ancestors:
                node.add_class("-zoom" if node is screen else "-around")
                if node is screen:
                    break
        self.call_after_refresh(self.draw)

    def on_requests_table_inspected(self, message: RequestsTable.Inspected) -> None:
        self.push_screen(InspectorScreen(self.client, message.request))
        self.call_after_refresh(self.draw)

    def on_inspect_asked(self, message: InspectAsked) -> None:
        self.push_screen(InspectorScreen(self.client, message.request))
        self.call_after_refresh(self.draw)

    def on_cancel_asked(self, message: CancelAsked) -> None:
        request = message.request
        row = self.client.state.requests.get(request)
        if row is None:
            self.notify("It has already ended.", title=short_id(request), markup=False)
            return
        question = f"Cancel request {short_id(request)} of {row.client}?"
        choices = [Choice("y", "cancel it", request), Choice("n", "let it run", None)]
        self.push_screen(Ask(question, choices), self._cancel)

    def _cancel(self, request: str | None) -> None:
        if request is not None:
            self.run_worker(self._told(self.client.cancel(request), f"Cancelled {short_id(request)}."))

    def on_priority_asked(self, message: PriorityAsked) -> None:
        row = self.client.state.requests.get(message.request)
        if row is None or row.state == "decode":
            self.notify("Its answer has already begun.", title=short_id(message.request), markup=False)
            return
        at = PRIORITIES.index(row.priority) + message.by
        wanted = PRIORITIES[min(max(at, 0), len(PRIORITIES) - 1)]
        said = f"{short_id(row.id)} has {wanted} priority now."
        self.run_worker(self._told(self.client.prioritise(row.id, wanted), said))

    async def _told(self, asked: Any, done: str) -> None:
        """Await what was asked of the server and say how it went."""
        try:
            await asked
        except MlxtuiError as error:
            self.notify(one_line(str(error)), severity="error", markup=False)
        else:
            self.notify(one_line(done), markup=False)

    def on_copy_asked(self, message: CopyAsked) -> None:
        self.run_worker(self._copy(message))

    async def _copy(self, message: CopyAsked) -> None:
        try:
            inspected = await self.client.inspect(message.request)
        except MlxtuiError as error:
            self.notify(one_line(str(error)), severity="error", markup=False)
            return
        snippet = curl if message.kind == "curl" else python
        text = snippet(
            self.client.url, str(inspected.get("endpoint")), inspected.get("request") or {}, self.client.has_key
        )
        await self._to_clipboard(f"{short_id(message.request)} as {message.kind}", text)

    async def _to_clipboard(self, title: str, text: str) -> None:
        tool = await asyncio.to_thread(system_copy, text, os.environ)
        if tool is None:
            self.copy_to_clipboard(text)
        how = f"copied with {tool}" if tool else "sent to the terminal (OSC 52)"
        self.push_screen(Reader(title, text_lines(text), f"{how} · esc back"))

    def on_text_copy_asked(self, message: TextCopyAsked) -> None:
        self.run_worker(self._to_clipboard(message.title, message.text))

    def on_export_asked(self, message: ExportAsked) -> None:
        choices = [Choice(label[0].lower(), label, suffix) for suffix, (label, _) in message.forms.items()]
        question = f"Write the {message.what} to a file?"
        asked = Ask(question, [*choices, Choice("n", "don't", None)], f"in {folder()}")
        self.push_screen(asked, partial(self._export, message))

    def _export(self, asked: ExportAsked, suffix: str | None) -> None:
        if suffix is None:
            return
        try:
            path = save(asked.forms[suffix][1](), asked.what, suffix, folder(), self._clock())
        except UserError as error:
            self.notify(one_line(str(error)), severity="error", markup=False)
        else:
            self.notify(one_line(f"Written to {path}"), markup=False)

    def action_help(self) -> None:
        bindings = [active.binding for active in self.screen.active_bindings.values()]
        display = {binding.key: self.get_key_display(binding) for binding in bindings}
        more = getattr(self.screen, "HELP_LINES", [])
        self.push_screen(Reader("help", help_lines(bindings, display, more)))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette offers every key of the screen by its tooltip, and a picture of the screen."""
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.id and binding.tooltip and not binding.system:
                run = partial(self.run_action, binding.action, default_namespace=active.node)
                yield SystemCommand(binding.tooltip, f"key {self.get_key_display(binding)}", run)
        yield SystemCommand("Save a picture of the screen", "an SVG file", self.action_screenshot)

    async def action_quit(self) -> None:
        """Where no server can be reached there is nothing to ask, unless it is ours and still starting."""
        status = self.client.link.status
        if isinstance(self.screen, Ask):
            return
        if status == "gone" or (status == "connecting" and not self._owns_server):
            self.exit(Outcome("leave"))
            return
        if self._owns_server:
            question, leave = "Quit: what becomes of the server?", Choice("l", "leave it running", "leave")
        else:
            question, leave = "Quit: what becomes of the server?", Choice("d", "detach, it runs on", "leave")
        stop = Choice("s", "stop the server", "stop")
        first = [leave] if self.readonly else [stop, leave] if self._owns_server else [leave, stop]
        self.push_screen(Ask(question, [*first, Choice("n", "stay here", None)], self._at_stake()), self._quit)

    def _at_stake(self) -> str:
        running = len(self.client.state.requests)
        return f"{running} request{'s' if running != 1 else ''} in flight" if running else ""

    def _quit(self, answer: str | None) -> None:
        if answer is not None:
            self.exit(Outcome("stop" if answer == "stop" else "leave"))


def run_dashboard(
    url: str,
    api_key: str | None,
    owns_server: bool,
    failure: Failure | None = None,
    *,
    readonly: bool = False,
    keys: Mapping[str, str] | None = None,
) -> Outcome:
    """Run the dashboard in this terminal until the person leaves it."""
    app = Dashboard(ServerClient(url, api_key, readonly=readonly), owns_server, failure, keys=keys)
    return app.run() or Outcome(broken=True)
