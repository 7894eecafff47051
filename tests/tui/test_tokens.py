"""Prompts and raw answers token by token: laid out in rows, shaded where cached, walked through by keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from mlxtui.tui.app import Dashboard, Outcome
from mlxtui.tui.flow import FEED, NOTHING, Flow
from mlxtui.tui.screens.home import HomeScreen
from mlxtui.tui.screens.inspector import NAMES, InspectorScreen
from mlxtui.tui.spelled import Field, Spelled
from mlxtui.tui.text import Line, cells
from mlxtui.tui.widgets.pager import Pager
from mlxtui.tui.widgets.tokens import TokenPager
from tests.fake_server import FakeServer
from tests.tui.scene import StillClient, dashboard, drawn, play, screen_text, settled
from tests.tui.test_inspector import inspected
from tests.tui.test_screens import same_as_before

PIECES = [
    *("<|im_start|>", "system", "\n", "You", " are", " help", "ful", ".", "<|im_end|>", "\n"),
    *(
        "<|im_start|>",
        "user",
        "\n",
        "Today",
        " is",
        " Tues",
        "day",
        ".",
        "\n\n",
        "\t",
        "What",
        "?",
        " 👋",
        "<|im_end|>",
        "\n",
    ),
    *("<|im_start|>", "assistant", "\n"),
]
SPECIAL = ("<|im_start|>", "<|im_end|>")
IDS = {text: number for number, text in enumerate(dict.fromkeys(PIECES), 100)}
PROMPT: dict[str, Any] = {
    "texts": PIECES,
    "counts": [4 if text == " 👋" else 1 for text in PIECES],
    "ids": [id for text in PIECES for id in [IDS[text]] * (4 if text == " 👋" else 1)],
    "special": [IDS[text] for text in SPECIAL],
    "fields": [[3, 8, "messages[0].content", "system"], [13, 26, "messages[1].content", "user"]],
    "cached": 15,
    "rendered": 31,
    "prompts": 1,
}
MISS = {"reason": "parted", "at": 15, "was": " Monday. What", "now": " Tuesday.", "where": "messages[1].content"}
RAW: dict[str, Any] = {
    "texts": ["<think>", "\n", "hm", "</think>", "Hi", "<|im_end|>"],
    "counts": [1] * 6,
    "ids": [1, 2, 3, 4, 5, 6],
    "special": [1, 4, 6],
    "left_out": 0,
}
WIRE: dict[str, Any] = {
    "request": {
        "path": "/v1/chat/completions",
        "headers": [["host", "127.0.0.1"], ["authorization", "[redacted]"], ["x-stainless-os", "Linux"]],
        "unread": None,
    },
    "response": {
        "status": 200,
        "headers": [["content-type", "text/event-stream; charset=utf-8"]],
        "chunks": [[0, 0.0312, 'data: {"delta": "Hi"}\n\n'], [4, 1.5, "data: [DONE]\n\n"]],
        "sent": 5,
        "bytes": 100_000,
        "left_out": 90_000,
        "complete": True,
    },
}
SIZES = [(140, 36), (100, 30), (80, 24), (60, 20)]


@asynccontextmanager
async def looking(size: tuple[int, int] = (100, 30), **more: Any) -> AsyncIterator[tuple[Dashboard, Pilot[Outcome]]]:
    """The inspector on a finished request that is all there."""
    async with FakeServer() as server:
        told = inspected(True, reasoning="hm", content="Hi") | {"miss": MISS, "in_force": {"temperature": 0.2}}
        server.bodies["e5a001"] = told | more
        for what, look in (("prompt", PROMPT), ("raw", RAW), ("wire", WIRE)):
            server.looks["e5a001", what] = look
        client = StillClient()
        client._http.base_url = server.url  # type: ignore[assignment]
        async with dashboard(client, size=size) as (app, pilot):
            await app.push_screen(InspectorScreen(client, "e5a001"))
            await settled(app, pilot)
            yield app, pilot


async def shown(app: Dashboard, pilot: Pilot[Outcome]) -> str:
    """The screen, once what the last key asked of the server is here."""
    await drawn(app, pilot)
    await settled(app, pilot)
    return await drawn(app, pilot)


def pane(app: Dashboard, name: str = "prompt") -> TokenPager:
    return app.screen.query_one(f"#{name}-text", TokenPager)


texts = st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=40)


@given(texts, st.integers(1, 30), st.sampled_from([0, 1]))
def test_every_row_fits_and_nothing_is_lost(pieces: list[str], width: int, gap: int) -> None:
    flow = Flow(width, gap=gap)
    for piece in pieces:
        flow.feed([piece])
    rows = [row for row in flow.rows if isinstance(row, list)]
    for row in rows:
        wide = sum(cells(((text, ""),)) for _, text in row) + gap * (len(row) - 1)
        assert wide <= max(width, 2)
    for number, piece in enumerate(pieces):
        said = "".join(text for row in rows for at, text in row if at == number)
        assert said.count(FEED) >= piece.count("\n")
        assert said if piece.strip() else True
        if piece.isascii() and piece.isprintable():
            assert said == (piece or NOTHING)


@given(texts, st.integers(1, 30))
def test_it_does_not_matter_in_how_many_steps_it_is_laid_out(pieces: list[str], width: int) -> None:
    whole, steps = Flow(width), Flow(width)
    whole.feed(pieces)
    for piece in pieces:
        steps.feed([piece])
    assert whole.rows == steps.rows
    assert whole.firsts == steps.firsts == sorted(whole.firsts)


def test_a_word_of_several_tokens_stays_together() -> None:
    flow = Flow(10)
    flow.feed(["The", " weath", "er", "s", " go"])
    assert [[text for _, text in row] for row in flow.rows] == [["The"], [" weath", "er", "s"], [" go"]]


def test_a_note_stands_in_a_row_of_its_own_and_is_found_with_its_piece() -> None:
    note: Line = (("here", "warn"),)
    flow = Flow(20, {1: [note], 2: [note]})
    flow.feed(["a", "b"])
    flow.end()
    assert flow.rows == [[(0, "a")], note, [(1, "b")], note]
    assert [flow.row_of(piece) for piece in (0, 1, 2)] == [0, 1, 3]


def test_tokens_know_their_fields_and_pieces() -> None:
    spelled = Spelled.from_json(PROMPT)
    assert spelled.tokens == 31
    assert spelled.piece_at(0) == 0
    assert [spelled.texts[spelled.piece_at(token)] for token in (22, 25, 26, 99)] == [" 👋", " 👋", "<|im_end|>", "\n"]
    assert spelled.field_at(14) == Field(13, 26, "messages[1].content", "user")
    assert spelled.field_at(9) is None
    assert spelled.landmarks() == [3, 13]
    assert [spelled.texts[piece] for piece in range(28) if spelled.is_special(piece)] == [
        *SPECIAL,
        *SPECIAL,
        SPECIAL[0],
    ]
    with pytest.raises(ValueError, match="does not know"):
        Spelled.from_json({"texts": []})


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_prompt_as_the_model_got_it(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with looking(size) as (app, pilot):
            await pilot.press("p")
            same_as_before(f"inspector-prompt-{size[0]}x{size[1]}", await shown(app, pilot))

    play(scene())


@pytest.mark.parametrize(("tab", "size"), [("r", (100, 30)), ("W", (140, 36)), ("w", (60, 20)), ("W", (80, 24))])
def test_raw_and_wire(tab: str, size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with looking(size) as (app, pilot):
            await pilot.press(tab)
            name = {"r": "raw", "w": "wire-in", "W": "wire-out"}[tab]
            same_as_before(f"inspector-{name}-{size[0]}x{size[1]}", await shown(app, pilot))

    play(scene())


def test_the_tabs_by_every_key() -> None:
    async def scene() -> None:
        async with looking() as (app, pilot):
            screen = app.screen
            assert isinstance(screen, InspectorScreen)
            for key in ("tab", "right", "l", "tab", "right", "l"):
                before = NAMES.index(screen.tab)
                await pilot.press(key)
                assert screen.tab == NAMES[(before + 1) % len(NAMES)]
                assert screen.focused is screen.query_one(f"#{screen.tab}-text")
            for key in ("shift+tab", "left", "h"):
                before = NAMES.index(screen.tab)
                await pilot.press(key)
                assert screen.tab == NAMES[before - 1]
            for key, name in zip("mporwW", NAMES, strict=True):
                await pilot.press(key)
                assert screen.tab == name
            await pilot.click("#tabs", offset=(3, 0))
            assert screen.tab == "messages"

    play(scene())


def test_the_cursor_goes_from_token_to_token_and_says_which() -> None:
    async def scene() -> None:
        async with looking((140, 36)) as (app, pilot):
            await pilot.press("p")
            assert "31 tokens · █ 48% cached" in await shown(app, pilot)
            await pilot.press("full_stop", "full_stop", "full_stop", "full_stop")
            assert "token 4 of 31 · id 103 · 'You' · messages[0].content · cached" in screen_text(app)
            await pilot.press("comma")
            assert "token 3 of 31 · id 102 · '\\n' · cached" in screen_text(app)
            await pilot.press("d")
            assert "token 16 of 31" in screen_text(app)
            assert "computed" in screen_text(app)
            await pilot.press("left_square_bracket")
            assert pane(app).cursor == 13
            await pilot.press("left_square_bracket", "left_square_bracket")
            assert pane(app).cursor == 3
            await pilot.press("right_square_bracket", "right_square_bracket")
            assert pane(app).cursor == 13
            await pilot.press(*["full_stop"] * 9)
            assert "4 tokens make this character" in screen_text(app)
            await pilot.click("#prompt-text", offset=(18, 2))
            assert pane(app).cursor == 3

    play(scene())


def test_boundaries_show_as_shades_as_marks_or_not_at_all() -> None:
    async def scene() -> None:
        async with looking() as (app, pilot):
            await pilot.press("p")
            assert "You are helpful.<|im_end|>⏎" in await shown(app, pilot)
            pager, row = pane(app), 1
            backs = {segment.style.bgcolor for segment in pager.render_line(row)._segments if segment.style}
            assert len(backs) >= 3  # even, odd, and what is around them
            await pilot.press("b")
            assert "You│ are│ help│ful│.│<|im_end|>│⏎" in await shown(app, pilot)
            await pilot.press("b")
            assert "You are helpful.<|im_end|>⏎" in await shown(app, pilot)
            backs = {segment.style.bgcolor for segment in pager.render_line(row)._segments if segment.style}
            assert len(backs) == 1
            await pilot.press("b")
            assert pager.edges == "shades"

    play(scene())


def test_what_is_not_there_says_why() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.bodies["e5a001"] = inspected(True)
            client = StillClient()
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client) as (app, pilot):
                await app.push_screen(InspectorScreen(client, "e5a001"))
                for key in "prwW":
                    await pilot.press(key)
                    assert "there is no such request" in await shown(app, pilot)
                    await pilot.press("d", "b", "full_stop", "right_square_bracket", "end", "home")

    play(scene())


def test_a_long_prompt_is_laid_out_by_and_by_and_walked_through() -> None:
    many = 30_000
    words = ["\n" if number % 12 == 11 else f" w{number}" for number in range(many)]
    long = {"texts": words, "counts": [1] * many, "ids": [*range(many)], "special": [], "fields": []}
    told = long | {"cached": 20_000, "rendered": many, "prompts": 1}

    async def scene() -> None:
        async with looking((80, 24)) as (app, pilot):
            client = app.client
            screen = app.screen
            assert isinstance(screen, InspectorScreen)
            screen.inspected.prompt, screen.inspected.prompt_told = Spelled.from_json(told), told
            screen.inspected.body |= {"miss": MISS | {"at": 20_000}}
            screen.inspected._asked["prompt"] = "begun"
            assert client.state.row("e5a001")
            await pilot.press("p")
            await drawn(app, pilot)
            while pane(app)._flow.pieces < many:
                await pilot.pause()
            assert "token 1 of 30,000" in screen_text(app)
            await pilot.press("end")
            await drawn(app, pilot)
            assert " w29998" in screen_text(app)
            await pilot.press("d")
            text = await drawn(app, pilot)
            assert "from the cache: 20,000 of 30,000 tokens, 66%" in text
            assert "token 20,001 of 30,000 · id 20000 · ' w20000' · computed" in text
            await pilot.press("home")
            await drawn(app, pilot)
            assert "w0 w1" in screen_text(app)

    play(scene())


def test_the_raw_output_grows_while_it_is_generated() -> None:
    async def scene() -> None:
        async with FakeServer() as server:
            server.bodies["a1f301"] = inspected(False)
            deltas = server.deltas["a1f301"] = asyncio.Queue()
            client = StillClient()
            client._http.base_url = server.url  # type: ignore[assignment]
            async with dashboard(client, size=(100, 30)) as (app, pilot):
                screen = InspectorScreen(client, "a1f301")
                await app.push_screen(screen)
                await pilot.press("r")
                assert "waiting for the first token" in await drawn(app, pilot)
                deltas.put_nowait({"pieces": [["<think>", 1], ["", 1], ["hmé", 1]]})
                while screen.inspected.raw.tokens < 3:
                    await pilot.pause()
                assert "<think>hmé" in await drawn(app, pilot)
                assert "3 tokens" in screen_text(app)
                deltas.put_nowait({"pieces": [["</think>", 1], ["\nHi", 1]]})
                while screen.inspected.raw.tokens < 5:
                    await pilot.pause()
                text = await drawn(app, pilot)
                assert "<think>hmé</think>⏎" in text
                assert "5 tokens" in text
                server.bodies["a1f301"] = inspected(True, content="Hi")
                server.looks["a1f301", "raw"] = RAW
                deltas.put_nowait(None)
                await settled(app, pilot)
                assert "Hi<|im_end|>" in await shown(app, pilot)

    play(scene())


def test_a_text_is_found_in_tokens_and_in_lines() -> None:
    async def scene() -> None:
        async with looking((140, 36)) as (app, pilot):
            await pilot.press("p")
            await shown(app, pilot)
            await pilot.press("slash", *"START", "enter")
            assert pane(app).cursor == 0
            assert pane(app).has_focus
            await pilot.press("n")
            assert pane(app).cursor == 10
            await pilot.press("n", "n")
            assert pane(app).cursor == 0
            await pilot.press("N")
            assert pane(app).cursor == 28
            await pilot.press("slash", "ctrl+u", *"tuesday", "enter")
            assert pane(app).cursor == 15
            await pilot.press("slash", "ctrl+u", *"nobody", "enter")
            assert "nobody is not there" in await drawn(app, pilot)
            await pilot.press("m", "slash", "ctrl+u", *"paris", "enter")
            messages = app.screen.query_one("#messages-text", Pager)
            line = messages.render_line((messages._found or 0) - messages.scroll_offset.y)
            assert "What is the weather in Paris?" in line.text
            assert any(segment.style and segment.style.reverse for segment in line)
            await pilot.press("slash", "escape")
            assert isinstance(app.screen, InspectorScreen)
            assert messages.has_focus
            await pilot.press("n")
            assert app.screen.query_one("#filter").has_focus
            await pilot.press("escape", "escape")
            assert isinstance(app.screen, HomeScreen)

    play(scene())


LINES = "\n".join(f"line {n} " + "word " * (n % 40) for n in range(60))


@pytest.mark.parametrize(("words", "by", "expected"), [("LINE 4", 1, [4, 40, 41]), ("line 1", -1, [19, 18, 17])])
def test_lines_are_found_one_after_the_other(words: str, by: int, expected: list[int]) -> None:
    async def scene() -> None:
        async with looking((60, 20), output={"content": LINES}) as (app, pilot):
            pager = app.screen.query_one("#output-text", Pager)
            for number in expected:
                assert pager.find(words, by)
                await pilot.pause()
                assert pager._rows[pager._found or 0][0][0].startswith(f"line {number} ")
            assert not pager.find("nothing of it", by)

    play(scene())
