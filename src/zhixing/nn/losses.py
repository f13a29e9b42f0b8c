"""Cross-entropy of the next token, whole or in chunks, so that logits of V numbers a token need never all exist."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

IGNORE = -100
"""Target of a position that is not to be predicted."""


def cross_entropy(
    states: Tensor, head_weight: Tensor, targets: Tensor, *, chunk: int | None = None, ignore: int = IGNORE
) -> tuple[Tensor, Tensor]:
    """Sum of -ln p(target) in nats (fp32) and the number of targets, both scalars.

    states [..., D], head_weight [V, D], targets [...] of which those equal to `ignore` do not count.
    chunk: rows of logits that exist at once; their gradients are computed with them, in the forward pass. None: all.
    The product runs in autocast's format where it is on; the logarithm of the sum is always taken in fp32.
    """
    states, targets = states.flatten(0, -2), targets.flatten()
    count = (targets != ignore).sum()
    if chunk is None:
        logits = F.linear(states, head_weight).float()
        return F.cross_entropy(logits, targets, ignore_index=ignore, reduction="sum"), count
    total: Tensor = _Chunked.apply(states, head_weight, targets, chunk, ignore)  # type: ignore[no-untyped-call]
    return total, count


class _Chunked(torch.autograd.Function):
    """Since the loss is a sum, its gradient with respect to the logits is softmax - one-hot, times one number known only later."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, targets: Tensor, chunk: int, ignore: int) -> Tensor:
        device = states.device.type
        number = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
        inputs, matrix = states.to(number), weight.to(number)
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        wanted = any(ctx.needs_input_grad)
        to_states = torch.empty_like(inputs) if wanted else None
        to_weight = torch.zeros_like(weight, dtype=torch.float32) if wanted else None
        with torch.autocast(device, enabled=False):
            for start in range(0, len(inputs), chunk):
                rows, target = inputs[start : start + chunk], targets[start : start + chunk]
                logits = (rows @ matrix.T).float()
                counted = target != ignore
                index = torch.where(counted, target, 0).unsqueeze(1)
                norm = logits.logsumexp(dim=1, keepdim=True)
                total += ((norm - logits.gather(1, index)).squeeze(1) * counted).sum()
                if to_states is None or to_weight is None:
                    continue
                slope = logits.sub_(norm).exp_()
                slope.scatter_(1, index, slope.gather(1, index) - 1)
                slope = slope.mul_(counted.unsqueeze(1)).to(number)
                torch.mm(slope, matrix, out=to_states[start : start + len(rows)])
                to_weight += slope.T @ rows
        if wanted:
            ctx.save_for_backward(to_states, to_weight)
            ctx.formats = states.dtype, weight.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        to_states, to_weight = ctx.saved_tensors
        of_states, of_weight = ctx.formats
        return (to_states * upstream).to(of_states), (to_weight * upstream).to(of_weight), None, None, None
