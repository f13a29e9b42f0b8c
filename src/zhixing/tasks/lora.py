"""Low-rank adaptation: a trained matrix stays as it is, and the little that is learnt beside it is a product of two thin ones.

    y = W x + b + (alpha / rank) U D x        W [out, in] frozen, D [rank, in] random, U [out, rank] zero at first

(Hu et al. 2021, arXiv 2106.09685.) `adapt` puts this into a model, of which nothing else then moves; `merge` adds the products to the
matrices, so that what is saved, served and exported is the plain model. For any `nn.Module` whose matrices are `nn.Linear`:

    adapt(model.body, settings)        # before the optimizer is made
    ...                                # train
    merge(model)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zhixing.config import Names, Settings
from zhixing.errors import SettingError
from zhixing.models.shapes import initialise


class LoraSettings(Settings):
    """How much is learnt beside the matrices of a model that is there already."""

    rank: int = Field(default=0, ge=0)
    """Rank of what is added to a matrix; 0: nothing, all of the model is trained."""
    alpha: float = Field(default=16.0, gt=0)
    """What is added counts alpha / rank times."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the numbers dropped in training on their way into the thin matrices."""
    matrices: Names = ("qkv", "q", "kv", "out", "up", "gate_up", "down")
    """Last parts of the names of the matrices, of those that the model has: qkv (queries, keys and values in one), out, up, down, ..."""


class Adapted(nn.Module):
    """A matrix that stays, and two thin ones beside it."""

    def __init__(self, base: nn.Linear, settings: LoraSettings) -> None:
        super().__init__()
        device = base.weight.device
        self.base = base
        self.thin = nn.Parameter(torch.empty(settings.rank, base.in_features, device=device))
        self.wide = nn.Parameter(torch.zeros(base.out_features, settings.rank, device=device))
        self.dropout = nn.Dropout(settings.dropout)
        self.scale = settings.alpha / settings.rank
        initialise(self.thin)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        added: Tensor = F.linear(F.linear(self.dropout(x), self.thin), self.wide) * self.scale
        return self.base(x) + added  # type: ignore[no-any-return]

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The one matrix that computes the same."""
        self.base.weight.add_(self.wide @ self.thin, alpha=self.scale)
        return self.base


def adapt(model: nn.Module, settings: LoraSettings) -> int:
    """Freeze a model and put thin matrices beside those that the settings name, drawn from torch's global generator.

    Returns how many numbers are left to train. Rank 0 changes nothing. Raises `SettingError` when the model has no such matrix.
    """
    if settings.rank == 0:
        return sum(p.numel() for p in model.parameters() if p.requires_grad)
    linear = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    meant = {name: part for name, part in linear.items() if name.rpartition(".")[2] in settings.matrices}
    if not meant:
        known = ", ".join(sorted({name.rpartition(".")[2] for name in linear})) or "none"
        raise SettingError("lora.matrices", f"names no matrix of this model, whose matrices are: {known}")
    for p in model.parameters():
        p.requires_grad_(False)
    for name, part in meant.items():
        _replace(model, name, Adapted(part, settings))
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def merge(model: nn.Module) -> None:
    """Add what was learnt to the matrices: the model is plain again, and computes the same."""
    for name, part in [(name, part) for name, part in model.named_modules() if isinstance(part, Adapted)]:
        _replace(model, name, part.merged())


def _replace(model: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, part)
