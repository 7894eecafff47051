"""Our own server in a child: what it is given, why it failed, how it ends. Stand-ins play the server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mlxtui import child
from mlxtui.child import Child, arguments, free_port, own_server, url
from mlxtui.errors import PortInUse, UserError
from mlxtui.settings import Settings

IDLE = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(15, lambda *_: None); print('up', flush=True); [signal.pause() for _ in range(9)]"
)


def stand_in(tmp_path: Path, source: str, grace: float = 0.0) -> Child:
    errors = tmp_path / "err"
    with errors.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, "-c", source], stderr=stderr, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    return Child(process, "http://127.0.0.1:1", errors, grace)


def test_flags_become_arguments_but_the_key_does_not() -> None:
    flags = {"model": "tiny", "max_running": 4, "allowed_hosts": ["a", "b"], "api_key": "secret", "port": 0}
    assert arguments(flags) == ["tiny", "--max-running=4", "--allowed-hosts=a", "--allowed-hosts=b", "--port=0"]


def test_the_key_travels_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def spawn(words: list[str], environ: dict[str, str], errors: Path, cwd: Path | None) -> None:
        seen.update(words=words, environ=environ, errors=errors)

    monkeypatch.setattr(child, "_spawn", spawn)
    started = child.start(Settings(port=0, api_key="secret", home=tmp_path), {"api_key": "secret"})
    assert not any("secret" in word for word in seen["words"])
    assert seen["environ"]["MLXTUI_API_KEY"] == "secret"
    assert started.url.startswith("http://127.0.0.1:")
    assert tmp_path in started.errors.parents


def test_nothing_is_imported_from_where_it_is_started(tmp_path: Path) -> None:
    for name in ("mlxtui", "quart", "httpx2"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('code of a stranger ran')")
    process = child._spawn(["--help"], os.environ, tmp_path / "err", tmp_path)
    assert (process.wait(), (tmp_path / "err").read_text()) == (0, "")


@pytest.mark.parametrize(
    ("source", "reached", "said"),
    [
        ("import sys; sys.exit('noise\\nmlxtui: model x not found')", True, "model x not found"),
        ("raise ValueError('boom')", True, "ValueError: boom"),
        ("pass", False, "the server ended with exit code 0"),
        ("pass", True, None),
        ("import os; os.kill(os.getpid(), 9)", True, None),
        ("import os; os.kill(os.getpid(), 9)", False, "the server ended with exit code -9"),
    ],
)
def test_why_it_failed(tmp_path: Path, source: str, reached: bool, said: str | None) -> None:
    """Killed or stopped after it was seen is no failure to start: the dashboard stays and says that it is gone."""
    server = stand_in(tmp_path, source)
    server.process.wait()
    assert server.failure(reached) == said


def test_it_ends_gently(tmp_path: Path) -> None:
    server = stand_in(tmp_path, IDLE)
    assert server.failure(reached=False) is None
    assert server.stop() == -signal.SIGTERM


def test_what_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "PATIENCE", 0.01)
    assert stand_in(tmp_path, STUBBORN).stop() == -signal.SIGKILL


def test_a_taken_port_is_said_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port} is in use; .* mlxtui attach http://127.0.0.1:{port}"):
            free_port("127.0.0.1", port)
    with pytest.raises(UserError, match="can't listen on"):
        free_port("203.0.113.1", 0)


def test_a_home_that_can_not_be_written_is_said_before_anything_starts() -> None:
    with pytest.raises(UserError, match=r"/dev/null/x.*MLXTUI_HOME"):
        child.start(Settings(port=0, home=Path("/dev/null/x")), {})


def test_urls_we_can_reach() -> None:
    assert [url(host, 1) for host in ("127.0.0.1", "0.0.0.0", "::", "::1")] == [
        *("http://127.0.0.1:1", "http://127.0.0.1:1", "http://[::1]:1", "http://[::1]:1")
    ]


def test_a_server_of_ones_own_that_does_not_come_up_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spawn(words: list[str], environ: dict[str, str], errors: Path, cwd: Path | None) -> subprocess.Popen[bytes]:
        assert not [name for name in environ if name.startswith("MLXTUI_") and name != "MLXTUI_HOME"]
        errors.write_text("mlxtui: no memory\n")
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(2)"])

    monkeypatch.setenv("MLXTUI_PORT", "1")
    monkeypatch.setattr(child, "_spawn", spawn)
    with pytest.raises(UserError, match="did not come up: no memory"), own_server():
        pytest.fail("it is not there")
