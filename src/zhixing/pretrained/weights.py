"""Weights on disk in safetensors: one file, or shards with an index."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from zhixing.errors import ArtifactError
from zhixing.files import read_json, write_json, writing

FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD_BYTES = 5_000_000_000
"""Weights of more bytes than this are cut into shards of at most so many."""


class Weights:
    """Tensors of a folder by name, read when they are asked for; knows which were not."""

    def __init__(self, folder: Path, files: Mapping[str, safe_open]) -> None:
        self.folder = folder
        self._files = dict(files)
        self._left = set(files)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def take(self, name: str, *shape: int) -> Tensor:
        """The tensor of this name in fp32. Raises `ArtifactError` when there is none, or of another shape."""
        if name not in self._files:
            raise ArtifactError(self.folder, f"has no weights named {name}; its config.json does not fit them")
        try:
            tensor: Tensor = self._files[name].get_tensor(name)  # type: ignore[no-untyped-call]
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


@contextmanager
def opened(folder: Path) -> Iterator[Weights]:
    """The weights of a folder. Raises `ArtifactError` when there are none, or a file is missing or damaged."""
    with ExitStack() as stack:
        if (folder / INDEX).is_file():
            index = read_json(folder / INDEX)
            try:
                places = {str(name): folder / Path(file).name for name, file in index["weight_map"].items()}
            except (KeyError, TypeError, AttributeError):
                raise ArtifactError(folder / INDEX, "is not an index of shards (it has no weight_map)") from None
            handles = {place: stack.enter_context(_open(place)) for place in sorted(set(places.values()))}
            known = {place: set(handle.keys()) for place, handle in handles.items()}
            for name, place in places.items():
                if name not in known[place]:
                    raise ArtifactError(place, f"has no weights named {name}, which {INDEX} places there")
            yield Weights(folder, {name: handles[place] for name, place in places.items()})
        elif (folder / FILE).is_file():
            handle = stack.enter_context(_open(folder / FILE))
            yield Weights(folder, dict.fromkeys(handle.keys(), handle))
        elif any(folder.glob("*.bin")) or any(folder.glob("*.pt")):
            raise ArtifactError(folder, "holds pickled weights, which could execute code when read; convert them to safetensors first")
        else:
            raise ArtifactError(folder, f"holds no weights (neither {FILE} nor {INDEX})")


def _open(path: Path) -> safe_open:
    if not path.is_file():
        raise ArtifactError(path, "is missing")
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise ArtifactError(path, f"is damaged or no safetensors file ({error})") from None


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
