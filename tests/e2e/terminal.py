"""A program in a real pseudo-terminal: what it draws comes in as bytes, keys go out."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

ESCAPES = re.compile(
    rb"\x1b(\[[0-9;?<>=$]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[PX^_].*?\x1b\\|[()][A-Z0-9]|[=>78])"
)


class Terminal:
    """`drawn` holds every byte so far; `text` the same without escape sequences."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], columns: int = 140, rows: int = 36) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(rows)},
            start_new_session=True,
        )
        os.close(slave)
        self.drawn = b""

    @property
    def text(self) -> str:
        return ESCAPES.sub(b"", self.drawn).decode(errors="replace")

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def read_until(self, words: str, deadline: float = 60.0) -> float:
        """Read until `words` have been drawn; returns the seconds since the start of the program."""
        end = time.monotonic() + deadline
        while words not in self.text:
            assert self._read(end - time.monotonic()), f"{words!r} was never drawn; last:\n{self.text[-3000:]}"
        return time.monotonic() - self.begun

    def read_more(self, deadline: float = 60.0) -> None:
        """Read until anything new has been drawn."""
        assert self._read(deadline), f"nothing more was drawn; last:\n{self.text[-3000:]}"

    def close(self) -> int:
        """Read to the end of the program; returns its exit code."""
        end = time.monotonic() + 60
        while self._read(end - time.monotonic()):
            pass
        code = self.process.wait(timeout=60)
        os.close(self._master)
        return code

    def _read(self, patience: float) -> bool:
        if patience <= 0 or not select.select([self._master], [], [], patience)[0]:
            return False
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # Linux says EIO when the last process has closed its end
            return False
        self.drawn += data
        return bool(data)
