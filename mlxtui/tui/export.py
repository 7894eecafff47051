"""What is on a screen as a file: rows and log lines come in, JSON, Markdown or plain text goes onto the disk."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from mlxtui.errors import UserError
from mlxtui.row import Row
from mlxtui.state import flat
from mlxtui.text import safe_line
from mlxtui.tui.logbook import Entry
from mlxtui.tui.text import one_line
from mlxtui.tui.widgets.columns import COLUMNS, Moment


def rows_json(rows: Sequence[Row]) -> str:
    """Everything that is known of each request."""
    return json.dumps([flat(row) for row in rows], ensure_ascii=False, indent=2) + "\n"


def rows_markdown(rows: Sequence[Row], moment: Moment) -> str:
    """The table with all its columns and whole ids."""
    lines = [[column.title for column in COLUMNS], ["--:" if column.right else "---" for column in COLUMNS]]
    lines += [[row.id, *(column.cell(row, moment)[0] for column in COLUMNS[1:])] for row in rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")


def log_json(entries: Sequence[Entry]) -> str:
    return json.dumps([flat(entry.line) | {"times": entry.times} for entry in entries], ensure_ascii=False, indent=2)


def log_text(entries: Sequence[Entry]) -> str:
    return "".join(_log_line(entry) for entry in entries)


def _log_line(entry: Entry) -> str:
    line = entry.line
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.t))
    words = [stamp, line.level, line.request or "", f"×{entry.times}" if entry.times > 1 else "", line.message]
    return safe_line(" ".join(word for word in words if word)) + "\n"


def folder() -> Path:
    """Where files are written: where the dashboard was started, or at home if that is gone."""
    try:
        return Path.cwd()
    except OSError:
        return Path.home()


def save(text: str, what: str, suffix: str, directory: Path, now: float) -> Path:
    """Write a new file, for its owner only, and say which.

    Raises:
        UserError: it can't be written there.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    path, number = directory / f"mlxtui-{what}-{stamp}.{suffix}", 1
    while True:
        try:
            with open(path, "x", encoding="utf-8", errors="replace", opener=_for_its_owner) as file:
                file.write(text)
            return path
        except FileExistsError:
            number += 1
            path = directory / f"mlxtui-{what}-{stamp}-{number}.{suffix}"
        except OSError as error:
            raise UserError(f"can't write {path}: {error.strerror}") from error


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
