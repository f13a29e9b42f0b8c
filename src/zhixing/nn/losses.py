"""Losses: sums over what is predicted, and how much that is, so that parts of a batch add up to the whole.

cross-entropy    of tokens, whole or in chunks, so that logits of V numbers a token need never all exist
squared error    of numbers
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

IGNORE = -100
"""Target of a position that is not to be predicted."""


def cross_entropy(
    states: Tensor,
    matrix: Tensor,
    targets: Tensor,
    *,
    bias: Tensor | None = None,
    chunk: int | None = None,
    ignore: int = IGNORE,
    smoothing: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Sum of -ln p(target) in nats (fp32) and the number of targets, both scalars.

        L = ln(sum_j e^z_j) - z_y          for logits z = W h + b and the target y
        dL/dz_i = softmax(z)_i - (i = y)   so dL/dh = W' dL/dz, dL/dW = dL/dz h', dL/db = dL/dz

    states [..., D], matrix [V, D] and bias [V] of the head, targets [...] of which those equal to `ignore` do not count.
    chunk: rows of logits that exist at once; their gradients are computed with them, in the forward pass. None: all.
    smoothing: share e of the target's probability that is spread evenly over all V tokens: - sum_v ((1 - e) [v = target] + e / V) ln p(v)
    (Szegedy et al. 2016, arXiv 1512.00567).
    The product runs in autocast's format where it is on; the logarithm of the sum is always taken in fp32.
    """
    states, targets = states.flatten(0, -2), targets.flatten()
    count = (targets != ignore).sum()
    if chunk is None:
        logits = F.linear(states, matrix, bias).float()
        return F.cross_entropy(logits, targets, ignore_index=ignore, reduction="sum", label_smoothing=smoothing), count
    total: Tensor = _Chunked.apply(states, matrix, bias, targets, chunk, ignore, smoothing, torch.is_grad_enabled())  # type: ignore[no-untyped-call]
    return total, count


def squared_error(predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of (prediction - target)^2 (fp32) and the number of targets, both scalars; their ratio is the mean squared error.

        L = (p - y)^2        dL/dp = 2 (p - y)

    predictions and targets: numbers, of one shape. It is the loss of a normal distribution of fixed width around each prediction.
    """
    return F.mse_loss(predictions.float(), targets.float(), reduction="sum"), torch.tensor(targets.numel(), device=targets.device)


def fastest_chunk(vocabulary: int, device: torch.device) -> int | None:
    """The `chunk` that is fastest where memory is no matter: on a CPU the rows whose logits stay in its cache, elsewhere all at once.

    For 4,096 rows of width 384 in bf16 on two cores: 0.62 of the plain loss's time with a vocabulary of 4,096, 0.70 with 16,384.
    """
    return max(64, (1 << 21) // vocabulary) if device.type == "cpu" and vocabulary >= 1024 else None


class _Chunked(torch.autograd.Function):
    """Since the loss is a sum, its gradient with respect to the logits is softmax - targets, times one number known only later."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        chunk: int,
        ignore: int,
        smoothing: float,
        grad: bool,
    ) -> Tensor:
        device = states.device.type
        number = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
        inputs, matrix = states.to(number), weight.to(number)
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        wanted = grad and any(ctx.needs_input_grad)  # grad: is it on outside? In here it never is
        to_states = torch.empty_like(inputs) if wanted else None
        to_weight = torch.zeros_like(weight, dtype=torch.float32) if wanted else None
        to_bias = torch.zeros_like(bias, dtype=torch.float32) if wanted and bias is not None else None
        with torch.autocast(device, enabled=False):
            for start in range(0, len(inputs), chunk):
                rows, target = inputs[start : start + chunk], targets[start : start + chunk]
                logits = (rows @ matrix.T).float()
                if bias is not None:
                    logits += bias.float()
                slope = logits.softmax(dim=1)
                # ln of the sum of exponentials, read off the most probable token, whose probability cannot vanish: one pass less
                norm = logits.amax(dim=1) - slope.amax(dim=1).log()
                counted = target != ignore
                index = torch.where(counted, target, 0).unsqueeze(1)
                kept = logits.gather(1, index).squeeze(1)
                if smoothing:
                    kept = (1 - smoothing) * kept + smoothing * logits.mean(dim=1)
                total += ((norm - kept) * counted).sum()
                if to_states is None or to_weight is None:
                    continue
                slope = slope.scatter_(1, index, slope.gather(1, index) - (1 - smoothing))
                if smoothing:
                    slope -= smoothing / slope.shape[1]
                if to_bias is not None:
                    to_bias += (slope * counted.unsqueeze(1)).sum(dim=0)
                slope = slope.to(number)
                torch.mm(slope, matrix, out=to_states[start : start + chunk])
                to_states[start : start + chunk] *= counted.unsqueeze(1)
                to_weight += slope.T @ (rows * counted.unsqueeze(1))
        if wanted:
            ctx.save_for_backward(to_states, to_weight, to_bias)
            ctx.formats = states.dtype, weight.dtype, None if bias is None else bias.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        of_states, of_weight, of_bias = (
            None if slope is None else (slope * upstream).to(format) for slope, format in zip(ctx.saved_tensors, ctx.formats, strict=True)
        )
        return of_states, of_weight, of_bias, None, None, None, None, None, None
