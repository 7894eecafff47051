"""Models that benchmarks can count on, as ordinary model directories: answers never end by themselves.

Without --endless: a qwen3 of random weights, 63 M parameters as it stands, with the embedded model's tokenizer and chat
template. Its output layer knows ordinary text only: no end of sequence, no marker of a tool call or a thought, no half
of a character. So each token is a piece of text that a client sees at once.

With --endless MODEL: a copy of that model whose end of sequence is a token it does not say.

    uv run python tools/mid_model.py DIRECTORY [--layers 8] [--width 768] [--seed 7]
    uv run python tools/mid_model.py DIRECTORY --endless mlxtui-tiny
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from mlxtui.engine.worker.locate import EMBEDDED, find

HEAD = 128
COPIED = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")


def config(layers: int, width: int) -> dict[str, Any]:
    """The embedded model's, larger, with an output layer of its own."""
    tiny = json.loads((find(EMBEDDED) / "config.json").read_text())
    return tiny | {
        "torch_dtype": "float32",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // HEAD,
        "num_key_value_heads": width // HEAD,
        "head_dim": HEAD,
        "intermediate_size": 3 * width,
        "tie_word_embeddings": False,
    }


def sayable(directory: Path, vocab: int) -> list[float]:
    """1 for each token that is plain text by itself, else 0."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    special = set(tokenizer.get_added_tokens_decoder())
    texts = ["" if token in special else tokenizer.decode([token]) for token in range(vocab)]
    return [float(text.isascii() and text.strip().isalnum()) for text in texts]


def make(directory: Path, layers: int, width: int, seed: int) -> int:
    """Write it; returns how many parameters it has."""
    import mlx.core as mx
    from mlx.utils import tree_flatten, tree_map
    from mlx_lm.models.qwen3 import Model, ModelArgs

    directory.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copy(find(EMBEDDED) / name, directory)
    settings = config(layers, width)
    (directory / "config.json").write_text(json.dumps(settings, indent=2))
    mx.random.seed(seed)
    model = Model(ModelArgs.from_dict(settings))
    model.update(tree_map(lambda p: mx.random.normal(p.shape) * 0.02 if p.ndim > 1 else p, model.parameters()))
    # A row of zeros has the logit 0: the largest of hundreds of random ones is always above it.
    model.lm_head.weight *= mx.array(sayable(directory, settings["vocab_size"]))[:, None]
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(directory / "model.safetensors"), weights, metadata={"format": "mlx"})
    return sum(array.size for array in weights.values())


def endless(name: str, directory: Path) -> None:
    """Copy a model and give the part of its end of sequence to its padding token."""
    shutil.copytree(find(name), directory, dirs_exist_ok=True)
    tokenizer = json.loads((directory / "tokenizer_config.json").read_text())
    unused = tokenizer.get("pad_token") or tokenizer["eos_token"]
    ids = {t["content"]: t["id"] for t in json.loads((directory / "tokenizer.json").read_text())["added_tokens"]}
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer | {"eos_token": unused}))
    for file in ("config.json", "generation_config.json"):
        if (directory / file).exists():
            said = json.loads((directory / file).read_text())
            (directory / file).write_text(json.dumps(said | {"eos_token_id": ids[unused]}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=768, help=f"a multiple of {HEAD}")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--endless", metavar="MODEL", help="copy this model instead of making one")
    asked = parser.parse_args()
    if asked.endless:
        endless(asked.endless, asked.directory)
    else:
        count = make(asked.directory, asked.layers, asked.width, asked.seed)
        print(f"{asked.directory}: {count / 1e6:.1f} M parameters")


if __name__ == "__main__":
    main()
