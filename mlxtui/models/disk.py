"""Which MLX models are on this machine: the embedded one, those in the Hugging Face cache, those in folders.

Folders come in, Entries go out. The cache is read by its documented layout (models--ORG--NAME/refs, snapshots):
huggingface_hub's own scan takes a good part of a second to import, and the server lists while it serves.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from mlxtui.errors import UserError
from mlxtui.models import config as read
from mlxtui.models.entry import Entry, Source, fit
from mlxtui.settings import EMBEDDED_MODEL

WEIGHTS = "model*.safetensors"
PATTERNS = ("*.json", WEIGHTS, "tokenizer.model", "*.tiktoken", "tiktoken.model", "*.txt", "*.jinja")
"""The files mlx-lm reads, but for *.py: no code comes with a model."""
PART = ".mlxtui-part"
"""Ends the names of files that are not yet whole, beside those that are: see `hub`."""


def on_disk(folders: Iterable[str] = ()) -> list[Entry]:
    """The embedded model first, then all others by name."""
    return [embedded(), *beside_it(folders)]


def beside_it(folders: Iterable[str] = ()) -> list[Entry]:
    """All but the embedded one. Unreadable directories are passed over."""
    found = {entry.path: entry for entry in [*_in_cache(hub_cache()), *_in_folders(folders)]}
    return sorted(found.values(), key=lambda entry: (entry.name.lower(), entry.path))


def find(name: str, entries: Iterable[Entry]) -> Entry | None:
    """The one that `name` means: by its id, else by its name or the last part of it if that is the only one."""
    entries = list(entries)
    if exact := next((entry for entry in entries if name in (entry.id, entry.path)), None):
        return exact
    alike = [entry for entry in entries if name in (entry.name, entry.name.rsplit("/", 1)[-1])]
    return alike[0] if len(alike) == 1 else None


def hub_cache() -> Path:
    from huggingface_hub import constants  # honours HF_HUB_CACHE, HF_HOME and XDG_CACHE_HOME

    return Path(constants.HF_HUB_CACHE).expanduser()


def embedded() -> Entry:
    return _entry(EMBEDDED_MODEL, EMBEDDED_MODEL, "embedded", Path(str(resources.files("mlxtui") / "tiny")))


def remove(entry: Entry) -> int:
    """Delete a model from the Hugging Face cache; returns the bytes that are free again.

    Raises:
        UserError: it lies in a folder of the person's own, or came with mlxtui.
    """
    if entry.source == "embedded":
        raise UserError(f"{entry.name} is part of mlxtui and can't be removed")
    if entry.source == "folder":
        raise UserError(f"{entry.path} is a folder of yours: mlxtui removes only from the Hugging Face cache")
    from huggingface_hub import scan_cache_dir

    cache = scan_cache_dir(hub_cache())
    # A dataset or a space may have the same id.
    repos = [repo for repo in cache.repos if (repo.repo_type, repo.repo_id) == ("model", entry.id)]
    strategy = cache.delete_revisions(*(revision.commit_hash for repo in repos for revision in repo.revisions))
    strategy.execute()
    return int(strategy.expected_freed_size)


def unknown(name: str) -> UserError:
    return UserError(f"there is no model {name!r} on this machine; see: mlxtui models list")


def _in_cache(cache: Path) -> Iterator[Entry]:
    for repo in _children(cache):
        kind, *parts = repo.name.split("--")
        if kind != "models" or not parts:
            continue
        try:
            path = repo / "snapshots" / (repo / "refs" / "main").read_text().strip()
        except (OSError, UnicodeDecodeError):
            continue
        name = "/".join(parts)
        if is_model(path) or any((repo / "blobs").glob(f"*{PART}")):
            yield _entry(name, name, "hub", path)


def _in_folders(folders: Iterable[str]) -> Iterator[Entry]:
    """A folder may be a model, hold models, or hold folders of them by publisher, as LM Studio's does."""
    for folder in folders:
        top = Path(folder).expanduser().absolute()
        for path in (top, *_children(top), *(inner for child in _children(top) for inner in _children(child))):
            if is_model(path):
                yield _entry(str(path), path.name, "folder", path)


def is_model(path: Path) -> bool:
    """Whether MLX might load it: safetensors with their configuration. GGUF files and the like are no such thing."""
    try:
        return (path / "config.json").is_file() and any(path.glob(WEIGHTS))
    except OSError:
        return False


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    except OSError:
        return []


def _entry(id: str, name: str, source: Source, path: Path) -> Entry:
    import psutil  # only once there is something to judge: the dashboard's first paint waits for this room

    config = _json(path / "config.json")
    weights = _size(path, WEIGHTS)
    quantisation = read.quantisation(config)
    # On a CPU the worker widens 16-bit floats to 32: see engine.worker.model.
    wide = 2 if sys.platform != "darwin" and quantisation in ("bf16", "f16") else 1
    return Entry(
        id=id,
        name=name,
        source=source,
        path=str(path),
        size_bytes=_size(path, "*"),
        weights_bytes=weights,
        architecture=read.architecture(config),
        quantisation=quantisation,
        context_length=read.context_length(config),
        fit=fit(weights * wide, psutil.virtual_memory().total),
        trouble=_trouble(path),
    )


def _trouble(path: Path) -> str:
    """What is missing of its weights, by the index that names them all."""
    index = _json(path / "model.safetensors.index.json").get("weight_map")
    wanted = set(index.values()) if isinstance(index, dict) else set()
    missing = [file for file in wanted if not (path / str(file)).is_file()]
    if not missing and any(path.glob(WEIGHTS)):
        return ""
    return f"incomplete: {len(missing) or 'all'} of {len(wanted) or 'its'} weight files are missing"


def _size(path: Path, pattern: str) -> int:
    total = 0
    for file in path.glob(pattern):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue  # it was removed meanwhile
    return total


def _json(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
