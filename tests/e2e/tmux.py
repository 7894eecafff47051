"""A program in a pane of tmux: to a test the same as one in a bare pseudo-terminal, but `text` is what is there now."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence

AFTER = '"$@"; echo "ended with $?"; exec cat'
"""The shell a person would be back in."""
MODES = "#{alternate_on} #{mouse_any_flag} #{keypad_flag} #{cursor_flag}"


class Tmux:
    """A tmux server of its own with one pane, `columns` by `rows`; like Terminal."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], columns: int = 140, rows: int = 36) -> None:
        self._socket = f"mlxtui-{uuid.uuid4().hex}"
        pane = shlex.join(["env", "-u", "COLUMNS", "-u", "LINES", "sh", "-c", AFTER, "sh", *command])  # xdist sets them
        whole = ["start-server", ";", "set", "-g", "status", "off", ";"]
        self._tmux(*whole, "new-session", "-d", "-x", str(columns), "-y", str(rows), pane, environ=environ)

    @property
    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def press(self, keys: str) -> None:
        self._tmux("send-keys", "-H", *(f"{byte:x}" for byte in keys.encode()))

    def read_until(self, words: str, deadline: float = 60.0) -> None:
        self.read_while(lambda: words not in self.text, deadline, repr(words))

    def read_while(self, condition: Callable[[], bool], deadline: float = 60.0, what: str = "it") -> None:
        """Look again and again until the condition, about `text`, holds no more."""
        end = time.monotonic() + deadline
        while condition():
            assert time.monotonic() < end, f"{what} was never drawn; last:\n{self.text}"
            time.sleep(0.02)

    def close(self) -> int:
        """Wait for the end of the program; returns its exit code."""
        self.read_until("ended with ")
        return int(re.findall(r"ended with (\d+)", self.text)[-1])

    @property
    def clean(self) -> bool:
        """Whether what the program turned on in the terminal is off again, and the cursor back."""
        return self._tmux("display-message", "-p", MODES) == "0 0 0 1\n"

    def kill(self) -> None:
        self._tmux("kill-server")

    def _tmux(self, *words: str, environ: Mapping[str, str] | None = None) -> str:
        """Never the tmux of the person who runs the tests, nor their settings."""
        command = ["tmux", "-u", "-f", "/dev/null", "-L", self._socket, *words]
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=60).stdout
