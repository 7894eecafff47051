"""Chat and Check in a real terminal, on a real server with the embedded model."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.server import Server, wait_for
from tests.e2e.terminal import Terminal


@pytest.fixture
def attached(server: Server, tmp_path: Path) -> Iterator[Terminal]:
    """A dashboard with a state directory of its own."""
    environ = os.environ | {"MLXTUI_HOME": str(tmp_path)}
    terminal = Terminal([sys.executable, "-m", "mlxtui", "attach", server.url], environ)
    terminal.read_until("mlxtui-tiny")
    yield terminal
    if terminal.process.poll() is None:
        terminal.process.kill()


def ended(home: Path) -> int:
    """Answers that have ended, in the conversations kept there."""
    return sum(path.read_text().count('"ended"') for path in (home / "chats").glob("*.json"))


def ask(terminal: Terminal, home: Path, question: str, *shown: str) -> None:
    """Only what is drawn after the question counts, and what stood there already may be drawn again."""
    terminal.drawn = b""
    before = ended(home)
    terminal.press(f"{question}\r")
    terminal.read_while(lambda: ended(home) == before, what="the end of the answer")
    for words in shown:
        terminal.read_until(words)


def test_a_talk_of_several_turns(attached: Terminal, tmp_path: Path) -> None:
    attached.press("3")
    attached.read_until("talk with")
    attached.press("\x1b")
    attached.read_until("i write")
    attached.press("p")
    attached.read_until("temperature")
    attached.drawn = b""
    attached.press("\t0\x13")
    attached.read_until("i write")
    attached.press("i")
    attached.read_until("send")
    ask(attached, tmp_path, "My name is Ada.", "Ada", "✓ stop")
    ask(attached, tmp_path, "What is the capital of Italy?", "Rome", "✓ stop")
    ask(attached, tmp_path, "What is my name?", "Ada", "cached")
    attached.drawn = b""
    attached.press("\x1b")
    attached.read_until("i write")
    attached.press("q")
    attached.read_until("detach")
    attached.press("d")
    assert attached.close() == 0
    [kept] = (tmp_path / "chats").glob("*.json")
    assert "What is my name?" in kept.read_text()


def checking(terminal: Terminal) -> psutil.Process:
    """Start a run; its process."""
    terminal.press("4")
    terminal.read_until("not run yet")
    terminal.press("r")
    terminal.read_until("✓ pass")
    [child] = psutil.Process(terminal.process.pid).children()
    return child


def test_a_check_runs_and_ends_with_the_dashboard(attached: Terminal) -> None:
    child = checking(attached)
    attached.press("q")
    attached.read_until("detach")
    attached.press("d")
    assert attached.close() == 0
    wait_for(lambda: not child.is_running())
    assert "Traceback" not in attached.text


def test_a_check_ends_even_with_a_killed_dashboard(attached: Terminal) -> None:
    child = checking(attached)
    attached.process.kill()
    attached.close()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
