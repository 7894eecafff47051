"""The thread that reads and writes the prompt cache's files, so that no step waits for a disk. It touches no MLX array
beyond the bytes of evaluated ones, and hands even those back to be freed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mlxtui.engine.worker.cache import file
from mlxtui.engine.worker.cache.file import Damaged, Tensor

_log = logging.getLogger("mlxtui.engine")


@dataclass(frozen=True, slots=True)
class Save:
    """`outgrown`: files that it has everything of; they go once it is there."""

    key: bytes
    path: Path
    manifest: Mapping[str, Any]
    tensors: list[Tensor]
    used: float
    outgrown: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    key: bytes
    path: Path


@dataclass(frozen=True, slots=True)
class Delete:
    path: Path


@dataclass(frozen=True, slots=True)
class Written:
    """A Save is done, or has failed."""

    save: Save
    failed: bool


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a Read brought; None: nothing that can be trusted."""

    key: bytes
    content: tuple[dict[str, Any], list[Tensor]] | None


Errand = Save | Read | Delete
Report = Written | Recalled


class Errands:
    """Done in order; what comes of them goes to `deliver`, which may change."""

    def __init__(self, deliver: Callable[[Report], None]) -> None:
        self.deliver = deliver
        self._todo: SimpleQueue[Errand | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="disk", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return self._todo.qsize()

    def put(self, errand: Errand) -> None:
        self._todo.put(errand)

    def finish(self, seconds: float) -> None:
        """Do what is left, for so long; a file that is not finished by then leaves nothing but its .part behind."""
        self._todo.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (errand := self._todo.get()) is not None:
            match errand:
                case Save():
                    self.deliver(Written(errand, failed=not _saved(errand)))
                case Read(key=key, path=path):
                    self.deliver(Recalled(key, _read(path)))
                case Delete(path=path):
                    _deleted(path)
            del errand  # its bytes belong to whoever frees them


def _saved(save: Save) -> bool:
    try:
        file.write(save.path, save.manifest, save.tensors, save.used)
    except OSError as error:
        _log.warning("a part of the prompt cache can't be kept on disk: %s", error.strerror or error)
        return False
    for path in save.outgrown:
        _deleted(path)
    return True


def _read(path: Path) -> tuple[dict[str, Any], list[Tensor]] | None:
    try:
        return file.read(path)
    except Damaged as damaged:
        _log.warning("%s is left out of the prompt cache: %s", path.name, damaged)
        return None


def _deleted(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("%s can't be deleted from the prompt cache: %s", path.name, error.strerror or error)
