"""A request as a file: all that is known of it, also what nobody had looked at, and nothing in it that is markup."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mlxtui.tui.text import plain
from mlxtui.tui.transcript import message_lines
from tests.tui.scene import drawn, play, screen_text, settled
from tests.tui.test_tokens import MISS, PROMPT, RAW, WIRE, looking


def test_a_request_is_written_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def scene() -> None:
        async with looking() as (app, pilot):
            await pilot.press("e")
            await settled(app, pilot)
            assert "Write the request-e5a001 to a file?" in screen_text(app)
            await pilot.press("j")
            assert "Written to" in await drawn(app, pilot)

    play(scene())
    [file] = tmp_path.iterdir()
    assert re.fullmatch(r"mlxtui-request-e5a001-\d{8}-\d{6}\.json", file.name)
    assert file.stat().st_mode & 0o77 == 0
    told = json.loads(file.read_text())
    assert (told["prompt"], told["raw"], told["miss"]) == (PROMPT, RAW, MISS)
    assert told["wire"] == WIRE
    assert told["request"]["messages"][1]["content"] == "What is the weather in Paris?"
    assert told["figures"]["prompt_tokens"] == 1204
    assert told["missing"] == {}


def test_a_request_is_written_as_markdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def scene() -> None:
        evil = {"request": {"messages": [{"role": "user", "content": "```\n# not a heading\n\x1b[2J|"}]}}
        async with looking(**evil) as (app, pilot):
            await pilot.press("e")
            await settled(app, pilot)
            await pilot.press("m")
            await drawn(app, pilot)

    play(scene())
    [file] = tmp_path.glob("*.md")
    text = file.read_text()
    assert text.startswith("# Request e5a001\n")
    assert "| from the cache | 1,060 (88%) |" in text
    assert "| temperature | 0.2 |" in text
    assert "````text\n── user 0 \n```\n# not a heading\n␛[2J|\n" in text
    assert "* from the cache: 15 of 31 tokens, 48%" in text
    assert "was  ' Monday. What'" in text
    assert (
        "From the cache:\n\n```text\n<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nToday is\n```"
        in text
    )
    assert "Computed:\n\n```text\n Tuesday.\n\n\tWhat? 👋<|im_end|>\n<|im_start|>assistant\n" in text
    assert "## Raw output, 6 tokens\n\n```text\n<think>\nhm</think>Hi<|im_end|>\n```" in text
    assert "authorization: [redacted]" in text
    assert 'data: {"delta": "Hi"}' in text


def test_what_is_gone_is_said_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def scene() -> None:
        async with looking() as (app, pilot):
            app.client._http.base_url = "http://127.0.0.1:9"
            await pilot.press("e")
            await settled(app, pilot)
            await pilot.press("j")
            await drawn(app, pilot)

    play(scene())
    [file] = tmp_path.iterdir()
    assert json.loads(file.read_text())["missing"]["prompt"] == "nothing answers there"


def test_messages_have_the_numbers_that_fields_are_named_by_and_tools_their_arguments() -> None:
    schema = {"type": "object", "properties": {"city": {}, "unit": {}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "weather", "description": "Now.", "parameters": schema}}
    odd = [
        {"function": {"name": "f", "parameters": shape}} for shape in (None, [], {"properties": 3}, {"properties": {}})
    ]
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    text = "\n".join(map(plain, message_lines({"messages": asked, "tools": [tool, *odd]})))
    assert "── system 0 \nBe brief.\n\n── user 1 \nHi\n" in text
    assert "weather(city, unit?)  Now.\nf  \nf  \nf  \nf()  \n" in text
    assert "── prompt \nHi\n" in "\n".join(map(plain, message_lines({"input": "Hi"})))
