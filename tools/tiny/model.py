"""The model in torch: qwen3 as mlx-lm runs it, module for module, so that weights need no conversion.

It starts with copying built in: see `_look_back` and `_match_next`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Shape:
    vocab_size: int = 1024
    hidden_size: int = 192
    num_hidden_layers: int = 5
    num_attention_heads: int = 6
    num_key_value_heads: int = 6
    head_dim: int = 32
    intermediate_size: int = 512
    rope_theta: float = 100000.0
    rms_norm_eps: float = 1e-6
    max_position_embeddings: int = 32768
    tie_word_embeddings: bool = True

    def config(self, eos: int, pad: int) -> str:
        fixed: dict[str, Any] = {
            "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16",
            "hidden_act": "silu", "attention_bias": False, "eos_token_id": eos, "pad_token_id": pad,
        }  # fmt: skip
        return json.dumps(fixed | asdict(self), indent=2) + "\n"


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def rotation(shape: Shape, positions: Tensor) -> tuple[Tensor, Tensor]:
    """(cos, sin) of shape (B, 1, T, head_dim) for positions (B, T)."""
    half = shape.head_dim // 2
    frequency = shape.rope_theta ** (-torch.arange(half, dtype=torch.float32, device=positions.device) / half)
    angle = positions.float()[:, None, :, None] * frequency
    angle = torch.cat([angle, angle], dim=-1)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-high, low], dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        inner = shape.num_attention_heads * shape.head_dim
        self.heads, self.width = shape.num_attention_heads, shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, inner, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, inner, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, inner, bias=False)
        self.o_proj = nn.Linear(inner, shape.hidden_size, bias=False)
        self.q_norm = RMSNorm(shape.head_dim, shape.rms_norm_eps)
        self.k_norm = RMSNorm(shape.head_dim, shape.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, _ = x.shape
        split = (batch, length, self.heads, self.width)
        q = rotate(self.q_norm(self.q_proj(x).view(split)).transpose(1, 2), cos, sin)
        k = rotate(self.k_norm(self.k_proj(x).view(split)).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(split).transpose(1, 2)
        if not x.is_cuda:  # the CPU's flash kernel is slower in bfloat16, backwards most of all
            q, k, v = q.float(), k.float(), v.float()
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True).to(x.dtype)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class MLP(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = MLP(shape)
        self.input_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.num_hidden_layers))
        self.norm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)


class Model(nn.Module):
    """ids, positions (B, T) → final hidden states (B, T, D); logits are hidden @ embeddings.T."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Trunk(shape)

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        x = self.model.embed_tokens(ids)
        cos, sin = (t.to(x.dtype) for t in rotation(self.shape, positions))
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        hidden: Tensor = self.model.norm(x)
        return hidden

    def loss(self, ids: Tensor, positions: Tensor, places: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of the `targets` (N,) at the flat `places` (N,) of the batch."""
        hidden = self(ids, positions).flatten(0, 1)[places]
        return F.cross_entropy(F.linear(hidden, self.model.embed_tokens.weight).float(), targets)


@torch.no_grad()
def initialise(model: Model, seed: int = 0) -> None:
    """Random weights, small where they write to the residual stream, and the built-in copying."""
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            writes = "o_proj" in name or "down_proj" in name
            nn.init.normal_(weight, std=(0.1 if writes else 1.0) * weight.shape[1] ** -0.5)
    embedding = model.model.embed_tokens.weight
    nn.init.normal_(embedding, std=0.25)
    embedding[:, 0] = 1.0
    model.model.norm.weight.fill_(0.3)
    first, second = (layer.self_attn for layer in list(model.model.layers)[:2])
    for attention in (first, second):
        attention.q_norm.weight.fill_(2.5)
        attention.k_norm.weight.fill_(2.5)
    for head, distance in enumerate((1, 2, 3)):
        _look_back(first, model.shape, head, distance)
    for head in (0, 1):
        _match_next(first, second, model.shape, head)


def _rows(shape: Shape, head: int) -> slice:
    return slice(head * shape.head_dim, (head + 1) * shape.head_dim)


def _look_back(attention: Attention, shape: Shape, head: int, distance: int) -> None:
    """Head `head` attends exactly `distance` tokens back: its query and key read only the constant
    embedding dimension 0, turned against each other by the rotary angle of `distance`, on the fast
    frequencies (the slow ones do not tell neighbours apart)."""
    half, used = shape.head_dim // 2, 5
    angle = distance * shape.rope_theta ** (-torch.arange(half, dtype=torch.float32) / half)
    query, key = torch.zeros(shape.head_dim), torch.zeros(shape.head_dim)
    query[:used] = 1.0
    key[:used], key[half : half + used] = angle[:used].cos(), angle[:used].sin()
    for projection, vector in ((attention.q_proj, query), (attention.k_proj, key)):
        projection.weight[_rows(shape, head)] = 0.0
        projection.weight[_rows(shape, head), 0] = vector


def _match_next(first: Attention, second: Attention, shape: Shape, head: int) -> None:
    """An induction head: the query is the token itself, the key is what the looking-back head wrote
    (the token before), so it attends to what followed the same token earlier. Only the slow rotary
    frequencies take part: distance must not matter."""
    seen = nn.init.orthogonal_(torch.empty(shape.head_dim, shape.hidden_size))
    seen[:, 0] = 0.0
    written = nn.init.orthogonal_(torch.empty(shape.head_dim, shape.hidden_size))
    fast = torch.arange(shape.head_dim) % (shape.head_dim // 2) < 6
    seen[fast] = 0.0
    written[fast] = 0.0
    rows = _rows(shape, head)
    first.v_proj.weight[rows] = seen
    first.o_proj.weight[:, rows] = written.T
    second.q_proj.weight[rows] = seen
    second.k_proj.weight[rows] = written
    copied = nn.init.orthogonal_(torch.empty(shape.head_dim, shape.hidden_size))
    copied[:, 0] = 0.0
    second.v_proj.weight[rows] = copied
    second.o_proj.weight[:, rows] = copied.T
