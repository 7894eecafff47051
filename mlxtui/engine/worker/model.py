"""From a model's directory to a Model that is ready to generate, or a LoadError with one sentence for a person."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models.cache import (
    ArraysCache,
    KVCache,
    QuantizedKVCache,
    RotatingKVCache,
    can_trim_prompt_cache,
    make_prompt_cache,
)
from mlx_lm.utils import get_total_parameters, load_model, load_tokenizer

from mlxtui.engine.worker import attention, device
from mlxtui.engine.worker.detokenize import Detokenizers
from mlxtui.engine.worker.dialects import syntax_of
from mlxtui.engine.worker.locate import EMBEDDED, LoadError, find
from mlxtui.engine.worker.masks import Compiler
from mlxtui.engine.worker.quantised import quantise
from mlxtui.models.config import context_length
from mlxtui.types import Dialect, ModelInfo, Sampling

_log = logging.getLogger("mlxtui.engine")
UNKNOWN_CONTEXT = 32_768
_HARMONY = ("<|channel|>", "<|message|>")


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model: `module` is mlx-lm's, `vocab` the width of its logits, `batchable` whether its caches merge.

    `longest_token`: in characters; no text is fewer tokens than its length divided by it.

    `paddable`: prompts of unequal length may share a pass. Attention masks padding by the cache; of the recurrent
    models some let it leak into the state (mamba in mlx-lm 0.32.2 does), so none of them is trusted with it.
    `cuttable`: a cache of any length can be cut back to any shorter one; windows and recurrent states can't.
    `draft` is the module of a smaller model of the same vocabulary, see `speculative`; None: there is none.
    `slot_bytes` is what one sequence needs besides the KV cache that grows with it: sliding windows, recurrent states.
    """

    module: Any
    tokenizer: Any
    detokenizers: Detokenizers
    info: ModelInfo
    vocab: int
    longest_token: int
    compiler: Compiler
    slot_bytes: int
    batchable: bool
    paddable: bool
    cuttable: bool
    draft: Any = None


def load(name: str, most: int | None, tell: Callable[[str], None], kv_bits: int | None = None) -> Model:
    """Find and load a model; `tell` is called with what is being done. `most`: tokens of context, at most.
    `kv_bits`: see `quantised`.

    Raises:
        LoadError: it is not there, incomplete, or nothing MLX can run.
    """
    path = find(name)
    tell(f"reading {name}")
    module, tokenizer, config = _read(name, path)
    if not tokenizer.has_chat_template:
        _log.warning(
            "%s has no chat template: it gets conversations as lines of 'role: text'; a chat model needs one", name
        )
    tell("warming up")
    vocab, cache = _probe(name, module)
    if kv_bits:
        quantise(name, module, kv_bits, cache)
        vocab, cache = _probe(f"{name} with --kv-bits {kv_bits}", module)
    own = _context_length(config, tokenizer)
    info = ModelInfo(
        id=name if name == EMBEDDED or not Path(name).exists() else path.resolve().name,
        context_length=min(own, most or own),
        dialect=dialect(tokenizer),
        created=int((path / "config.json").stat().st_mtime),
        parameters=get_total_parameters(module),
        weights_bytes=sum(array.nbytes for _, array in tree_flatten(module.parameters())),
        kv_bytes_per_token=sum(_growth(c) for c in cache),
        sampling=_sampling(path),
        device=device.name(),
    )
    return Model(
        module,
        tokenizer,
        Detokenizers(tokenizer),
        info,
        vocab,
        max(map(len, tokenizer.get_vocab())),
        Compiler(tokenizer, vocab, info.dialect),
        slot_bytes=sum(_fixed(c) for c in cache),
        batchable=all(map(_merges, cache)),
        paddable=all(isinstance(c, KVCache | RotatingKVCache) for c in cache),
        cuttable=can_trim_prompt_cache(cache) and not any(isinstance(c, RotatingKVCache) for c in cache),
    )


def with_draft(model: Model, name: str, tell: Callable[[str], None]) -> Model:
    """The same model with another one to draft for it, see `speculative`.

    Raises:
        LoadError: the draft can't be loaded or has another vocabulary, or one of both has caches that can't be cut.
    """
    path = find(name)
    tell(f"reading the draft model {name}")
    module, tokenizer, _ = _read(name, path)
    _, cache = _probe(name, module)
    if not model.cuttable or not can_trim_prompt_cache(cache) or any(isinstance(c, RotatingKVCache) for c in cache):
        which = name if model.cuttable else model.info.id
        raise LoadError(f"model {which!r} has caches that can't be cut back, which --draft-model needs: leave it out")
    if tokenizer.get_vocab() != model.tokenizer.get_vocab():
        raise LoadError(f"draft model {name!r} does not fit {model.info.id!r}: they must have the same vocabulary")
    info = replace(
        model.info,
        weights_bytes=model.info.weights_bytes + sum(array.nbytes for _, array in tree_flatten(module.parameters())),
        kv_bytes_per_token=model.info.kv_bytes_per_token + sum(_growth(c) for c in cache),
        draft=name,
    )
    return replace(model, info=info, draft=module)


def _read(name: str, path: Path) -> tuple[Any, Any, dict[str, Any]]:
    try:
        module, config = load_model(path)
        tokenizer = load_tokenizer(path, eos_token_ids=config.get("eos_token_id"))
    except Exception as error:
        raise LoadError(_sentence(name, path, error)) from error
    if device.on_cpu():
        # 16-bit floats have no fast kernels on a CPU: f32 decodes twice as fast and takes OpenBLAS for prompts.
        module.set_dtype(mx.float32)
        mx.eval(module.parameters())
        attention.install()
    return module, tokenizer, config


def _sentence(name: str, path: Path, error: Exception) -> str:
    said = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, json.JSONDecodeError):
        return f"model {name!r} is broken: a JSON file in {path} can't be read ({said})"
    if isinstance(error, KeyError):
        return f"model {name!r} is broken: its config.json lacks {said}"
    if said.startswith("Model type"):
        return f"model {name!r} can't be loaded: mlx-lm does not know its architecture ({said.rstrip('.')})"
    return f"model {name!r} can't be loaded: {said or type(error).__name__}"


def _probe(name: str, module: Any) -> tuple[int, list[Any]]:
    """Run one token, so that the kernels are warm: the width of the logits, and the cache that holds the token."""
    cache = make_prompt_cache(module)
    try:
        logits = module(mx.array([[0]]), cache=cache)
        mx.eval(logits, [c.state for c in cache])
    except Exception as error:
        raise LoadError(f"model {name!r} loads but can't compute: {error}") from error
    return logits.shape[-1], cache


def _growth(cache: Any) -> int:
    """Bytes by which this cache grows with each token; 0 for a window or a state."""
    if isinstance(cache, KVCache):
        return int(cache.nbytes // cache.keys.shape[2])
    if isinstance(cache, QuantizedKVCache):
        return int(cache.nbytes // cache.keys[0].shape[2])
    return sum(_growth(c) for c in getattr(cache, "caches", ()))


def _fixed(cache: Any) -> int:
    """Bytes of this cache that do not depend on the length of the sequence."""
    if isinstance(cache, RotatingKVCache):
        return int(cache.nbytes // cache.keys.shape[2] * cache.max_size)
    if isinstance(cache, ArraysCache):
        return int(cache.nbytes)
    return sum(_fixed(c) for c in getattr(cache, "caches", ()))


def _merges(cache: Any) -> bool:
    """Whether mlx-lm can put several of these caches into one batch."""
    return hasattr(cache, "merge") and all(map(_merges, getattr(cache, "caches", ())))


def _context_length(config: dict[str, Any], tokenizer: Any) -> int:
    if own := context_length(config):
        return own
    said = getattr(tokenizer, "model_max_length", None)
    return said if isinstance(said, int) and 0 < said < 1 << 30 else UNKNOWN_CONTEXT


def dialect(tokenizer: Any) -> Dialect:
    """The markers mlx-lm found in the tokenizer's vocabulary and chat template; gpt-oss's channels, which it does not.

    Those are named by special tokens, which no tokenizer marks as such in its text: see `output.harmony`.
    """
    template = tokenizer.chat_template if tokenizer.has_chat_template else ""
    if all(marker in str(template) for marker in _HARMONY):
        return Dialect(tool_syntax="harmony")
    think = (tokenizer.think_start, tokenizer.think_end) if tokenizer.has_thinking else None
    if not tokenizer.has_tool_calling:
        return Dialect(think=think)
    return Dialect(think, (tokenizer.tool_call_start, tokenizer.tool_call_end or ""), syntax_of(tokenizer))


def _sampling(path: Path) -> Sampling:
    """What the model's makers recommend in generation_config.json; an unreadable one recommends nothing."""
    try:
        said = json.loads((path / "generation_config.json").read_text(encoding="utf-8"))
        return Sampling(
            temperature=0.0 if said.get("do_sample") is False else _number(said.get("temperature")),
            top_p=_number(said.get("top_p")),
            top_k=int(said["top_k"]) if said.get("top_k") is not None else None,
            min_p=_number(said.get("min_p")),
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return Sampling()


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
