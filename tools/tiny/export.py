"""A training checkpoint → the shipped folder: config, bf16 weights, generation settings.

Run: python -m tools.tiny.export CHECKPOINT [OUT_DIR] (development-only: needs torch).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from tools.tiny import SHIPPED
from tools.tiny.model import Shape


def export(weights: dict[str, torch.Tensor], shape: Shape, target: Path) -> None:
    tokenizer = Tokenizer.from_file(str(target / "tokenizer.json"))
    end, pad = (tokenizer.token_to_id(t) for t in ("<|im_end|>", "<|endoftext|>"))
    (target / "config.json").write_text(shape.config(end, pad))
    settings: dict[str, Any] = {"eos_token_id": [end, pad], "pad_token_id": pad, "do_sample": False}
    (target / "generation_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    stored = {name: w.to(torch.bfloat16).contiguous() for name, w in weights.items()}
    save_file(stored, target / "model.safetensors", metadata={"format": "mlx"})


def main(checkpoint: Path, target: Path = SHIPPED) -> None:
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    export(saved["model"], Shape(**saved["shape"]), target)
    print(f"exported {checkpoint} to {target}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
