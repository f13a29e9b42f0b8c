"""Export to ONNX: graphs that onnxruntime computes without PyTorch, kept only when they give the numbers that we do.

    translator      encoder.onnx, decoder.onnx (see `decode.onnx`), both tokenizers, settings: opened like a run, and judged as well by BLEU
    language model  model.onnx   ids [B, T], past.L.N [B, ..., P, E] -> logits [B, T, V], present.L.N, which is `past` at the next call
    classifier      model.onnx   ids [B, T], mask [B, T] (and, of pairs, kinds [B, T]) -> logits [B, C], probabilities [B, C] (or numbers)

1. PyTorch's exporter follows a model through one call with example inputs, every axis but those of widths left open.
2. onnxruntime computes what the model computes, a token at a time where there is a past, and in rows of unequal texts.
3. The folder appears if no logit differs by more than `TOLERANCE`. 8-bit weights are made after that, and are judged by their translations.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from zhixing.checkpoint import Loaded
from zhixing.config import Settings
from zhixing.decode.beam import BeamSearch
from zhixing.decode.onnx import DECODER, ENCODER, PAST, Graph, OnnxPair
from zhixing.errors import MissingPackage, UserError, ZhixingError
from zhixing.export.huggingface import TEXTS, Exported
from zhixing.export.pairs import padded, sources
from zhixing.export.scored import Quantization, Scored, finish
from zhixing.files import new_folder, write_json
from zhixing.models import longest
from zhixing.models.gpt2 import GPT2Settings
from zhixing.models.llama import LlamaSettings
from zhixing.models.marian import DecoderTrunk, MarianSettings
from zhixing.models.rnn import RNNSettings
from zhixing.models.shapes import DecoderModel, EncoderDecoderModel, Memory, Stepped
from zhixing.nn.state import State
from zhixing.tasks.classify.artifact import Opened
from zhixing.tasks.classify.objective import Classifier, Inputs, Targets, pooled, probabilities
from zhixing.tasks.translation.artifact import Translator

MODEL, SETTINGS = "model.onnx", "settings.json"
OPSET = 20
"""Version of ONNX's operators: the newest that has been in onnxruntime for two years, and the first with GELU."""
TOLERANCE = 1e-3
"""Greatest difference of logits, in fp32, between onnxruntime and us."""
_BLOCK = 32
"""Weights that share a scale where they have 8 bits."""


def write_translator(out: Path, run: Path, translator: Translator, quantization: Quantization, tolerance: float) -> Scored:
    """Write the folder `out`, compare logits, then translations, and only then let it appear.

    Raises `UserError` for an architecture that is not exported, `ZhixingError` when logits differ or more than `tolerance` BLEU is lost.
    """
    need()
    model = translator.model.float()
    if not isinstance(model.settings, MarianSettings):
        raise UserError(f"{run}: its model is of kind {_kind(model.settings)}; of translators, Transformers (kind marian) go to ONNX")
    with new_folder(out, "export", extra={"to": "onnx", "quantization": quantization}) as folder:
        _pair(folder, model)
        rows = [row for row in translator.search.ids(sources(run, translator)) if len(row) <= translator.task.context]
        refuse(_steps_differ(translator, OnnxPair(folder), rows))
        if quantization == "int8":
            for name in (ENCODER, DECODER):
                _quantize(folder / name)
        return finish(folder, run, translator, "onnx", quantization, tolerance)


def write_decoder(out: Path, loaded: Loaded) -> Exported:
    """Write a language model: its graph, `tokenizer.json`, and in `settings.json` the tokens that it may see and those that mean something.

    Raises `UserError` for an architecture that is not exported, `ZhixingError` when logits differ.
    """
    need()
    model, tokenizer = loaded.decoder_for("export --to onnx").float(), loaded.tokenizer
    if not isinstance(model.settings, LlamaSettings | GPT2Settings):
        raise UserError(f"{loaded.path}: its model is of kind {_kind(model.settings)}; of language models, llama and gpt2 go to ONNX")
    with new_folder(out, "export", extra={"to": "onnx"}) as folder:
        start = torch.tensor([[0, 1, 2, 3, 0], [3, 2, 1, 0, 0]])
        with torch.no_grad():
            _, state = model(start, model.start(2))
        past = [tuple(x[:, :, : state.longest] for x in layer) for layer in state.layers]
        inputs = {"ids": (start[:, :3], ("batch", "tokens")), **_named(PAST, past, ("batch", None, PAST, None))}
        _graph(_Decoder(model), inputs, ["logits", *_names("present", past)], folder / MODEL, longest(model.settings))
        tokenizer.save(folder / "tokenizer.json")
        marks = {"end": tokenizer.end, "pad": tokenizer.pad}
        write_json(folder / SETTINGS, {"context": loaded.context, **marks, "model": model.settings.model_dump(mode="json")})
        rows = [[tokenizer.end, *tokenizer.encode(text)][: loaded.context] for text in TEXTS]
        difference = max(_reading_differs(model, Graph(folder / MODEL), row) for row in rows)
        refuse(difference)
        size = sum(file.stat().st_size for file in folder.iterdir())
    return Exported("onnxruntime.InferenceSession", size, difference, sum(map(len, rows)))


def write_classifier(out: Path, opened: Opened) -> Exported:
    """Write a classifier: its graph, `tokenizer.json`, and in `settings.json` the classes and how texts are cleaned and cut.

    Raises `UserError` for an architecture that is not exported, `ZhixingError` when logits differ.
    """
    need()
    model, task = opened.model.float(), opened.task
    if isinstance(opened.recipe.model, RNNSettings):
        raise UserError(f"{opened.path}: its model is of kind rnn, whose packed rows have no fixed graph; it does not go to ONNX")
    if opened.ngrams is not None:
        raise UserError(f"{opened.path}: n-grams are heard beside its network, and have no graph; train without objective.ngrams for ONNX")
    texts = [*(golden.text for golden in task.golden), *TEXTS]
    read = Inputs(opened.tokenizer, texts, texts[::-1] if task.pairs else None, task.window)
    batch = read.batch(np.arange(len(texts)))
    with new_folder(out, "export", extra={"to": "onnx"}) as folder:
        axes: tuple[str | None, ...] = ("batch", "tokens")
        inputs = {name: (value, axes) for name, value in batch.items()}
        module = _Classifier(model, task.targets, task.temperature)
        _graph(module, inputs, ["logits", "probabilities"], folder / MODEL, longest(opened.recipe.model))
        opened.tokenizer.save(folder / "tokenizer.json")
        told = task.model_dump(mode="json", include={"kind", "labels", "mean", "deviation", "pairs", "window", "temperature"})
        write_json(folder / SETTINGS, {**told, "pad": opened.tokenizer.pad, "clean": opened.cleaning.model_dump(mode="json")})
        graph, difference = Graph(folder / MODEL), 0.0
        for count in (1, len(texts)):  # and each text alone would be as right
            some = read.batch(np.arange(count))
            with torch.no_grad():
                logits = model(some["ids"], some["mask"], some.get("kinds"))
            found = graph(some)
            said = probabilities(logits, task.targets, task.temperature)
            scale = max(1.0, task.deviation)
            difference = max(difference, _apart(found["logits"], logits), _apart(found["probabilities"], said) / scale)
        refuse(difference)
        size = sum(file.stat().st_size for file in folder.iterdir())
    return Exported("onnxruntime.InferenceSession", size, difference, int(batch["mask"].sum()))


def need() -> None:
    """Raise `MissingPackage` unless the packages that write and compute graphs are there."""
    try:
        with _quietly():
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingPackage(str(error.name).split(".")[0], "onnx", "exporting to ONNX") from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what its libraries have to say of other libraries that they miss, and of open axes that they have found to be equal."""
    logger, root = logging.getLogger("torch.onnx"), logging.getLogger()
    before, handlers, level = logger.level, list(root.handlers), root.level
    logger.setLevel(logging.ERROR)
    root.addHandler(logging.NullHandler())  # onnxruntime's quantizer sets up everybody's logging, unless that has been done
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
        root.handlers[:], root.level = handlers, level


def refuse(difference: float) -> None:
    """Raise `ZhixingError` for logits that differ by more than the tolerance."""
    if not difference <= TOLERANCE:
        raise ZhixingError(f"not exported: logits of onnxruntime differ by {difference:.2g}, more than {TOLERANCE:g}")


def _kind(settings: Settings) -> str:
    return str(getattr(settings, "kind", "?"))


# --- graphs ---------------------------------------------------------------------------------------------------------------------------


class _Past:
    """What a decoder has seen, as an exporter must find it: like `nn.state.State`, but nothing is written in place, and no number of
    tokens decides what is computed.
    """

    longest = 0
    """No bound is checked in a graph."""

    def __init__(self, layers: Sequence[tuple[Tensor, ...]], memory: Sequence[tuple[Tensor, ...]] = (), mask: Tensor | None = None) -> None:
        self.layers, self.memory, self.memory_mask = list(layers), list(memory), mask
        self.count = layers[0][0].shape[2]

    def positions(self, count: int) -> Tensor:
        return self.count + torch.arange(count)

    def visible(self, positions: Tensor, window: int | None = None) -> Tensor | None:
        if positions.shape[0] == 1 and window is None:  # a graph of single tokens: all there is
            return None
        places = torch.arange(self.count + positions.shape[0])
        seen = places <= positions[:, None]
        return (seen if window is None else seen & (places > positions[:, None] - window))[None, None]

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        before = self.layers[layer]
        self.layers[layer] = torch.cat((before[0], keys), dim=2), torch.cat((before[1], values), dim=2)
        return self.layers[layer]  # type: ignore[return-value]

    def advance(self, count: int, lengths: Tensor | None = None) -> None:
        pass


class _PairEncoder(nn.Module):
    def __init__(self, model: EncoderDecoderModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor, source_mask: Tensor) -> list[tuple[Tensor, ...]]:
        trunk = self.model.decoder.trunk
        assert isinstance(trunk, DecoderTrunk)
        return trunk.read(Memory(self.model.encoder(source, source_mask)))


class _PairDecoder(nn.Module):
    def __init__(self, model: EncoderDecoderModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, ids: Tensor, source_mask: Tensor, memory: list[tuple[Tensor, ...]], past: list[tuple[Tensor, ...]]
    ) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        rows = ids.shape
        seen = _Past([tuple(x.flatten(0, 1) for x in layer) for layer in past], memory, source_mask)
        states, _ = self.model.decoder(ids.flatten().unsqueeze(1), None, cast(State, seen))
        present = [tuple(x.view(*rows, *x.shape[1:]) for x in layer) for layer in seen.layers]
        return self.model.head(states).view(*rows, -1), present


class _Decoder(nn.Module):
    def __init__(self, model: DecoderModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, past: list[tuple[Tensor, ...]]) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        seen = _Past(past)
        states, _ = self.model(ids, cast(State, seen))
        return self.model.head(states), seen.layers


class _Classifier(nn.Module):
    def __init__(self, model: Classifier, targets: Targets, temperature: float) -> None:
        super().__init__()
        self.model, self.targets, self.temperature = model, targets, temperature

    def forward(self, ids: Tensor, mask: Tensor, kinds: Tensor | None = None) -> tuple[Tensor, Tensor]:
        body = self.model.body
        states = body(ids)[0] if self.model.shape == "decoder" else body(ids, mask, kinds=kinds)
        logits = self.model.head(pooled(states, mask, self.model.pooling))
        return logits, probabilities(logits, self.targets, self.temperature).float()


def _names(kind: str, layers: Sequence[Sequence[Tensor]]) -> list[str]:
    return [f"{kind}.{layer}.{number}" for layer, tensors in enumerate(layers) for number in range(len(tensors))]


Input = tuple[Tensor, tuple[str | None, ...]]
"""An example of an input, and for each axis its name, where its length is open."""


def _named(kind: str, layers: Sequence[Sequence[Tensor]], axes: tuple[str | None, ...]) -> dict[str, Input]:
    return dict(zip(_names(kind, layers), [(x, axes) for layer in layers for x in layer], strict=True))


def _pair(folder: Path, model: EncoderDecoderModel) -> None:
    """The two graphs of a translator."""
    source, mask = padded([[0, 1, 2, 3, 0, 1, 2], [3, 2, 1, 0, 3]], 0)
    newest, sentences = torch.zeros(6, 1, dtype=torch.int64), ("batch", "source")
    with torch.no_grad():
        state = model.start(6)
        for step in range(4):
            model.decode(newest, model.encode(source, mask) if step == 0 else None, state)
    past = [tuple(x[:, :, : state.longest].reshape(2, 3, x.shape[1], state.longest, -1) for x in layer) for layer in state.layers]
    read: dict[str, Input] = {"source": (source, sentences), "source_mask": (mask, sentences)}
    _graph(_PairEncoder(model), read, _names("memory", state.memory), folder / ENCODER)
    step_inputs: dict[str, Input] = {
        "ids": (newest.view(2, 3), ("batch", "beams")),
        "source_mask": (mask, sentences),
        **_named("memory", state.memory, ("batch", None, "source", None)),
        **_named(PAST, past, ("batch", "beams", None, PAST, None)),
    }
    _graph(_PairDecoder(model), step_inputs, ["logits", *_names("present", past)], folder / DECODER)


def _graph(module: nn.Module, inputs: dict[str, Input], outputs: list[str], file: Path, tokens: int | None = None) -> None:
    """Write a graph. Inputs called `kind.L.N` are given to the module as one list of a kind, of a tuple for each L.

    tokens: the greatest length of the axis `tokens`; None: any.
    """
    named = {axis for _, axes in inputs.values() for axis in axes if axis is not None}
    lengths = {axis: torch.export.Dim(axis, max=tokens if axis == "tokens" else None) for axis in named}
    examples: dict[str, Any] = {}
    shapes: dict[str, Any] = {}
    for name, (example, axes) in inputs.items():
        kind, *place = name.split(".")
        opened = {axis: lengths[called] for axis, called in enumerate(axes) if called is not None}
        if not place:
            examples[kind], shapes[kind] = example, opened
            continue
        for tree, leaf in ((examples, example), (shapes, opened)):
            layers = tree.setdefault(kind, [])
            if int(place[0]) == len(layers):
                layers.append(())
            layers[-1] += (leaf,)
    with _quietly(), torch.no_grad():
        program = torch.onnx.export(
            module.eval(), tuple(examples.values()), dynamo=True, opset_version=OPSET, dynamic_shapes=tuple(shapes.values()),
            input_names=list(inputs), output_names=outputs, verbose=False,
        )  # fmt: skip
        assert program is not None
        for value, (_, axes) in zip(program.model.graph.inputs, inputs.values(), strict=True):
            if any(called and isinstance(value.shape[axis], int) for axis, called in enumerate(axes)):  # type: ignore[index]
                raise ZhixingError(f"not exported: PyTorch's exporter has fixed a length of {value.name} that must be open")
        program.save(file)  # with the weights inside, but for more than 2 GB: those lie beside it in one file


def _quantize(file: Path) -> None:
    """Replace the matrices of a graph by 8-bit ones with a scale for each `_BLOCK` weights.

    What they are multiplied with is rounded row by row. (`quantize_dynamic` gives all rows of a call one scale, so that a sentence's
    translation would depend on its batch mates.)
    """
    with _quietly():
        import onnx
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        model = onnx.load(file)
        matrices = {one.name: one for one in model.graph.initializer}
        for node in list(model.graph.node):  # a head that is the embedding's matrix, turned: a constant as well
            if node.op_type == "Transpose" and node.input[0] in matrices:
                turned = onnx.numpy_helper.to_array(matrices[node.input[0]]).transpose(node.attribute[0].ints)
                model.graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(turned), node.output[0]))
                model.graph.node.remove(node)
        quantizer = MatMulNBitsQuantizer(model, bits=8, block_size=_BLOCK, is_symmetric=True, accuracy_level=4)
        quantizer.process()
        quantizer.model.save_model_to_file(str(file))


# --- comparisons ----------------------------------------------------------------------------------------------------------------------


def _apart(theirs: Tensor, ours: Tensor) -> float:
    return float((theirs - ours).abs().max())


@torch.no_grad()
def _steps_differ(translator: Translator, theirs: OnnxPair, rows: list[list[int]]) -> float:
    """Greatest difference of logits, token by token along our translations of source ids, in padded rows."""
    ours, begin, pads = translator.model, translator.marks.start, (translator.source.pad, translator.target.pad)
    greedy = translator.recipe.decode.model_copy(update={"beams": 1, "best": 1})
    found = BeamSearch(ours, greedy, begin=begin, end=translator.target.end, pad=pads[0])(rows)
    source, mask = padded(rows, pads[0])
    written, seen = padded([[begin, *best.tokens] for [best] in found], pads[1])
    both: tuple[Stepped, Stepped] = (ours, theirs)
    states, memories = [model.start(len(rows)) for model in both], [model.encode(source, mask) for model in both]
    worst = 0.0
    for place in range(written.shape[1]):
        logits = []
        for model, memory, state in zip(both, memories, states, strict=True):
            after, _ = model.decode(written[:, place : place + 1], memory if place == 0 else None, state)
            logits.append(model.head(after)[:, -1])
        worst = max(worst, _apart(*(x[seen[:, place]] for x in logits)))
    return worst


@torch.no_grad()
def _reading_differs(ours: DecoderModel, theirs: Graph, row: list[int]) -> float:
    """Greatest difference of logits of a text, of which the graph reads the first half at once and the rest token by token."""
    ids = torch.tensor([row])
    expected = ours.head(ours(ids)[0])
    half, found = len(row) // 2, []
    past = {name: theirs.nothing(name, batch=1) for names in theirs.layers(PAST) for name in names}
    for start, end in [(0, half), *((place, place + 1) for place in range(half, len(row)))]:
        if start == end:
            continue
        outputs = theirs({"ids": ids[:, start:end], **past})
        found.append(outputs["logits"])
        past = {name: outputs[f"present{name.removeprefix(PAST)}"] for name in past}
    return _apart(torch.cat(found, dim=1), expected)
