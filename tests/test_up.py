"""What `up` does with the server once the dashboard has closed, and what it says on the restored terminal."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from mlxtui import child, up
from mlxtui.settings import Settings
from mlxtui.tui.app import Outcome
from tests.test_child import IDLE, stand_in


@pytest.mark.parametrize(
    ("outcome", "source", "code", "alive", "said"),
    [
        (Outcome("leave"), IDLE, 0, True, "the server runs on at http://127.0.0.1:1 (pid "),
        (Outcome(broken=True), IDLE, 1, True, "mlxtui attach http://127.0.0.1:1"),
        (Outcome("stop"), IDLE, 1, False, "stopping the server…"),
        (Outcome("stop"), "raise SystemExit", 0, False, "the server has ended (exit code 0)"),
        (Outcome("leave"), "raise SystemExit(3)", 1, False, "its log: "),
        (Outcome(failed="port 1 is in use"), "raise SystemExit(2)", 2, False, "mlxtui: port 1 is in use"),
    ],
)
def test_what_becomes_of_the_server(
    outcome: Outcome,
    source: str,
    code: int,
    alive: bool,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = stand_in(tmp_path, source)
    if source != IDLE:
        server.process.wait()
    monkeypatch.setattr(child, "start", lambda *_: server)
    monkeypatch.setattr("mlxtui.tui.app.run_dashboard", lambda *_, **__: outcome)
    assert up.run_up(Settings(home=tmp_path), {}) == code
    assert (server.process.poll() is None) == alive
    assert said in "".join(capsys.readouterr())
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
