"""Where log lines go: a file under the state directory, and the event feed. Never the terminal of a dashboard."""

from __future__ import annotations

import logging
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import cast

from mlxtui.errors import UserError
from mlxtui.events import Event, Logged, LogLevel
from mlxtui.settings import Settings
from mlxtui.text import safe_line

_TRANSCRIPT = logging.getLogger("mlxtui.console")


class FeedHandler(logging.Handler):
    """Publishes records as `Logged` events; `publish` must be callable from any thread."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        super().__init__()
        self._publish = publish

    def emit(self, record: logging.LogRecord) -> None:
        level = cast(LogLevel, record.levelname.lower() if record.levelno < logging.CRITICAL else "error")
        self._publish(Logged(t=record.created, level=level, message=safe_line(record.getMessage(), 500)))


class SafeFormatter(logging.Formatter):
    """A stranger's text can't forge a line; tracebacks, which are ours, keep theirs."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = safe_line(record.message)
        return super().formatMessage(record)


def log_path(settings: Settings) -> Path:
    return settings.log_file or settings.home / "logs" / "server.log"


def configure(settings: Settings, publish: Callable[[Event], None]) -> logging.Logger:
    """Send everything mlxtui and Hypercorn log to the file and the feed; returns Hypercorn's logger.

    Raises:
        UserError: the file can't be written.
    """
    path = log_path(settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = RotatingFileHandler(path, maxBytes=10 << 20, backupCount=3, encoding="utf-8")
    except OSError as error:
        raise UserError(f"can't log to {path}: {error.strerror}; set --log-file or MLXTUI_HOME") from error
    file.setFormatter(SafeFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("mlxtui", "hypercorn.error", "quart"):
        logger = logging.getLogger(name)
        logger.handlers = [file, FeedHandler(publish)]
        logger.setLevel(settings.log_level.upper() if name == "mlxtui" else "WARNING")
        logger.propagate = False
    _TRANSCRIPT.handlers, _TRANSCRIPT.propagate = [file], False
    _TRANSCRIPT.setLevel(settings.log_level.upper())
    return logging.getLogger("hypercorn.error")


def transcribe(line: str) -> None:
    """A line of the console, into the file only: the feed has the event it came from."""
    _TRANSCRIPT.info("%s", line)
