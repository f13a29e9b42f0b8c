"""Activations: the functions between two matrix products, each with its derivative. The tests hold every formula against autograd.

All act on each number by itself, but for the softmax, which acts on the numbers of one axis together. The computing is PyTorch's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sigmoid(x: Tensor) -> Tensor:
    """s(x) = 1 / (1 + e^-x), between 0 and 1: how far a gate is open.

    s'(x) = s(x) (1 - s(x)), at most 1/4.
    """
    return torch.sigmoid(x)


def tanh(x: Tensor) -> Tensor:
    """tanh(x) = (e^x - e^-x) / (e^x + e^-x) = 2 s(2x) - 1, between -1 and 1.

    tanh'(x) = 1 - tanh(x)^2, at most 1.
    """
    return torch.tanh(x)


def relu(x: Tensor) -> Tensor:
    """max(x, 0) (Nair and Hinton 2010).

    relu'(x) = 1 where x > 0, 0 where x < 0; at 0, where there is none, 0 is taken.
    """
    return F.relu(x)


def gelu(x: Tensor) -> Tensor:
    """x P(x) with P(x) = (1 + erf(x / sqrt 2)) / 2, the chance that a standard normal number is below x (Hendrycks and Gimpel 2016,
    arXiv 1606.08415). BERT and RoBERTa use it.

    gelu'(x) = P(x) + x p(x) with the density p(x) = e^(-x^2 / 2) / sqrt(2 pi).
    """
    return F.gelu(x)


def gelu_tanh(x: Tensor) -> Tensor:
    """x (1 + tanh u(x)) / 2 with u(x) = sqrt(2 / pi) (x + 0.044715 x^3): GELU within 0.0005, as GPT-2 computes it.

    gelu_tanh'(x) = (1 + tanh u) / 2 + x (1 - tanh^2 u) u' / 2 with u'(x) = sqrt(2 / pi) (1 + 3 * 0.044715 x^2).
    """
    return F.gelu(x, approximate="tanh")


def silu(x: Tensor) -> Tensor:
    """x s(x), with the sigmoid s (Elfwing et al. 2017, arXiv 1702.03118; "swish").

    silu'(x) = s(x) (1 + x (1 - s(x))).
    """
    return F.silu(x)


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """y_i = e^x_i / sum_j e^x_j along one axis: positive, and one together.

    dy_i/dx_j = y_i ((i = j) - y_j), so that a gradient g with respect to y becomes y (g - sum_j g_j y_j) with respect to x.
    """
    return F.softmax(x, dim=axis)


def glu(x: Tensor) -> Tensor:
    """a s(b) for the two halves a, b of the last axis: [..., 2F] -> [..., F] (Dauphin et al. 2017, arXiv 1612.08083).

    d/da = s(b), d/db = a s(b) (1 - s(b)): past a gate that is open, a gradient goes through as if there were none.
    """
    return F.glu(x, dim=-1)
