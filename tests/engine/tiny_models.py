"""Random models of a few thousand parameters, one per kind of KV cache, written as ordinary model directories.

Random weights are enough to compare: the same prompt alone, in a batch, warm or after a cancel must give equal tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TEMPLATE = (
    "{%- for m in messages -%}"
    "{%- if m.role == 'assistant' and loop.first -%}{{ raise_exception('the user must speak first') }}{%- endif -%}"
    "{{- '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' -}}"
    "{%- endfor -%}"
    "{#- <tool_call> {{ tool_call.name }} -#}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}"
    "{%- if enable_thinking -%}{{- '<think>\n' -}}{%- endif -%}{%- endif -%}"
)

SPECIALS = ["<|im_end|>", "<|im_start|>", "<think>", "</think>", "<tool_call>", "</tool_call>"]

HARMONY_TEMPLATE = (
    "{%- for m in messages -%}"
    "{{- '<|start|>' ~ m.role ~ '<|channel|>final<|message|>' ~ m.content ~ '<|end|>' -}}"
    "{%- endfor -%}<|start|>assistant"
)

HARMONY_SPECIALS = [
    *("<|return|>", "<|call|>", "<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|constrain|>"),
]

_SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 320, "max_position_embeddings": 4096}

KINDS: dict[str, dict[str, Any]] = {
    "plain": {
        "model_type": "qwen3",
        "intermediate_size": 96,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
    },
    "sliding": {
        "model_type": "gemma3_text",
        "num_hidden_layers": 3,
        "intermediate_size": 96,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "rms_norm_eps": 1e-6,
        "sliding_window": 24,
        "sliding_window_pattern": 3,
        "query_pre_attn_scalar": 16,
    },
    "recurrent": {
        "model_type": "lfm2",
        "norm_eps": 1e-5,
        "conv_bias": False,
        "conv_L_cache": 3,
        "block_dim": 64,
        "block_ff_dim": 96,
        "block_multiple_of": 16,
        "block_ffn_dim_multiplier": 1.0,
        "block_auto_adjust_ff_dim": False,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rope_theta": 10000.0,
        "full_attn_idxs": [1],
    },
    "harmony": {
        "model_type": "gpt_oss",
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 24,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "leaky": {  # its state takes in padding: see Model.paddable
        "model_type": "mamba",
        "intermediate_size": 128,
        "state_size": 8,
        "conv_kernel": 4,
        "use_bias": False,
        "use_conv_bias": True,
        "time_step_rank": 4,
    },
}


def make_model(kind: str, directory: Path, **overrides: Any) -> Path:
    """Write a random model of this kind with a byte-level tokenizer; returns the directory.

    The weights are larger than usual so that the logits are far apart and greedy choices can't flip by rounding.
    """
    import importlib

    import mlx.core as mx
    from mlx.utils import tree_flatten, tree_map

    config = _SMALL | KINDS[kind] | {"eos_token_id": 0} | overrides
    write_tokenizer(directory, harmony=kind == "harmony")
    (directory / "config.json").write_text(json.dumps(config))
    if kind == "harmony":
        (directory / "generation_config.json").write_text('{"eos_token_id": [0, 1]}')
    module = importlib.import_module(f"mlx_lm.models.{config['model_type']}")
    mx.random.seed(7)
    model = module.Model(module.ModelArgs.from_dict(config))
    model.update(tree_map(lambda p: mx.random.normal(p.shape) * (0.35 if p.ndim > 1 else 0.2), model.parameters()))
    mx.save_safetensors(str(directory / "model.safetensors"), dict(tree_flatten(model.parameters())))
    return directory


def write_tokenizer(directory: Path, *more: str, harmony: bool = False, **settings: Any) -> Path:
    """Write a byte-level tokenizer, with `more` special tokens; `settings` are for its configuration."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    directory.mkdir(parents=True, exist_ok=True)
    specials = [*(HARMONY_SPECIALS if harmony else SPECIALS), *more]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate(specials + letters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    tokenizer.save(str(directory / "tokenizer.json"))
    usual = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": specials[0],
        "chat_template": HARMONY_TEMPLATE if harmony else TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 4096,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(usual | settings))
    return directory
