"""The verb `plan`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zhixing.config import gather

if TYPE_CHECKING:
    from zhixing.train.plan import Plan


def plan(
    data: Annotated[Path, "A data folder that `prepare` wrote."],
    *,
    minutes: Annotated[float | None, "Minutes that the whole run may take; 10 when neither they nor train.steps are given."] = None,
    base: Annotated[Path | None, "A run or Hugging Face folder, or a model by its name or hub id, whose weights to start from."] = None,
    base_encoder: Annotated[Path | None, "Likewise, for the encoder of an encoder-decoder."] = None,
    base_decoder: Annotated[Path | None, "Likewise, for the decoder of an encoder-decoder."] = None,
    device: Annotated[str, "auto, cpu or cuda."] = "auto",
    config: Annotated[Path | None, "A TOML file of settings."] = None,
    settings: Annotated[Sequence[str] | Mapping[str, Any] | None, "Settings as dotted.key=value."] = None,
) -> Plan:
    """Say what a pre-training run on this machine would be: model size, steps, memory, time, expected quality, faults of the data.

    Measures the machine and tries out the first steps; writes nothing. `pretrain` begins by making the same plan.
    """
    chosen = gather(config, settings)

    from zhixing.corpus import fetch
    from zhixing.store import Store

    fetch.refuse_absent(*filter(None, (base, base_encoder, base_decoder)))
    train, valid = Store.open(Path(data), "train"), Store.open(Path(data), "valid")  # a wrong path is told before torch is imported

    from zhixing import device as devices
    from zhixing.start import start
    from zhixing.train.plan import make
    from zhixing.verbs.pretrain import bases_of

    target = devices.pick(device)
    begun = start(bases_of({"whole": base, "encoder": base_encoder, "decoder": base_decoder}), Path(data), chosen)
    return make(train, valid, begun.tokenizer, minutes, target, begun.settings, begun.base, begun.learnt)[0]
