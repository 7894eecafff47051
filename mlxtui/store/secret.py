"""The secret that seals what clients carry for us (reasoning, compactions): made once, kept beside the store."""

from __future__ import annotations

import os
from pathlib import Path

from mlxtui.errors import UserError

BYTES = 32


def secret(path: Path) -> bytes:
    """The secret in this file, which only its owner can read. Two servers that begin at once get the same one.

    Raises:
        UserError: the file can't be read or made, or holds something else.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        found = path.read_bytes()
    except OSError as error:
        raise UserError(f"can't read the secret {path}: {error.strerror}; set MLXTUI_HOME") from error
    if len(found) != BYTES:
        raise UserError(f"the secret {path} is damaged: remove it; reasoning that clients have kept is lost then")
    return found


def _make(path: Path) -> None:
    """Written whole before it has its name: a server that is killed here leaves no half secret."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(os.urandom(BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
