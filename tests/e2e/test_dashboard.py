"""A whole working day in a real terminal: `mlxtui up`, a dozen clients, a look inside, a cancel, leaving, attaching."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from pathlib import Path

import httpx2
import openai
import pytest

from mlxtui.tui.widgets.columns import short_id
from tests.e2e.server import wait_for
from tests.e2e.terminal import Terminal
from tests.e2e.test_up import CLEAN, is_up, port, up

__all__ = ["port", "up"]

CONFIG = Path(__file__).parents[2] / "mlxtui" / "tiny" / "generation_config.json"
PATIENCE = 150.0


class Person(threading.Thread):
    """Asks one thing through the official client; the model may not end by itself."""

    def __init__(self, port: int, number: int, tokens: int, lines: int) -> None:
        super().__init__(daemon=True)
        agent = {"user-agent": f"person{number}/1"}
        self._client = openai.OpenAI(
            base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, default_headers=agent
        )
        self._question = "".join(f"Line {n}: the fox {number} sleeps.\n" for n in range(lines)) + "Tell me a story."
        self._tokens = tokens
        self.text = ""
        self.error: openai.APIError | None = None

    def run(self) -> None:
        try:
            stream = self._client.chat.completions.create(
                model="default",
                messages=[{"role": "user", "content": self._question}],
                logit_bias=dict.fromkeys(map(str, json.loads(CONFIG.read_text())["eos_token_id"]), -100),
                max_tokens=self._tokens,
                stream=True,
            )
            for chunk in stream:
                self.text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        except openai.APIError as error:
            self.error = error


@pytest.mark.timeout(500)
def test_a_working_day(up: Terminal, port: int) -> None:
    up.read_until("requests", PATIENCE)
    wait_for(lambda: is_up(port))
    first, *others = people = [Person(port, n, 30_000 if n == 0 else 60, 4 if n == 0 else 120) for n in range(12)]
    first.start()
    up.read_until("▶ decode", PATIENCE)
    for person in others:
        person.start()
    for state in ("◌ ", "◐ prefill", "✓ length"):
        up.read_until(state, PATIENCE)
    look_inside(up, first)
    up.press("x")
    up.read_until("Cancel request", PATIENCE)
    up.press("y")
    wait_for(lambda: first.error is not None)
    assert "cancel" in str(first.error).lower()
    up.press("\x1b")
    up.read_until("✗ cancelled", PATIENCE)
    for person in people:
        person.join(PATIENCE)
        assert not person.is_alive()
    assert [person.error for person in others] == [None] * 11
    chat(up)
    leave_and_come_back(up, port)


def chat(up: Terminal) -> None:
    up.press("3")
    up.read_until("[3 Chat]", PATIENCE)
    up.press("What is the capital of France?\r")
    up.read_until("Paris", PATIENCE)


def look_inside(up: Terminal, first: Person) -> None:
    """The first row's inspector, while its answer grows."""
    up.press("g\r")
    up.read_until("Wire", PATIENCE)
    opened = len(up.text)
    seen: set[str] = set()
    while len(seen) < 3:
        up.read_until("out ", PATIENCE)
        seen |= set(re.findall(r"out ([\d,]+)", up.text[opened:]))
        up.read_more(PATIENCE)
    said = next(line for line in first.text.split("\n") if line.strip())
    assert said[:20].strip() in up.text


def leave_and_come_back(up: Terminal, port: int) -> None:
    up.press("\x11")  # ctrl+q: where text is typed, q is a letter
    up.read_until("leave it running", PATIENCE)
    up.press("l")
    assert up.close() == 0
    assert all(sequence in up.drawn for sequence in CLEAN)
    assert "the server runs on at" in up.text
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/ready").status_code == 200
    url = f"http://127.0.0.1:{port}"
    again = Terminal([sys.executable, "-m", "mlxtui", "attach", url], os.environ, rows=40)
    try:
        again.read_until("✗ cancelled", PATIENCE)
        ids = [short_id(row) for row in known(url)]
        assert len(ids) == 13
        for each in ids:
            again.read_until(each, PATIENCE)
        assert all(each in up.text for each in ids[:-1])  # the last one is the chat's: that screen has no rows
        again.press("q")
        again.read_until("stop the server", PATIENCE)
        again.press("s")
        assert again.close() == 0
        assert all(sequence in again.drawn for sequence in CLEAN)
    finally:
        if again.process.poll() is None:
            again.process.kill()
            again.process.wait()
    assert not is_up(port)


def known(url: str) -> list[str]:
    """The ids of the requests that the server itself lists."""
    with httpx2.Client(base_url=url) as client, client.stream("GET", "/mlxtui/events") as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                return [row["id"] for row in json.loads(line.removeprefix("data: "))["finished"]]
    raise AssertionError("the feed has no snapshot")
