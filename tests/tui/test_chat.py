"""Chat through the real HTTP server: every key, what is shown while an answer comes in, and what is kept."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.events import Paste
from textual.pilot import Pilot

from mlxtui.client import ServerClient
from mlxtui.dialogue import Conversation, Figures, Setup, Turn
from mlxtui.dialogues import Shelf
from mlxtui.engine.interface import ParsedCall
from mlxtui.errors import EngineFailed
from mlxtui.tui.app import Dashboard, Outcome
from mlxtui.tui.screens.ask import Ask
from mlxtui.tui.screens.chat import ChatScreen
from mlxtui.tui.screens.form import Form
from mlxtui.tui.screens.inspector import InspectorScreen
from mlxtui.tui.screens.reader import Reader
from mlxtui.tui.widgets.composer import Composer
from mlxtui.tui.widgets.pager import Pager
from mlxtui.types import ToolCall
from tests.server.serving import Gate
from tests.tui.behind import Behind, behind
from tests.tui.scene import Stage, StillClient, dashboard, drawn, play, screen_text
from tests.tui.test_screens import same_as_before
from tests.tui.test_untrusted import EVIL, assert_harmless

THOUGHT = ("<think>", "Two and two", "</think>", "**Four", "**.")
CALL = '{"name": "weather", "arguments": {"city": "Oslo"}}'
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


class ChatStage(Stage):
    """The chat screen of a running dashboard."""

    def __init__(self, app: Dashboard, pilot: Pilot[Outcome]) -> None:
        super().__init__(app, pilot)
        assert isinstance(app.screen, ChatScreen)
        self.chat = app.screen

    @property
    def turns(self) -> list[tuple[str, str]]:
        return [(turn.role, turn.content) for turn in self.chat.talks.shown.turns]

    async def ask(self, text: str) -> str:
        await self.press(*text, "enter")
        return await self.until(lambda: not self.chat.talks.replies)


@asynccontextmanager
async def chatting(client: ServerClient | Behind, size: tuple[int, int] = (140, 36)) -> AsyncIterator[ChatStage]:
    real = ServerClient(client.url) if isinstance(client, Behind) else client
    async with dashboard(real, size=size) as (app, pilot):
        await pilot.press("3")
        await pilot.pause()
        stage = ChatStage(app, pilot)
        if isinstance(client, Behind):
            await stage.until(lambda: real.state.model.name)
        yield stage


def shelf() -> Shelf:
    return Shelf(Path(os.environ["MLXTUI_HOME"]) / "chats")


def test_a_question_is_answered_shown_with_its_cost_and_kept() -> None:
    async def scene() -> None:
        with behind(THOUGHT, cached_tokens=3) as server, behind():
            async with chatting(server) as stage:
                await stage.press(*"What is", "ctrl+j", *"2+2?")
                assert stage.turns == []
                shown = await stage.ask("")
                assert stage.turns == [("user", "What is\n2+2?"), ("assistant", "**Four**.")]
                for text in ("▸ reasoning, 3 words", "Four.", "✓ stop · 5 tokens · TTFT ", "prompt 7 (42% cached)"):
                    assert text in shown
                assert "Two and two" not in shown
                assert "Two and two" in await stage.press("escape", "u")
                assert "Two and two" not in await stage.press("u")
        [kept], [] = shelf().load()
        assert [turn.content for turn in kept.turns] == ["What is\n2+2?", "**Four**."]

    play(scene())


def test_the_next_run_has_the_conversations_of_this_one() -> None:
    async def scene() -> None:
        shelf().keep(Conversation("a", 5.0, turns=(Turn("user", "Older?"), Turn("assistant", "Yes.", ended="stop"))))
        shelf().keep(Conversation("b", 9.0, name="Newer"))
        (shelf().room / "c.json").write_text("{")
        async with chatting(StillClient()) as stage:
            await stage.press("escape")
            shown = await stage.until(lambda: "c.json is left out" in screen_text(stage.app))
            assert shown.index("new conversation") < shown.index("Newer") < shown.index("Older?")
            assert "Yes." in await stage.press("left_square_bracket")
            assert stage.chat.talks.shown.id == "a"
            await stage.press("right_square_bracket", "right_square_bracket")
            assert stage.chat.talks.shown.id == "b"
            await stage.press("l", "down", "enter")
            assert stage.chat.talks.shown.id == "a"

    play(scene())


def test_escape_stops_the_answer_and_the_server_hears_it() -> None:
    async def scene() -> None:
        gate = Gate(at=2)
        with behind(("One", " two", " three"), pace=gate) as server:
            async with chatting(server) as stage:
                await stage.press(*"Go", "enter")
                shown = await stage.until(lambda: "One two" in screen_text(stage.app))
                assert "esc stops" in shown
                await stage.press(*"More", "enter")
                await stage.until(lambda: "still coming in" in screen_text(stage.app))
                assert stage.chat.query_one(Composer).text == "More"
                await stage.press("escape")
                shown = await stage.until(lambda: not stage.chat.talks.replies)
                assert "■ stopped" in shown
                await stage.until(gate.left.is_set)
        [kept], _ = shelf().load()
        assert (kept.turns[-1].content, kept.turns[-1].ended) == ("One two", "stopped")

    play(scene())


def test_an_answer_goes_on_while_another_screen_and_another_conversation_are_shown() -> None:
    async def scene() -> None:
        gate = Gate(at=1)
        with behind(("One", " two"), pace=gate) as server:
            async with chatting(server) as stage:
                await stage.press(*"Go", "enter")
                await stage.until(gate.reached.is_set)
                first = stage.chat.talks.shown.id
                await stage.app.run_action("go('home')")
                assert "requests" in await drawn(stage.app, stage.pilot)
                await stage.app.run_action("go('chat')")
                await stage.app.run_action("screen.new")
                assert "▶ Go" in await drawn(stage.app, stage.pilot)
                server.open(gate)
                await stage.ask("And")
                await stage.until(lambda: not stage.chat.talks.replies)
                assert stage.turns == [("user", "And"), ("assistant", "One two")]
                stage.chat.talks.show(first)
                assert stage.turns == [("user", "Go"), ("assistant", "One two")]

    play(scene())


def test_leaving_while_an_answer_comes_in_keeps_what_there_is() -> None:
    async def scene() -> None:
        gate = Gate(at=1)
        with behind(("One", " two"), pace=gate) as server:
            async with chatting(server) as stage:
                await stage.press(*"Go", "enter")
                await stage.until(lambda: "One" in screen_text(stage.app))
                await stage.press("ctrl+q", "l")
        [kept], _ = shelf().load()
        assert [turn.content for turn in kept.turns] == ["Go", "One"]

    play(scene())


def test_retry_edit_and_new() -> None:
    async def scene() -> None:
        with behind(("Yes",)) as server:
            async with chatting(server) as stage:
                await stage.ask("One?")
                await stage.ask("Two?")
                await stage.press("escape", "r")
                await stage.until(lambda: not stage.chat.talks.replies)
                answered = [("user", "One?"), ("assistant", "Yes"), ("user", "Two?"), ("assistant", "Yes")]
                assert stage.turns == answered
                await stage.press("e")
                assert stage.turns == answered[:2]
                box = stage.chat.query_one(Composer)
                assert (box.text, box.has_focus) == ("Two?", True)
                await stage.ask("!")
                assert stage.turns[2] == ("user", "Two?!")
                await stage.press("escape", "n", "escape", "n")
                assert stage.turns == []
                assert len(stage.chat.talks.listed()) == 2
                await stage.press("escape", "r", "e")
                assert stage.turns == []

    play(scene())


def test_a_tool_call_is_shown_and_its_result_typed() -> None:
    async def scene() -> None:
        pieces = ("<tool_call>", CALL, "</tool_call>")
        with behind(pieces, calls={CALL: (ParsedCall("weather", {"city": "Oslo"}),)}) as server:
            async with chatting(server) as stage:
                await stage.press("escape", "p")
                assert isinstance(stage.app.screen, Form)
                await stage.press("B", "e", "tab", "9", "ctrl+s")
                await stage.until(lambda: "temperature is a number from 0 to 2, not '9'" in screen_text(stage.app))
                await stage.press("backspace", *"0.5", "tab", "tab", "tab", "tab")
                stage.app.post_message(Paste(json.dumps(WEATHER)))
                await stage.press("ctrl+s")
                await stage.until(lambda: stage.app.screen is stage.chat and stage.chat.talks.shown.setup.tools)
                assert stage.chat.talks.shown.setup == Setup("Be", 0.5, tools=(WEATHER,))
                assert "tools weather" in screen_text(stage.app)
                await stage.press("i")
                shown = await stage.ask("Rain?")
                assert '→ weather {"city": "Oslo"}' in shown
                assert "type what weather gives back" in shown
                assert "result of weather" in shown
                await stage.ask("dry")
                roles = [role for role, _ in stage.turns]
                assert roles == ["user", "assistant", "tool", "assistant"]
                request = server.served.ledger.get(stage.chat.talks.shown.turns[-1].request)
                assert request is not None
                await stage.press("escape", "I")
                await stage.until(lambda: isinstance(stage.app.screen, InspectorScreen))
                shown = await stage.until(lambda: "dry" in stage.app.screen.query_one("#messages-text", Pager).text)

    play(scene())


def test_errors_and_a_lost_server_are_part_of_the_conversation() -> None:
    async def scene() -> None:
        with behind(("Half",), failure=EngineFailed("the engine died")) as server:
            async with chatting(server) as stage:
                shown = await stage.ask("Go")
                for text in ("Half", "the engine died", "✗ failed"):
                    assert text in shown
                server.end()
                await stage.until(lambda: stage.app.client.link.status != "connected")
                await stage.press("escape", "r")
                shown = await stage.until(lambda: not stage.chat.talks.replies)
                assert "nothing answers there" in shown

    play(scene())


def test_rename_delete_and_copy() -> None:
    async def scene() -> None:
        with behind(("Yes",)) as server:
            async with chatting(server) as stage:
                await stage.ask("One?")
                await stage.press("escape", "R", "!", "enter")
                await stage.until(lambda: shelf().load()[0][0].name == "!")
                await stage.press("y")
                await stage.until(lambda: isinstance(stage.app.screen, Reader))
                assert stage.app.screen.query_one(Pager).text == "Yes"
                await stage.press("escape", "Y")
                await stage.until(lambda: isinstance(stage.app.screen, Reader))
                assert '"content": "One?"' in stage.app.screen.query_one(Pager).text
                await stage.press("escape", "D")
                assert isinstance(stage.app.screen, Ask)
                await stage.press("n")
                assert len(shelf().load()[0]) == 1
                await stage.press("D", "y")
                await stage.until(lambda: shelf().load()[0] == [])
                assert stage.turns == []

    play(scene())


def test_a_folder_that_cannot_be_written_is_told_of_and_the_chat_goes_on() -> None:
    Path(os.environ["MLXTUI_HOME"]).write_text("no folder")

    async def scene() -> None:
        with behind(("Yes",)) as server:
            async with chatting(server) as stage:
                await stage.ask("One?")
                assert stage.turns[-1] == ("assistant", "Yes")
                await stage.until(lambda: "MLXTUI_HOME" in screen_text(stage.app))

    play(scene())


def test_a_paste_has_lines_and_no_commands() -> None:
    async def scene() -> None:
        async with chatting(StillClient()) as stage:
            stage.app.post_message(Paste("a\r\nb\rc\x1b[2J"))
            await stage.until(lambda: stage.chat.query_one(Composer).text == "a\nb\nc␛[2J")
            assert_harmless(stage.app)

    play(scene())


def _shelved(text: str) -> None:
    figures = Figures(1204, 1060, 231, 0.12, 5.25)
    reasoning = "The user asks for a capital. That is easy."
    calls = (ToolCall("c", "get_weather", '{"city": "Oslo"}'),)
    answer = "It is **dry** in Oslo.\n\n* 21 degrees\n* `sunny`\n\n```python\nprint('dry')\n```\n"
    turns = (
        Turn("user", "What is the capital of France?"),
        Turn("assistant", f"Paris.{text}", f"{reasoning}{text}", ended="stop", request="a1f301", figures=figures),
        Turn("user", f"And what is the weather in Oslo?{text}"),
        Turn("assistant", "", "", calls, ended="tool_calls", figures=figures),
        Turn("tool", f'{{"sky": "clear"}}{text}', call="c"),
        Turn("assistant", f"{answer}{text}", ended="length", figures=figures),
        Turn("user", "Thanks"),
        Turn("assistant", "", ended="failed", trouble=f"the queue is full: 128 requests are waiting{text}"),
    )
    setup = Setup(f"Be brief.{text}", tools=({"type": "function", "function": {"name": f"get_weather{text}"}},))
    shelf().keep(Conversation("a", 4e9, setup=setup, turns=turns))
    shelf().keep(Conversation("b", 3e9, f"Something else{text}", turns=(Turn("user", f"Hm{text}"),)))


@pytest.mark.parametrize("size", [(140, 36), (80, 24), (60, 20)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_screen(size: tuple[int, int]) -> None:
    async def scene() -> None:
        _shelved("")
        async with chatting(StillClient(), size) as stage:
            await stage.press("escape", "right_square_bracket")
            same_as_before(f"chat-{size[0]}x{size[1]}", screen_text(stage.app))
            if size[0] == 60:
                same_as_before("chat-list-60x20", await stage.press("l"))
                await stage.press("escape")
                same_as_before("chat-60x20", screen_text(stage.app))
                await stage.press("p")
                same_as_before("chat-setup-60x20", screen_text(stage.app))

    play(scene())


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def scene() -> None:
        _shelved("")
        async with chatting(StillClient(), (80, 24)) as stage:
            await stage.press("escape", "right_square_bracket")
            same_as_before("chat-80x24", screen_text(stage.app))

    play(scene())


@pytest.mark.parametrize("size", [(140, 36), (60, 20)])
def test_untrusted_text_steers_nothing(size: tuple[int, int]) -> None:
    evil = EVIL.replace("\ud800", "")

    async def scene() -> None:
        _shelved(evil)
        async with chatting(StillClient(), size) as stage:
            for keys in (
                ["escape", "right_square_bracket"],
                ["u", "home"],
                ["end"],
                ["l"],
                ["escape", "p"],
                ["escape"],
            ):
                await stage.press(*keys)
                assert_harmless(stage.app)
            await stage.press("R")
            assert_harmless(stage.app)
            await stage.press("escape", "D")
            assert_harmless(stage.app)
            await stage.press("escape", "e")
            await stage.press("escape", "e")
            assert_harmless(stage.app)

    play(scene())
