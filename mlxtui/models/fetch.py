"""Downloads a model from the Hub into the Hugging Face cache, only what mlx-lm reads, so that it can be gone on with.

An id comes in, progress and at last its directory go out. huggingface_hub starts a file that broke off from its
beginning again, and most models are one file of gigabytes: weights are therefore kept in a part file of our own
beside the cache's blobs, fetched by the Hub's client from where it ends, proved by their SHA-256 and handed over.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any

from mlxtui.errors import UserError
from mlxtui.models.disk import PART, PATTERNS, WEIGHTS, hub_cache
from mlxtui.models.hub import plainly

Tell = Callable[[int, int], None]
"""Called with the bytes that are here and those that there are, often."""


@dataclass(frozen=True, slots=True)
class File:
    """`sha256` is what the cache names a large file by; None: a small one, which git keeps."""

    name: str
    size: int
    sha256: str | None


def pull(id: str, tell: Tell) -> Path:
    """Fetch what is missing of model `id`; returns its directory. Broken off at any point, it goes on from there.

    Raises:
        UserError: offline, no such model, nothing for MLX in it, no room on the disk, or the connection broke.
    """
    from huggingface_hub import HfApi, snapshot_download, utils

    utils.disable_progress_bars()
    utils.logging.set_verbosity_error()
    _check_id(id)
    with plainly(id), _disk():
        info = HfApi().model_info(id, files_metadata=True)
        files = _wanted(id, info.siblings or ())
        total = sum(file.size for file in files)
        blobs = hub_cache() / f"models--{id.replace('/', '--')}" / "blobs"
        large = [file for file in files if file.sha256 and fnmatch(file.name, WEIGHTS)]
        _check_room(id, [file for file in large if not (blobs / str(file.sha256)).exists()], blobs)
        _is_now(info.sha, blobs.parent / "refs" / "main")
        snapshot_download(id, revision=info.sha, allow_patterns=list(PATTERNS), ignore_patterns=[WEIGHTS])
        done = total - sum(file.size for file in large)
        for file in large:
            tell(done, total)
            _fetch(id, info.sha, file, blobs, _beyond(done, total, tell))
            done += file.size
        path = snapshot_download(id, revision=info.sha, allow_patterns=list(PATTERNS))
        tell(total, total)
    return Path(path)


def _is_now(commit: str, ref: Path) -> None:
    """Note what `main` is, as the Hub's client does only when it is asked for no commit: then it may be another one."""
    ref.parent.mkdir(parents=True, exist_ok=True)
    whole = ref.parents[1] / f"main{PART}"  # whoever reads it meanwhile finds the old or the new one
    whole.write_text(commit)
    whole.replace(ref)


def _beyond(done: int, total: int, tell: Tell) -> Callable[[int], None]:
    return lambda have: tell(done + have, total)


def _check_id(id: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(id)
        good = id.count("/") == 1
    except HFValidationError:
        good = False
    if not good:
        raise UserError(f"{id!r} is no id of the Hub: one looks like mlx-community/Qwen3-4B-4bit")


def _wanted(id: str, siblings: Sequence[Any]) -> list[File]:
    """The files that mlx-lm reads.

    Raises:
        UserError: there is nothing among them that MLX can load.
    """
    names = [sibling.rfilename for sibling in siblings]
    if "config.json" not in names or not any(fnmatch(name, WEIGHTS) for name in names):
        has = "only GGUF files, for llama.cpp" if any(name.endswith(".gguf") for name in names) else "no such model"
        raise UserError(
            f"{id} has {has}: MLX needs a config.json and model*.safetensors; "
            f"look for another with: mlxtui models search {id.rpartition('/')[2].split('-')[0]}"
        )
    return [
        File(sibling.rfilename, sibling.size or 0, sibling.lfs.sha256 if sibling.lfs else None)
        for sibling in siblings
        if any(fnmatch(sibling.rfilename, pattern) for pattern in PATTERNS)
    ]


def _check_room(id: str, files: Sequence[File], blobs: Path) -> None:
    """Raises:
    UserError: the disk would be full before the end.
    """
    here = sum(part.stat().st_size for part in blobs.glob(f"*{PART}"))
    needed = sum(file.size for file in files) - here
    free = shutil.disk_usage(next(folder for folder in blobs.parents if folder.exists())).free
    if needed > free:
        raise UserError(f"{id} needs {needed / 1e9:.1f} GB more, and {free / 1e9:.1f} GB are free at {hub_cache()}")


def _fetch(id: str, commit: str, file: File, blobs: Path, tell: Callable[[int], None]) -> None:
    """One large file, from where its part ends, into the cache's blobs."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    blob = blobs / str(file.sha256)
    if blob.exists():
        return
    blobs.mkdir(parents=True, exist_ok=True)
    part = blobs / f"{file.sha256}{PART}"
    with part.open("ab+") as opened:
        _claim(id, opened)
        have = opened.seek(0, 2)
        tell(have)
        http_get(
            hf_hub_url(id, file.name, revision=commit),
            _Told(opened, tell),
            resume_size=have,
            headers=build_hf_headers(),
            expected_size=file.size,
        )
        opened.flush()
        opened.seek(0)
        if hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
            part.unlink()
            raise UserError(f"{file.name} of {id} arrived broken and was thrown away: start the download again")
        part.rename(blob)


def _claim(id: str, opened: IO[bytes]) -> None:
    """Raises:
    UserError: another process is writing to this part.
    """
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{id} is being downloaded already, by another process") from None


class _Told:
    """A part file that tells its size after each write: the way in which http_get speaks of progress is a bar's."""

    def __init__(self, file: IO[bytes], tell: Callable[[int], None]) -> None:
        self._file = file
        self._tell = tell
        self.tell, self.seek, self.truncate = file.tell, file.seek, file.truncate

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._tell(self._file.tell())


@contextmanager
def _disk() -> Iterator[None]:
    """Raises:
    UserError: what the disk refused.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise UserError(f"can't write to {hub_cache()}: {error.strerror}") from error
        raise
