"""Models on a disk of the test's own: in a Hugging Face cache and in folders, each a copy of the embedded one."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

TINY = Path(str(resources.files("mlxtui") / "tiny"))


def in_folder(folder: Path, **config: Any) -> Path:
    """A copy of the embedded model, its config.json changed."""
    folder.mkdir(parents=True)
    for file in TINY.iterdir():
        if file.name == "config.json":
            (folder / file.name).write_text(json.dumps(json.loads(file.read_text()) | config))
        else:
            shutil.copy(file, folder / file.name)
    return folder


def in_cache(cache: Path, id: str, **config: Any) -> Path:
    """The same as the Hub's client lays it out: blobs, and a snapshot of links to them. Returns the snapshot."""
    repo = cache / f"models--{id.replace('/', '--')}"
    commit = hashlib.sha1(id.encode()).hexdigest()
    blobs, snapshot = repo / "blobs", repo / "snapshots" / commit
    in_folder(blobs, **config)
    snapshot.mkdir(parents=True)
    for blob in blobs.iterdir():
        (snapshot / blob.name).symlink_to(blob)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    return snapshot
