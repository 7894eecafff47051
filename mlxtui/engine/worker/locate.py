"""From a model's name to its directory, before MLX is even imported: a misspelt name fails within a blink.

Never touches the network: a name is the embedded model, a directory, or a Hugging Face id that is already on disk.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from mlxtui.models.disk import PATTERNS

EMBEDDED = "mlxtui-tiny"


class LoadError(Exception):
    """Its text is one human sentence."""


def find(name: str) -> Path:
    """The directory of a model.

    Raises:
        LoadError: neither the embedded model, nor a directory, nor a complete model in the Hugging Face cache.
    """
    if name == EMBEDDED:
        path = Path(str(resources.files("mlxtui") / "tiny"))
    elif Path(name).expanduser().exists():
        path = Path(name).expanduser()
    else:
        path = _cached(name)
    if not (path / "config.json").is_file():
        raise LoadError(f"{path} is not a model: it has no config.json")
    if not any(path.glob("model*.safetensors")):
        raise LoadError(f"{path} is not a model MLX can load: it has no model*.safetensors")
    return path


def _cached(name: str) -> Path:
    from huggingface_hub import snapshot_download  # half a second, and only these names need it

    try:
        return Path(snapshot_download(name, local_files_only=True, allow_patterns=list(PATTERNS)))
    except Exception:  # each kind of a wrong name has an exception of its own, over three libraries
        raise LoadError(
            f"model {name!r} not found: it is neither a directory nor a complete model in the Hugging Face cache"
        ) from None
