"""What a model's config.json tells of it without loading it: architecture, quantisation, context length. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length")
_DTYPES = {"bfloat16": "bf16", "float16": "f16", "float32": "f32"}


def context_length(config: Mapping[str, Any]) -> int | None:
    """In tokens; None: it does not say."""
    for level in _levels(config):
        for key in _CONTEXT_KEYS:
            if isinstance(level.get(key), int) and level[key] > 0:
                return int(level[key])
    return None


def architecture(config: Mapping[str, Any]) -> str:
    return str(config.get("model_type") or "")


def quantisation(config: Mapping[str, Any]) -> str:
    """ "4-bit", "mxfp4"; "bf16" for what is not quantised; "" where it does not say."""
    said = config.get("quantization") or config.get("quantization_config")
    if isinstance(said, Mapping):
        mode, bits = said.get("mode") or said.get("quant_method"), said.get("bits")
        if isinstance(mode, str) and mode.startswith(("mxfp", "nvfp")):
            return mode
        return f"{bits}-bit" if isinstance(bits, int) else str(mode or "quantised")
    for level in _levels(config):
        if dtype := level.get("torch_dtype") or level.get("dtype"):
            return _DTYPES.get(str(dtype), str(dtype))
    return ""


def _levels(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The config and, for models that also see, the part of it about text."""
    inner = config.get("text_config")
    return [config, inner] if isinstance(inner, Mapping) else [config]
