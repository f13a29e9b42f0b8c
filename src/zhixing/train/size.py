"""How big a model, how many tokens, which rates: derived from time, data and memory before anything is trained.

1. A few blocks of different widths are timed: FLOP/s as a function of width on this machine.
2. For each candidate shape: tokens D that fit into the time, parameters N. The shape with the least expected loss is taken:

       L(N, D) = E + A / N^0.34 + B / D'^0.28                                        (Hoffmann et al. 2022, arXiv 2203.15556)
       D' = U + 15 U (1 - exp(-(D / U - 1) / 15))    for D > U                        (Muennighoff et al. 2023, arXiv 2305.16264)

   with U the tokens there are: what is read for the fourth time teaches nearly as much as new text, for the fortieth time little.
3. Batch and rates follow from D and the width by rules measured with this code (`benchmarks/results/`).

Whatever the user has set by hand is taken as given, and the rest is derived around it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from zhixing import device as devices
from zhixing.config import Settings, resolve
from zhixing.errors import SettingError
from zhixing.models import Architecture, LlamaSettings, Shape, build, flops_per_token, without_weights
from zhixing.models.shapes import DecoderModel, EncoderDecoderModel
from zhixing.objectives import Row
from zhixing.train.recipe import Recipe, usual_kind

WIDTHS = (64, 96, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 2048)
_ALPHA, _BETA, _A, _B = 0.34, 0.28, 406.4, 410.7
_REPEATS = 15.0
HEAD = 64
"""Width of an attention head; narrower models have heads half as wide."""


@dataclass(frozen=True)
class Rate:
    """Measured training speed of this machine: FLOP/s at a few widths, interpolated between them."""

    widths: tuple[int, ...]
    flops: tuple[float, ...]

    def at(self, width: int) -> float:
        """FLOP/s of forward and backward passes of a model of that width."""
        logs = [math.log(w) for w in self.widths]
        x = min(max(math.log(width), logs[0]), logs[-1])
        for (a, fa), (b, fb) in zip(zip(logs, self.flops, strict=True), list(zip(logs, self.flops, strict=True))[1:], strict=False):
            if x <= b:
                return fa + (fb - fa) * (x - a) / (b - a)
        return self.flops[-1]


def measure_rate(device: torch.device, number: torch.dtype, context: int, seconds: float = 0.5) -> Rate:
    """Time forward and backward passes of one block at three widths, some tenths of a second each."""
    widths = (512, 1024, 2048) if device.type == "cuda" else (128, 256, 512)
    measured = []
    for width in widths:
        settings = LlamaSettings(layers=1, width=width, heads=max(1, width // HEAD))
        with torch.device(device):
            model = build(settings, 256)
        assert isinstance(model, DecoderModel)
        ids = torch.randint(256, (max(1, 2048 // context), context), device=device)
        flops = flops_per_token(settings, 256, context) * ids.numel()
        best, began, rounds = 0.0, time.perf_counter(), 0
        while rounds < 3 or time.perf_counter() - began < seconds:
            devices.synchronize(device)
            start = time.perf_counter()
            with torch.autocast(device.type, number, enabled=number != torch.float32):
                states, _ = model(ids)
                loss = model.head(states).float().square().mean()
            loss.backward()
            devices.synchronize(device)
            best, rounds = max(best, flops / (time.perf_counter() - start)), rounds + 1
        measured.append(best)
    return Rate(widths, tuple(measured))


@dataclass(frozen=True)
class Data:
    """What the size of a model depends on in a token store."""

    tokens: int
    vocabulary: int


def work(settings: Architecture, vocabulary: int, context: int, shape: Shape, row: Row) -> float:
    """Floating-point operations of training a token that is read, forward and backward, averaged over a row.

    The head counts where there is a target. Of an encoder-decoder each role counts for the tokens that it reads; attention is then
    about half of what `flops_per_token` has for a token of either.
    """
    head = 6.0 * settings.width * vocabulary
    if shape != "encoder-decoder":
        return flops_per_token(settings, vocabulary, context, shape) - head * (1 - row.targets / row.tokens)
    of_encoder, of_decoder = _matrices(settings, vocabulary)
    attention = flops_per_token(settings, vocabulary, context, shape) - flops_per_token(settings, vocabulary, 0, shape)
    target = row.tokens - row.source
    return (6.0 * (of_encoder * row.source + of_decoder * target) + head * row.targets) / row.tokens + attention / 2


def _matrices(settings: Architecture, vocabulary: int) -> tuple[int, int]:
    """Numbers in the matrices of an encoder-decoder's two trunks."""
    with without_weights():
        model = build(settings, vocabulary, "encoder-decoder")
    assert isinstance(model, EncoderDecoderModel)
    return tuple(  # type: ignore[return-value]
        sum(p.numel() for name, p in role.named_parameters() if p.ndim > 1 and name.startswith("trunk."))
        for role in (model.encoder, model.decoder)
    )


def effective_tokens(tokens: float, unique: float) -> float:
    """What `tokens` read from `unique` different ones are worth in new tokens."""
    if tokens <= unique:
        return tokens
    return unique + _REPEATS * unique * (1 - math.exp(-(tokens / unique - 1) / _REPEATS))


def expected_loss(parameters: float, tokens: float, unique: float) -> float:
    """The law's loss up to its constant: good for comparing shapes, not a forecast in nats."""
    return float(_A / parameters**_ALPHA + _B / effective_tokens(tokens, unique) ** _BETA)


def proportions(kind: str, width: int) -> dict[str, int]:
    """Layers and heads that go with a width: 64 of width a layer, as in nanochat, and no fewer than three layers; a third of an
    encoder-decoder's are the decoder's; two or three recurrent layers.
    """
    layers, heads = max(3, min(32, round(width / 64))), max(2, width // HEAD)
    match kind:
        case "marian":
            return {"encoder_layers": layers - layers // 3, "decoder_layers": layers // 3, "width": width, "heads": heads}
        case "rnn":
            return {"layers": 2 if width < 512 else 3, "width": width}
        case "cnn":
            return {"layers": layers, "width": width}
        case "bag":
            return {"width": width}
    return {"layers": layers, "width": width, "heads": heads}


def fitting_heads(kind: str, chosen: Mapping[str, Any]) -> dict[str, int]:
    """The number of heads that goes with sizes that the user has set by hand, `kv_heads` and `head_width` among them: the most of at least
    `HEAD` each that divide the width; those that share keys and values are as many for each of `kv_heads`.
    """
    if kind in ("rnn", "cnn", "bag") or "model.heads" in chosen:
        return {}
    width = chosen.get("model.width", architecture({"kind": kind}).width)
    shared, each = chosen.get("model.kv_heads", 1), chosen.get("model.head_width", HEAD)
    if not all(type(number) is int and number > 0 for number in (width, shared, each)):
        return {}  # said by the settings' own validation
    most = width // each // shared * shared
    if "model.head_width" in chosen:  # which need not divide the width
        return {"model.heads": max(shared, most)}
    return {"model.heads": next((heads for heads in range(most, shared, -shared) if width % (2 * heads) == 0), shared)}


def by_hand(chosen: Mapping[str, Any]) -> bool:
    """Whether the user has set a size of the model; what else belongs to its size is then left as it is by default."""
    return bool({"model.layers", "model.encoder_layers", "model.decoder_layers", "model.width", "model.heads"} & set(chosen))


def likely(kind: str, chosen: Mapping[str, Any]) -> dict[str, int]:
    """Sizes, by dotted names, that go with what the user has set, for finding mistakes before anything is measured.

    Raises `SettingError` where none goes.
    """
    if by_hand(chosen):
        return fitting_heads(kind, chosen)
    model = next(fitting(kind, _fixed(chosen)))
    return {f"model.{name}": getattr(model, name) for name in proportions(kind, model.width)}


def _fixed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of an architecture that do not depend on its size."""
    free = ("model.kind", "model.dropout")
    return {name.removeprefix("model."): value for name, value in settings.items() if name.startswith("model.") and name not in free}


def _shared(width: int, kv_heads: Any) -> dict[str, int]:
    """The number of heads where it is not that of `proportions`: as many for each of `kv_heads`, none narrower than there."""
    usual = max(2, width // HEAD)
    if type(kv_heads) is not int or kv_heads < 1 or usual % kv_heads == 0 or width // kv_heads < HEAD // 2 or width % (2 * kv_heads):
        return {}
    return {"heads": fitting_heads("llama", {"model.width": width, "model.kv_heads": kv_heads})["model.heads"]}


def fitting(kind: str, fixed: Mapping[str, Any]) -> Iterator[Architecture]:
    """The architectures of this kind of all widths, the narrowest first; sizes that do not go with what is `fixed` are passed over.

    Raises `SettingError` where none goes.
    """
    misfit, found = None, False
    for width in WIDTHS:
        try:
            one = architecture({"kind": kind, **fixed, **proportions(kind, width), **_shared(width, fixed.get("kv_heads"))})
        except SettingError as error:
            misfit = misfit or error
            continue
        found = True
        yield one
    if not found:
        assert misfit is not None
        raise misfit


def choose(
    kind: str, fixed: Mapping[str, Any], shape: Shape, row: Row, rate: Rate, seconds: float, data: Data, memory: float
) -> Architecture:
    """The architecture of this kind with the least expected loss among those that fit into time and memory.

    fixed: settings of it that do not depend on its size. Raises `SettingError` where no size goes with them.
    """
    best: tuple[float, Architecture] | None = None
    for settings in fitting(kind, fixed):
        weights = trained_numbers(settings, data.vocabulary, shape)
        if best is not None and weights * 16 > memory / 2:  # weight, gradient, two moments: 16 bytes each
            break
        tokens = seconds * rate.at(settings.width) / work(settings, data.vocabulary, int(row.tokens), shape, row)
        loss = expected_loss(weights, tokens, data.tokens)
        if best is None or loss < best[0]:
            best = loss, settings
    assert best is not None
    return best[1]


class _Model(Settings):
    model: Architecture = LlamaSettings()


def architecture(values: Mapping[str, Any]) -> Architecture:
    """The architecture of these settings, its `kind` among them. Raises `SettingError` where they do not go together."""
    return resolve(_Model, {f"model.{name}": value for name, value in values.items()}).model


def trained_numbers(settings: Architecture, vocabulary: int, shape: Shape) -> float:
    """Parameters that a token is multiplied with: those of the trunks' matrices and of the head."""
    return flops_per_token(settings, vocabulary, 0, shape) / 6


def batch_tokens(tokens: float) -> int:
    """Tokens an update, a power of two: many small updates while the run is short, larger ones as it grows."""
    return int(2 ** round(math.log2(min(2**19, max(1024, 1024 * (tokens / 400_000) ** 0.6)))))


def derive(
    chosen: Mapping[str, Any],
    rate: Callable[[], Rate],
    seconds: float,
    data: Data,
    device: torch.device,
    memory: float,
    learnt: bool = False,
) -> dict[str, Any]:
    """Settings for a run of about `seconds`, as dotted names; the number of steps is left to a trial of the result.

    Where `train.steps` is chosen, size and batch are those of a run of `seconds`, and the rest follows from what these steps read.
    rate: measures this machine; called only where something that is left open depends on it.
    learnt: whether the model has learnt already.
    """
    cuda = device.type == "cuda"
    context = int(chosen.get("objective.context", min(1024 if cuda else 256, max(8, data.tokens // 16))))
    derived: dict[str, Any] = {"objective.context": context, **usual_kind(chosen)}
    of_objective = {name: value for name, value in {**derived, **chosen}.items() if name.startswith(("objective.", "model.kind"))}
    objective = resolve(Recipe, of_objective).objective
    shape, row = objective.shape, objective.row
    if shape == "decoder":
        derived["model.tied"] = False
    kind = str(of_objective["model.kind"])
    if by_hand(chosen):
        derived |= fitting_heads(kind, chosen)
    else:
        model = choose(kind, _fixed({**derived, **chosen}), shape, row, rate(), seconds, data, memory)
        derived |= {f"model.{name}": getattr(model, name) for name in proportions(kind, model.width)}
    model_settings = resolve(Recipe, {k: v for k, v in chosen.items() if k.startswith(("model.", "objective."))}, derived).model
    width = model_settings.width
    flops = work(model_settings, data.vocabulary, context, shape, row)
    rows = int(chosen.get("train.batch", 0)) or max(1, batch_tokens(seconds * rate().at(width) / flops) // context)
    if "train.steps" in chosen:
        text = int(chosen["train.steps"]) * rows * context
        pays = "train.compile" in chosen or cuda or text * row.tokens / context * flops / rate().at(width) > COMPILE_PAYS
    else:
        text = int(seconds * rate().at(width) / flops * context / row.tokens)
        pays = cuda or seconds > COMPILE_PAYS
    repeated = text / data.tokens / (HIDDEN_ANEW if shape == "encoder" else 1.0)
    micro = max(1, int(memory / 4 / token_memory(model_settings, data.vocabulary)) // context)
    # Rates of decoders measured at width 128 (benchmarks/results/), of encoders, whose embedding is their head's matrix too, at 256
    # (docs/decisions/2026-12-01-rates-of-encoders.md); an orthogonal update of root mean square 0.2 lr grows in norm with sqrt(width).
    slower = (128 / width) ** 0.5 * (FURTHER if learnt and shape == "encoder" else 1.0)
    matrices, tables = (0.0085, 0.006) if shape == "encoder" else (0.02, 0.03)
    derived |= {
        "train.batch": rows,
        "train.accumulate": min(rows, -(-rows // micro)),
        "train.compile": pays,
        "optim.learning_rate": round(matrices * slower, 5),
        "optim.table_rate": round(tables * slower, 5),
        "optim.weight_decay": 0.1 if repeated < 4 else 0.3,
        "model.dropout": 0.0 if repeated < 4 else 0.1 if repeated < 12 else 0.2,
    }
    return derived


FURTHER = 0.4
"""Share of a new encoder's rates at which one that has learnt reads on; decoders: all (docs/decisions/2026-12-01-reading-on.md)."""
HIDDEN_ANEW = 3.0
"""How many readings of a text count as one where each hides other tokens of it; measured at six alone (the same page)."""
COMPILE_PAYS = 120.0
"""Seconds of training from which on compiling (20 to 40 seconds on two cores) is won back."""


def token_memory(settings: Architecture, vocabulary: int) -> float:
    """Bytes that the backward pass keeps for a token, about: 17 widths a layer in two or four bytes, and the logits with their gradient."""
    return settings.layers * settings.width * 17 * 3 + vocabulary * 10


# Set by hand through runs of 0.7 to 1.8 M parameters over 0.2 to 5.5 MB of text, English and bilingual, on two cores: within 10 % of each.
_FLOOR, _OF_PARAMETERS, _OF_BYTES = 1.0, 65.0, 38.0


def expected_bits_per_byte(parameters: float, read: float, unique: float) -> float:
    """Rough forecast of validation bits per byte from trained numbers, bytes of text read, and different bytes there are."""
    return float(_FLOOR + _OF_PARAMETERS / parameters**_ALPHA + _OF_BYTES / effective_tokens(read, unique) ** _BETA)
