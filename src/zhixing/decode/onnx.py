"""Graphs in the ONNX format, computed by onnxruntime on the CPU: any one, and the two of a translator, which searches step like a model.

    encoder.onnx   source [B, S], source_mask [B, S]                             -> memory.L.N
    decoder.onnx   ids [B, k], source_mask [B, S], memory.L.N, past.L.N [B, k, ...] -> logits [B, k, V], present.L.N

`ids` are the newest tokens of k beams of each of B sentences, which share the sentence's memory. `memory.L.N` is the Nth tensor of what
block L of the decoder makes of what the encoder has read, `past.L.N` of what the block has seen so far, and `present.L.N` is the `past` of
the next step (see `nn.state.State`). Before the first token the axis named `past` has no places.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from zhixing.decode.groups import GRAIN
from zhixing.errors import ArtifactError, MissingPackage
from zhixing.nn.state import State

ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
PAST = "past"
"""The axis along which what has been seen grows."""
Memory = tuple[list[tuple[Tensor, ...]], Tensor]
"""For each block of the decoder what it attends to, and the mask [B, S] of the source."""


class Graph:
    """One graph; call it with its inputs by name."""

    def __init__(self, file: Path) -> None:
        """Raises `MissingPackage`, and `ArtifactError` for a file that onnxruntime cannot open."""
        try:
            import onnxruntime
        except ImportError:
            raise MissingPackage("onnxruntime", "onnx", f"{file}: computing ONNX graphs") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors alone: what it would warn of is its own optimisations
        try:
            self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors share no other base
            raise ArtifactError(file, f"onnxruntime cannot open it ({str(error).splitlines()[0]:.80})") from None
        self.inputs: dict[str, list[int | str]] = {one.name: one.shape for one in self.session.get_inputs()}
        """Names of the inputs with their shapes; an axis without a fixed length has a name."""
        self.outputs: dict[str, list[int | str]] = {one.name: one.shape for one in self.session.get_outputs()}

    def __call__(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All outputs by name."""
        found = self.session.run(None, {name: value.numpy() for name, value in values.items()})
        return dict(zip(self.outputs, map(torch.from_numpy, found), strict=True))

    def layers(self, kind: str) -> list[tuple[str, ...]]:
        """For each layer its inputs of a kind, such as `past.L.N`."""
        found: dict[int, list[str]] = {}
        for name in self.inputs:
            if name.startswith(f"{kind}."):
                found.setdefault(int(name.split(".")[1]), []).append(name)
        return [tuple(found[layer]) for layer in sorted(found)]

    def nothing(self, name: str, **lengths: int) -> Tensor:
        """An input `past.L.N` before the first token; lengths: of the named axes."""
        return torch.zeros([size if isinstance(size, int) else {PAST: 0, **lengths}[size] for size in self.inputs[name]])


class OnnxPair:
    """A translator in two graphs; see `models.shapes.Stepped`."""

    device = torch.device("cpu")

    def __init__(self, folder: Path) -> None:
        """Raises `MissingPackage`, and `ArtifactError` for a folder without the graphs."""
        self.encoder, self.decoder = Graph(folder / ENCODER), Graph(folder / DECODER)
        self.memory, self.past = self.decoder.layers("memory"), self.decoder.layers(PAST)

    def head(self, states: Tensor) -> Tensor:
        """The graph ends in logits, so that there is nothing left to do: [..., V] -> [..., V]."""
        return states

    def encode(self, source: Tensor, mask: Tensor | None = None) -> Memory:
        """source [B, S] -> what the decoder's blocks attend to."""
        mask = torch.ones_like(source, dtype=torch.bool) if mask is None else mask
        found = self.encoder({"source": source, "source_mask": mask})
        return [tuple(found[name] for name in names) for names in self.memory], mask

    def start(self, batch: int, capacity: int = 0) -> State:
        """No tokens seen; room is made by the graph as it goes."""
        return State.empty(len(self.past), batch, 0, self.device)

    def decode(self, ids: Tensor, memory: Memory | None = None, state: State | None = None) -> tuple[Tensor, State]:
        """ids [R, 1] -> logits [R, 1, V] and the state, moved on; R is a multiple of the memory's rows, as in `MarianDecoder`."""
        assert state is not None, "a graph is stepped"
        if memory is not None:
            state.memory, state.memory_mask = memory
        assert state.memory_mask is not None, "the first call needs what the encoder has read"
        rows = (len(state.memory_mask), len(ids) // len(state.memory_mask))
        values = {"ids": ids.view(rows), "source_mask": state.memory_mask}
        for names, read in zip(self.memory, state.memory, strict=True):
            values |= zip(names, read, strict=True)
        for names, seen in zip(self.past, state.layers, strict=True):
            for number, name in enumerate(names):
                values[name] = (
                    seen[number].view(*rows, *seen[number].shape[1:]) if seen else self.decoder.nothing(name, batch=rows[0], beams=rows[1])
                )
        found = self.decoder(values)
        state.layers = [tuple(found[f"present{name.removeprefix(PAST)}"].flatten(0, 1) for name in names) for names in self.past]
        state.advance(1)
        return found["logits"].flatten(0, 1).unsqueeze(1), state

    def steady(self) -> bool:
        """Whether a row's numbers have the same bits in any number of rows; see `decode.groups`. Tried once, not taken on trust."""
        return self._steady

    @cached_property
    def _steady(self) -> bool:
        generator, counts = torch.Generator().manual_seed(0), [GRAIN * count for count in (1, 2, 3, 6)]
        source = torch.randint(4, (max(counts), 8), generator=generator)  # any vocabulary has four tokens
        whole, mask = self.encode(source)
        newest = torch.randint(4, (len(source), 1), generator=generator)
        logits, _ = self.decode(newest, (whole, mask), self.start(len(newest)))
        for count in counts:
            read, seen = self.encode(source[:count])
            part, _ = self.decode(newest[:count], (read, seen), self.start(count))
            alike = all(torch.equal(a[:count], b) for layers in zip(whole, read, strict=True) for a, b in zip(*layers, strict=True))
            if not (alike and torch.equal(logits[:count], part)):
                return False
        return True
