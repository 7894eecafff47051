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
from collections.abc import Callable, Mapping, Sequence

CLEAN = ((b"\x1b[?1049l", b"\x1b[?1049h"), (b"\x1b[?25h", b"\x1b[?25l"), (b"\x1b[?1000l", b"\x1b[?1000h"))
"""Alternate screen off, cursor on, mouse off; and what turned that round."""
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
        self.read_while(lambda: words not in self.text, deadline, repr(words))
        return time.monotonic() - self.begun

    def read_while(self, condition: Callable[[], bool], deadline: float = 60.0, what: str = "it") -> None:
        """Read until the condition, about `text`, holds no more."""
        end = time.monotonic() + deadline
        while condition():
            assert self._read(end - time.monotonic()), f"{what} was never drawn; last:\n{self.text[-3000:]}"

    def close(self) -> int:
        """Read to the end of the program; returns its exit code."""
        end = time.monotonic() + 60
        while self._read(end - time.monotonic()):
            pass
        code = self.process.wait(timeout=60)
        os.close(self._master)
        return code

    @property
    def clean(self) -> bool:
        """Whether what the program turned on in the terminal is off again, and the cursor back."""
        return all(self.drawn.rfind(off) > self.drawn.rfind(on) for off, on in CLEAN)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _read(self, patience: float) -> bool:
        if patience <= 0 or not select.select([self._master], [], [], patience)[0]:
            return False
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # Linux says EIO when the last process has closed its end
            return False
        self.drawn += data
        return bool(data)
