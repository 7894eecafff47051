"""The optimiser: Muon for the matrices inside the blocks, AdamW for embedding and norms, over fp32
masters of a bf16 model. Muon: https://kellerjordan.github.io/posts/muon/."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn

MUON_RATE, ADAM_RATE, MOMENTUM = 0.02, 4e-3, 0.95


def orthogonalised(update: Tensor, steps: int = 5) -> Tensor:
    """The nearest (semi-)orthogonal matrices of a (N, rows, columns) stack, by Newton-Schulz."""
    tall = update.shape[-2] > update.shape[-1]
    x = (update.mT if tall else update).bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if tall else x).float()


class Optimiser:
    """Owns the fp32 masters; `step(share)` applies the gradients at `share` of the full rates."""

    def __init__(self, model: nn.Module) -> None:
        self.live = dict(model.named_parameters())
        self.masters = {name: p.detach().float().clone() for name, p in self.live.items()}
        stacks: dict[torch.Size, list[str]] = defaultdict(list)
        for name, weight in self.masters.items():
            if weight.dim() == 2 and "embed" not in name:
                stacks[weight.shape].append(name)
        self.stacks = list(stacks.values())
        self.momentum = [torch.stack([self.masters[n] for n in s]).zero_() for s in self.stacks]
        stacked = {name for stack in self.stacks for name in stack}
        others = [nn.Parameter(w) for name, w in self.masters.items() if name not in stacked]
        self.names = [name for name in self.masters if name not in stacked]
        self.masters.update(zip(self.names, others, strict=True))
        self.adam = torch.optim.AdamW(others, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0)

    @torch.no_grad()
    def step(self, share: float) -> None:
        nn.utils.clip_grad_norm_(self.live.values(), 1.0)
        for stack, momentum in zip(self.stacks, self.momentum, strict=True):
            self._muon(stack, momentum, MUON_RATE * share)
        for name in self.names:
            grad = self.live[name].grad
            self.masters[name].grad = None if grad is None else grad.float()
        self.adam.param_groups[0]["lr"] = ADAM_RATE * share
        self.adam.step()
        for name, parameter in self.live.items():
            parameter.copy_(self.masters[name])
            parameter.grad = None

    def _muon(self, stack: list[str], momentum: Tensor, rate: float) -> None:
        grads = [self.live[name].grad for name in stack]
        grad = torch.stack([g.float() for g in grads if g is not None])
        momentum.lerp_(grad, 1 - MOMENTUM)
        update = orthogonalised(grad.lerp(momentum, MOMENTUM))
        rate *= max(1.0, update.shape[-2] / update.shape[-1]) ** 0.5
        for name, change in zip(stack, update, strict=True):
            self.masters[name].sub_(change, alpha=rate)

    def weights(self) -> dict[str, Tensor]:
        return {name: w.detach().clone() for name, w in self.masters.items()}
