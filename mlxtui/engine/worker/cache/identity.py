"""Which model this is, by its files: what one has computed must never be taken for what another would have."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

_SAMPLES, _SAMPLE = 32, 4096


def identity(path: Path, device: str) -> dict[str, str]:
    """Hashes of the model (configuration, weights), tokenizer and template, and what computes with it.

    Reading all of a large model takes a minute. Weights are known by samples, size and time, and by the file their name
    leads to, which the Hugging Face cache calls by the hash of its content.
    """
    return {
        "model": _hash([path / "config.json"], sorted(path.glob("*.safetensors"))),
        "tokenizer": _hash([path / "tokenizer.json", path / "tokenizer_config.json"]),
        "template": _hash(sorted([*path.glob("chat_template*")])),
        "mlx": version("mlx"),
        "mlx_lm": version("mlx-lm"),
        "device": device,
    }


def _hash(whole: Iterable[Path], sampled: Iterable[Path] = ()) -> str:
    digest = sha256()
    for path in whole:
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    for path in sampled:
        about = path.stat()
        size = about.st_size
        digest.update(f"{path.name} {path.resolve().name} {size} {about.st_mtime_ns}".encode())
        with path.open("rb") as file:
            for number in range(_SAMPLES):
                file.seek(number * max(1, size // _SAMPLES))
                digest.update(file.read(_SAMPLE))
    return digest.hexdigest()
