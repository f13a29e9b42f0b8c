"""Weights on disk: safetensors, one file or shards with an index; old PyTorch files are read too, as tensors and nothing else."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from zhixing.console import warn
from zhixing.errors import ArtifactError
from zhixing.files import read_json, write_json, writing

FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
OLD_FILE, OLD_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
SHARD_BYTES = 5_000_000_000
"""Weights of more bytes than this are cut into shards of at most so many."""


class Weights:
    """Tensors of a folder by name, read when they are asked for; knows which were not."""

    def __init__(self, folder: Path, tensors: Mapping[str, Callable[[], Tensor]]) -> None:
        self.folder = folder
        self._tensors = {_MODERN.sub(lambda found: _NAMES[found[1]], name): read for name, read in tensors.items()}
        self._left = set(self._tensors)

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def take(self, name: str, *shape: int) -> Tensor:
        """The tensor of this name in fp32. Raises `ArtifactError` when there is none, or of another shape."""
        if name not in self._tensors:
            raise ArtifactError(self.folder, f"has no weights named {name}; its config.json does not fit them")
        try:
            tensor = self._tensors[name]()
        except SafetensorError as error:
            raise ArtifactError(self.folder, f"its weights {name} cannot be read ({error})") from None
        if tuple(tensor.shape) != shape:
            raise ArtifactError(
                self.folder, f"its weights {name} have the shape {list(tensor.shape)}, and its config.json asks for {list(shape)}"
            )
        self._left.discard(name)
        return tensor.float()

    def left(self) -> list[str]:
        """Names that were not taken."""
        return sorted(self._left)

    def settle(self, computed: str, others: str = "(?!)") -> None:
        """Account for what was not taken, by regular expressions that match from a name's beginning.

        computed: what can be left out without a word (copies, and tables that follow from the settings). others: heads of other tasks,
        which are named in a warning. Raises `ArtifactError` for the rest.
        """
        left = [name for name in self.left() if not re.match(computed, name)]
        heads = [name for name in left if re.match(others, name)]
        if unknown := [name for name in left if name not in heads]:
            raise ArtifactError(self.folder, f"has weights that its config.json does not account for: {_listed(unknown)}")
        if heads:
            warn(f"{self.folder}: weights of heads for other tasks are left out: {_listed(heads)}")


_NAMES = {"gamma": "LayerNorm.weight", "beta": "LayerNorm.bias"}
_MODERN = re.compile(r"LayerNorm\.(gamma|beta)$")  # as the oldest checkpoints call them


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:5])}{', ...' * (len(names) > 5)}"


@contextmanager
def opened(folder: Path) -> Iterator[Weights]:
    """The weights of a folder. Raises `ArtifactError` when there are none, or a file is missing, damaged or more than tensors."""
    with ExitStack() as stack:

        def safe(path: Path) -> Mapping[str, Callable[[], Tensor]]:
            handle = stack.enter_context(_open(path))
            return {name: partial(handle.get_tensor, name) for name in handle.keys()}  # noqa: SIM118

        for index, file, read in ((INDEX, FILE, safe), (OLD_INDEX, OLD_FILE, _unpickled)):
            if (folder / index).is_file():
                yield Weights(folder, _shards(folder / index, read))
                return
            if (folder / file).is_file():
                yield Weights(folder, read(folder / file))
                return
        raise ArtifactError(folder, f"holds no weights (no {FILE} or {INDEX}, and no {OLD_FILE} either)")


def _shards(index: Path, read: Callable[[Path], Mapping[str, Callable[[], Tensor]]]) -> dict[str, Callable[[], Tensor]]:
    try:
        places = {str(name): index.parent / Path(file).name for name, file in read_json(index)["weight_map"].items()}
    except (KeyError, TypeError, AttributeError):
        raise ArtifactError(index, "is not an index of shards (it has no weight_map)") from None
    known = {place: read(place) for place in sorted(set(places.values()))}
    for name, place in places.items():
        if name not in known[place]:
            raise ArtifactError(place, f"has no weights named {name}, which {index.name} places there")
    return {name: known[place][name] for name, place in places.items()}


def _open(path: Path) -> safe_open:
    if not path.is_file():
        raise ArtifactError(path, "is missing")
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise ArtifactError(path, f"is damaged or no safetensors file ({error}); copy or fetch it again") from None


def _unpickled(path: Path) -> dict[str, Callable[[], Tensor]]:
    """The tensors of an old PyTorch file, read without running anything that may stand in it."""
    if not path.is_file():
        raise ArtifactError(path, "is missing")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged file can raise nearly anything
        said = " ".join(str(error).split())
        asked = re.search(r"GLOBAL (\S+)", said)  # the first thing that torch would not give to it
        why = f"it asks for {asked[1]}" if asked else f"{type(error).__name__}: {said[:80]}"
        raise ArtifactError(path, f"is damaged, or a pickled object that is more than weights, which is never run ({why})") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()):
        raise ArtifactError(path, "is a pickled object other than weights by name")
    return {name: partial(_itself, value.detach()) for name, value in found.items()}


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def write(folder: Path, tensors: Mapping[str, Tensor], shard_bytes: int = SHARD_BYTES) -> None:
    """Write tensors as one file, or as shards with their index when they are larger than `shard_bytes`."""
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if shards[-1] and size + tensor.nbytes > shard_bytes:
            shards.append({})
            size = 0
        shards[-1][name] = tensor.detach().contiguous().cpu()
        size += tensor.nbytes
    with writing(folder):
        if len(shards) == 1:
            save(folder / FILE, shards[0], {"format": "pt"})
            return
        places: dict[str, str] = {}
        for number, shard in enumerate(shards, start=1):
            file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
            save(folder / file, shard, {"format": "pt"})
            places |= dict.fromkeys(shard, file)
    write_json(folder / INDEX, {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": places})


def save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write one file of tensors. Raises `OSError` with the system's number where safetensors only has a message."""
    try:
        safetensors.torch.save_file(tensors, path, metadata=metadata)
    except SafetensorError as error:
        if number := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from None
        raise
