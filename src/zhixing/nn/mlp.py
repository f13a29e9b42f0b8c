"""The feed-forward half of a transformer block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from zhixing.nn.activations import gelu, gelu_tanh, relu, silu

Activation = Literal["gelu", "gelu_tanh", "relu", "silu"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": gelu, "gelu_tanh": gelu_tanh, "relu": relu, "silu": silu}


class MLP(nn.Module):
    """`down(activation(up(x)))` with biases (Vaswani et al. 2017, arXiv 1706.03762, section 3.3)."""

    def __init__(self, width: int, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        down: Tensor = self.down(self.activation(self.up(x)))
        return down


class SwiGLU(nn.Module):
    """`down(silu(gate(x)) * up(x))` (Shazeer 2020, arXiv 2002.05202); gate and up are one matrix product."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        down: Tensor = self.down(silu(gate) * up)
        return down


class GeGLU(nn.Module):
    """`down(gelu(gate(x)) * up(x))` (Shazeer 2020, arXiv 2002.05202), with or without biases; gate and up are one matrix product."""

    def __init__(self, width: int, hidden: int, *, bias: bool = False) -> None:
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * hidden, bias=bias)
        self.down = nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        down: Tensor = self.down(gelu(gate) * up)
        return down
