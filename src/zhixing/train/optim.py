"""Optimizers: SGD with momentum, AdamW, and Muon for matrices with AdamW for the rest.

    SGD      m <- mu m + g;  w <- w - lr m                                                     (Sutskever et al. 2013)
    AdamW    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  w <- w - lr (m^ / (sqrt v^ + eps) + wd w)
                                                                                               (Loshchilov & Hutter 2019)
    Muon     m <- mu m + (1 - mu) g;  w <- w - lr (0.2 sqrt(max(rows, columns)) orth(lerp(g, m, mu)) + wd w)
                                                                                               (Jordan et al. 2024; Liu et al. 2025)

orth(X) = U V' of the singular value decomposition X = U S V', computed by five Newton-Schulz steps. The factor 0.2 sqrt(max) gives
Muon's update the root mean square of AdamW's, so that one learning rate means the same for both.

Three kinds of parameter are told apart by where they are and what shape they have:
    matrices  two-dimensional weights of the trunk
    tables    the embedding and the output head
    vectors   gains and biases: never decayed

With `layer_decay` d, parameters of layer n of a role's L layers move at d^(L-1-n) times their rate, embeddings, and norms between them and
the layers, at d^L, and what stands above the layers at the full rate (Howard & Ruder 2018, arXiv 1801.06146): of a trained model, the lower
layers are to change less.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from zhixing.config import Names, Settings
from zhixing.device import has_bf16
from zhixing.errors import ArtifactError, SettingError


class OptimSettings(Settings):
    """Which optimizer, and its rates."""

    kind: Literal["muon", "adamw", "sgd"] = "muon"
    """muon (matrices by Muon, the rest by AdamW), adamw, or sgd (with Nesterov momentum)."""
    learning_rate: float = Field(default=0.01, gt=0)
    """Peak rate of the matrices."""
    table_rate: float = Field(default=0.01, gt=0)
    """Peak rate of the embedding and the output head."""
    vector_rate: float = Field(default=0.01, gt=0)
    """Peak rate of gains and biases."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decoupled decay of matrices (and, with adamw and sgd, tables), times the learning rate."""
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Momentum of Muon and SGD."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """AdamW: decay of the mean of gradients."""
    beta2: float = Field(default=0.95, ge=0, lt=1)
    """AdamW: decay of the mean of squared gradients."""
    epsilon: float = Field(default=1e-8, gt=0)
    """AdamW: added to the denominator."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Factor of the rates from each layer to the one below it, the embedding lowest; 1: all layers move alike."""
    frozen: Names = ()
    """Beginnings of names of parameters that do not move, such as `encoder.embedding` or `encoder.trunk.blocks.0.`."""


# The quintic iteration of Jordan et al. 2024: its slope at 0 is as steep as convergence to [0.7, 1.2] allows.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_MOMENTUM_WARMUP = 300  # steps from 0.85 to the full momentum: early gradients point elsewhere


def orthogonalize(x: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices to a batch of matrices [N, rows, columns], by Newton-Schulz, in bf16 where the hardware has it.

    Singular values end within about [0.7, 1.2], which trains as well as exact ones (Jordan et al. 2024).
    """
    a, b, c = _QUINTIC
    tall = x.shape[-2] > x.shape[-1]
    y = (x.mT if tall else x).to(torch.bfloat16 if has_bf16(x.device) else torch.float32)
    y = y / (y.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = y @ y.mT
        y = torch.baddbmm(y, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), y, beta=a)
    return y.mT if tall else y


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised: matrices of one shape are stacked and share each Newton-Schulz product."""

    def __init__(self, params: list[nn.Parameter] | list[dict[str, object]], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of all parameters that have a gradient."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    shapes[p.shape].append(p)
            for shape, params in shapes.items():
                self._update(group, shape, params)

    def _update(self, group: dict[str, float], shape: torch.Size, params: list[nn.Parameter]) -> None:
        gradients = [p.grad for p in params if p.grad is not None]
        moments = []
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = torch.zeros(())
                state["momentum"] = torch.zeros_like(p)
            state["step"] += 1
            moments.append(state["momentum"])
        warm = min(1.0, float(self.state[params[0]]["step"]) / _MOMENTUM_WARMUP)
        momentum = min(group["momentum"], 0.85 + (group["momentum"] - 0.85) * warm)
        torch._foreach_lerp_(moments, gradients, 1 - momentum)
        update = orthogonalize(torch.stack(torch._foreach_lerp(gradients, moments, momentum)))
        scale = 0.2 * max(shape) ** 0.5
        weights: list[Tensor] = list(params)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, list(update.to(params[0].dtype).unbind()), alpha=-group["lr"] * scale)


class Optimizer:
    """All parameters of a model under the optimizers that suit them, moved by one schedule factor."""

    def __init__(self, model: nn.Module, settings: OptimSettings) -> None:
        """Raises `SettingError` when a name to freeze is none of the model's, or nothing is left to train.

        Parameters to freeze lose `requires_grad`, so that no gradient is computed for them.
        """
        self.names: dict[Tensor, str] = {p: name for name, p in model.named_parameters()}  # tied weights appear once
        freeze(model, settings.frozen)
        s, self.rate = settings, settings.learning_rate
        rates = {"matrix": s.learning_rate, "table": s.table_rate, "vector": s.vector_rate}
        decays = {"matrix": s.weight_decay, "table": 0.0 if s.kind == "muon" else s.weight_decay, "vector": 0.0}
        groups: dict[tuple[str, float], list[nn.Parameter]] = defaultdict(list)
        above = _layers_above(self.names.values())
        for name, p in model.named_parameters():
            if p.requires_grad:
                groups[_kind(name, p), s.layer_decay ** above[name]].append(p)
        matrices, others = list[dict[str, object]](), list[dict[str, object]]()
        for (kind, share), params in groups.items():
            one: dict[str, object] = {"params": params, "lr": rates[kind] * share, "weight_decay": decays[kind]}
            (matrices if kind == "matrix" and s.kind == "muon" else others).append(one)
        self.parts: list[torch.optim.Optimizer] = []
        if matrices:
            self.parts.append(Muon(matrices, s.learning_rate, s.momentum, s.weight_decay))
        if others and s.kind == "sgd":
            self.parts.append(torch.optim.SGD(others, momentum=s.momentum, nesterov=s.momentum > 0))
        elif others:
            self.parts.append(torch.optim.AdamW(others, betas=(s.beta1, s.beta2), eps=s.epsilon, fused=True))
        for part in self.parts:
            for group in part.param_groups:
                group["peak"] = group["lr"]

    def step(self, factor: float) -> None:
        """One update with all learning rates at `factor` times their peak."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = group["peak"] * factor
            part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state as flat named tensors, as it goes into a checkpoint: `decoder.embedding.weight/exp_avg`."""
        return {
            f"{self.names[p]}/{key}": value
            for part in self.parts
            for p, state in part.state.items()
            for key, value in state.items()
            if isinstance(value, Tensor)
        }

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take up the state that `tensors` gave. Raises `ArtifactError` when it belongs to another model or optimizer."""
        params = {name: p for p, name in self.names.items()}
        owner: dict[Tensor, torch.optim.Optimizer] = {
            p: part for part in self.parts for group in part.param_groups for p in group["params"]
        }
        for key, value in tensors.items():
            name, _, field = key.rpartition("/")
            if name not in params:
                raise ArtifactError(key, "is not a parameter of this model; the checkpoint belongs to another run")
            p = params[name]
            owner[p].state[p][field] = value.to(p.device if value.ndim or p.is_cuda else "cpu").clone()


def freeze(model: nn.Module, beginnings: tuple[str, ...]) -> None:
    """Take the gradient from parameters whose names begin so. Raises `SettingError` for a beginning that none has, or that all have."""
    names = [name for name, _ in model.named_parameters()]
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in names):
            raise SettingError(
                "optim.frozen", f"names {beginning!r}, with which no parameter begins; they are like {names[0]}, {names[-1]}"
            )
    for name, p in model.named_parameters():
        if name.startswith(beginnings):
            p.requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise SettingError("optim.frozen", "leaves nothing to train")


def _kind(name: str, p: nn.Parameter) -> str:
    return "vector" if p.ndim < 2 else "matrix" if ".trunk." in f".{name}" else "table"


_ROLE = re.compile(r"(?:^|\.)(encoder|decoder)\.")
_LAYER = re.compile(r"\.(?:blocks|layers|looks)\.(\d+)\.|\.look\.")  # an only look at the encoder stands behind the first layer


def _layers_above(names: Iterable[str]) -> dict[str, int]:
    """How many layers of its role stand above each parameter: all of them above embeddings and what these pass through before the first
    layer, none above what comes after the last, or stands in no role.

    names: in the order in which the model's parts were made, which is that in which they are used: it alone tells a norm in front of the
    layers (BERT) from one behind them (Llama), as both are `trunk.norm`.
    """
    places, layers = dict[str, tuple[str, int]](), defaultdict[str, int](int)
    for name in names:
        role = found[1] if (found := _ROLE.search(name)) else ""
        if role and (layer := _LAYER.search(name)):
            place = int(layer[1] or 0) + 1
            layers[role] = max(layers[role], place)
        else:
            place = layers[role] if ".trunk." in name else 0
        places[name] = role, place
    return {name: layers[role] - place for name, (role, place) in places.items()}
