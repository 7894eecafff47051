"""Conversations in files: one JSON file each in a folder of the state directory, replaced as a whole.

Conversations go in and come out; a file that can't be read is left as it is and told of. What they say is not its
business.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mlxtui.dialogue import Conversation
from mlxtui.errors import UserError

_KIND = TypeAdapter(Conversation)


class NotKept(UserError):
    """A conversation could not be written or removed."""


class Shelf:
    """The folder `room`, made when the first conversation is kept."""

    def __init__(self, room: Path) -> None:
        self.room = room

    def load(self) -> tuple[list[Conversation], list[str]]:
        """All that can be read, last changed first, and a sentence for each file that can't."""
        found, troubles = [], []
        for file in sorted(self.room.glob("*.json")):
            try:
                found.append(replace(_KIND.validate_json(file.read_bytes()), id=file.stem))
            except (OSError, ValidationError) as error:
                troubles.append(f"{file} is left out: {_why(error)}")
        return sorted(found, key=lambda each: each.changed, reverse=True), troubles

    def keep(self, conversation: Conversation) -> None:
        """Write it, readable by its owner alone; what was kept before stays until the new file is whole.

        Raises:
            NotKept: the folder can't be written.
        """
        try:
            self.room.mkdir(parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(dir=self.room, prefix=".", suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_KIND.dump_json(conversation, indent=2, exclude_defaults=True) + b"\n")
                os.replace(path, self._file(conversation.id))
            except BaseException:
                os.unlink(path)
                raise
        except OSError as error:
            raise NotKept(f"can't write to {self.room}: {error.strerror}; set MLXTUI_HOME") from error

    def remove(self, id: str) -> None:
        """Raises:
        NotKept: the file can't be removed.
        """
        try:
            self._file(id).unlink(missing_ok=True)
        except OSError as error:
            raise NotKept(f"can't remove {self._file(id)}: {error.strerror}") from error

    def _file(self, id: str) -> Path:
        return self.room / f"{id}.json"


def fresh_id(now: float) -> str:
    """A name for a file: when the conversation began, and a little chance."""
    return time.strftime("%Y%m%d-%H%M%S-", time.localtime(now)) + secrets.token_hex(2)


def _why(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return re.sub(r"\s+", " ", f"{where}: {first['msg']}" if where else first["msg"])
