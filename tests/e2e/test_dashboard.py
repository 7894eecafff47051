"""A whole working day in a real terminal: `mlxtui up`, a dozen clients, a look inside, a cancel, leaving, attaching.

In tmux where it is installed, else in a bare pseudo-terminal. What has to be seen before it is over is held: the
worker stands still while the person looks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import psutil
import pytest

from mlxtui.events import EngineStep, from_json
from mlxtui.tui.widgets.columns import short_id
from tests.e2e.server import wait_for, worker_of
from tests.e2e.terminal import Terminal
from tests.e2e.test_up import is_up, port
from tests.e2e.tmux import Tmux

__all__ = ["port"]

CONFIG = Path(__file__).parents[2] / "mlxtui" / "tiny" / "generation_config.json"
PATIENCE = 150.0
ROWS = 44  # lines of the terminal: room for every request
Screen = Terminal | Tmux
Opening = Callable[..., Screen]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opening]:
    """Runs `mlxtui` with these words in a terminal."""
    environ = os.environ | {"MLXTUI_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")}
    kind = Tmux if shutil.which("tmux") else Terminal
    screens: list[Screen] = []

    def open(*words: str) -> Screen:
        screens.append(kind([sys.executable, "-m", "mlxtui", *words], environ, rows=ROWS))
        return screens[-1]

    yield open
    for screen in screens:
        screen.kill()


class Person(threading.Thread):
    """Asks one thing through the official client; the model may not end by itself."""

    def __init__(self, client: openai.OpenAI, name: str, tokens: int, lines: int) -> None:
        super().__init__(daemon=True)
        self._client, self._agent = client, {"user-agent": f"{name}/1"}
        self._question = "".join(f"Line {n}: the fox sleeps.\n" for n in range(lines)) + f"Tell {name} a story."
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
                extra_headers=self._agent,
            )
            for chunk in stream:
                self.text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        except openai.APIError as error:
            self.error = error


@pytest.mark.timeout(500)
def test_a_working_day(opened: Opening, port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    up = opened("up", "--port", str(port), "--grace", "1", "--max-running", "1")
    up.read_until("requests", PATIENCE)
    wait_for(lambda: is_up(port), PATIENCE)
    server = psutil.Process(snapshot(url)["server"]["pid"])
    worker = worker_of(server)
    with gone(worker, server), openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        endless, long = Person(client, "endless", 30_000, 0), Person(client, "long", 5, 1500)
        others = [Person(client, f"person{n}", 5, 0) for n in range(10)]
        endless.start()
        up.read_until("▶ decode", PATIENCE)
        long.start()
        up.read_until("◌ queued #1", PATIENCE)
        for person in others:
            person.start()
        up.read_until("◌ queued #11", PATIENCE)
        worker.suspend()
        look_inside(up, endless, worker)
        cancel(up, endless)
        reading = held_in_prefill(url, worker)
        up.read_until("◐ prefill", PATIENCE)
        assert httpx2.post(f"{url}/mlxtui/requests/{reading}/cancel").json()["cancelled"]
        worker.resume()
        for person in (long, *others):
            person.join(PATIENCE)
            assert not person.is_alive()
        assert long.error
        assert [person.error for person in others] == [None] * 10
        up.read_until("✓ length", PATIENCE)
        assert list_of(up, url) == 12
        chat(up)
        leave_and_come_back(up, opened, url)
        assert not is_up(port)


@contextmanager
def gone(*processes: psutil.Process) -> Iterator[None]:
    """None of them outlives the test."""
    try:
        yield
    finally:
        for process in processes:
            if process.is_running():
                process.kill()


def held_in_prefill(url: str, worker: psutil.Process) -> str:
    """The next request, whose long prompt stands half read once the worker has gone on for so long."""
    with closing(feed(url)) as events:
        next(events)
        worker.resume()
        for event in map(from_json, events):
            if isinstance(event, EngineStep) and event.prefills:
                worker.suspend()
                return event.prefills[0].id
    raise AssertionError("the feed has ended")


def look_inside(up: Screen, person: Person, worker: psutil.Process) -> None:
    """The first row's inspector, while its answer grows; the worker stands still again afterwards."""
    up.press("g\r")
    up.read_until("Wire", PATIENCE)
    seen: set[str] = set()
    worker.resume()

    def grown() -> bool:
        seen.update(re.findall(r"out ([\d,]+)", up.text))
        return len(seen) > 2

    up.read_while(lambda: not grown(), PATIENCE)
    worker.suspend()
    said = next(line for line in person.text.split("\n") if line.strip())
    up.press("g")
    up.read_until(said[:20].strip(), PATIENCE)


def cancel(up: Screen, person: Person) -> None:
    up.press("x")
    up.read_until("Cancel request", PATIENCE)
    up.press("y")
    person.join(PATIENCE)
    assert "cancel" in str(person.error).lower()
    up.press("\x1b")
    up.read_until("✗ cancelled", PATIENCE)


def chat(up: Screen) -> None:
    up.press("3")
    up.read_until("[3 Chat]", PATIENCE)
    up.press("What is the capital of France?\r")
    up.read_until("Paris", PATIENCE)
    up.read_until("✓ stop", PATIENCE)


def leave_and_come_back(up: Screen, opened: Opening, url: str) -> None:
    up.press("\x11")  # ctrl+q: where text is typed, q is a letter
    up.read_until("leave it running", PATIENCE)
    up.press("l")
    assert up.close() == 0
    assert up.clean
    assert "the server runs on at" in up.text
    assert httpx2.get(f"{url}/ready").status_code == 200
    again = opened("attach", url)
    assert list_of(again, url) == 13
    again.press("q")
    again.read_until("stop the server", PATIENCE)
    again.press("s")
    assert again.close() == 0
    assert again.clean


def list_of(screen: Screen, url: str) -> int:
    """How many requests have ended by what the server says; each of them is seen on the screen."""
    ended = [row["id"] for row in snapshot(url)["finished"]]
    for request in ended:
        screen.read_until(short_id(request), PATIENCE)
    return len(ended)


def snapshot(url: str) -> dict[str, Any]:
    with closing(feed(url)) as told:
        return next(told)


def feed(url: str) -> Iterator[dict[str, Any]]:
    """The server's feed: a snapshot, then events."""
    with httpx2.Client(base_url=url, timeout=PATIENCE) as client, client.stream("GET", "/mlxtui/events") as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))
