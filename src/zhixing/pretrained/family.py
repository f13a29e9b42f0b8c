"""What a module of this folder knows of its family: names of settings, names of weights, and how fused matrices are cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from zhixing.config import Settings, resolve
from zhixing.errors import ArtifactError, UserError
from zhixing.models import Architecture, Model, Shape
from zhixing.pretrained.weights import Weights


@dataclass(frozen=True)
class Description:
    """What a `config.json` says, in our terms."""

    architecture: Architecture
    shape: Shape
    vocabulary: int
    context: int
    """Tokens that the model was trained to see at once."""
    source_vocabulary: int | None = None


class Family(Protocol):
    """A module of this folder, as `pretrained.load` and `pretrained.save` see it."""

    @property
    def FAMILIES(self) -> Mapping[str, str]:
        """Its types of model, and the class of transformers that opens each."""
        ...

    @property
    def SETTINGS(self) -> type[Settings]:
        """The architecture here."""
        ...

    def describe(self, config: dict[str, Any], where: Path) -> Description:
        """Our settings for a config of one of its types. Raises `ArtifactError` for what we would compute otherwise."""
        ...

    def read(self, tensors: Weights, found: Any, where: Path) -> tuple[dict[str, Tensor], bool]:
        """Our state dict from their weights, all of which must find a place; and whether the head is a new one, for want of theirs."""
        ...

    def family(self, settings: Any) -> str:
        """Which of its types computes what these settings do."""
        ...

    def config(self, settings: Any, vocabulary: int, context: int) -> dict[str, Any]:
        """Their `config.json` for our settings."""
        ...

    def write(self, model: Model, settings: Any) -> dict[str, Tensor]:
        """Their weights from our model."""
        ...


ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
"""Their names of activations, and ours; the first that means ours is the one that is written."""


def their_activation(ours: str) -> str:
    """Their name of one of our activations."""
    return next(name for name, known in ACTIVATIONS.items() if known == ours)


S = TypeVar("S", bound=Settings)


def described(
    config: Mapping[str, Any], where: Path, kind: type[S], ours: Mapping[str, Any], strange: Mapping[str, bool], context: str
) -> tuple[S, int, int]:
    """The settings of `kind`, the vocabulary and the context (which stands under that name).

    strange: what the config may ask for and we do not compute. Raises `ArtifactError` for it, and for settings that are none.
    """
    name = config.get("model_type")
    if found := [what for what, there in strange.items() if there]:
        raise ArtifactError(where, f"asks for {found[0]}, which is not supported")
    try:
        vocabulary, positions = int(config["vocab_size"]), int(config[context])
        if min(vocabulary, positions) < 1:
            raise ValueError(f"vocab_size {vocabulary}, {context} {positions}")
        return resolve(kind, dict(ours)), vocabulary, positions
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(where, f"is not the config of a {name} model ({error})") from None
    except UserError as error:
        raise ArtifactError(where, f"is not the config of a {name} model: {error}") from None


def new_transform(make: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """Weights of a head's transform that was never trained, always the same ones; under our names."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {f"head.transform.{name}": value for name, value in make().state_dict().items()}
