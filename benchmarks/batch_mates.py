"""The same translation whatever the batch mates: sentences by 1, by 7, by 64 and shuffled, in every manner of translating.

    python benchmarks/batch_mates.py                     # a small translator that is trained for some seconds
    python benchmarks/batch_mates.py --run RUN --text FILE   # a run of one's own, and lines for it

Texts and the bits of all scores are compared; each difference is counted. Terms are drawn from the sources, and asked for in capitals.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

import torch
from measure import record

from zhixing.decode.sample import SampleSettings
from zhixing.tasks.translation.artifact import Translator
from zhixing.tasks.translation.search import Manner
from zhixing.tasks.translation.terms import KEPT, Terms


def small(count: int) -> tuple[Translator, list[str]]:
    """A small translator and sentences for it."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    import translators

    run = translators.write(Path(tempfile.mkdtemp()) / "run")
    return Translator.open(run, "cpu"), [source for source, _ in translators.pairs(count, seed=7)]


def manners(translator: Translator, texts: list[str]) -> dict[str, Manner]:
    beam = translator.recipe.decode.model_copy(update={"beams": 4})
    draw = random.Random(0)
    words = sorted({word for text in texts for word in text.split() if word.isalpha()})
    terms = Terms({word: word.upper() for word in draw.sample(words, max(1, len(words) // 5))}, tuple(KEPT))
    return {
        "greedy": Manner(beam.model_copy(update={"beams": 1})),
        "beam": Manner(beam),
        "sampling": Manner(beam, sample=SampleSettings(temperature=1.0, seed=1)),
        "terms": Manner(beam, terms),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--manner", choices=("greedy", "beam", "sampling", "terms"), action="append")
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results")
    options = parser.parse_args()
    if options.run:
        translator = Translator.open(options.run, "cpu")
        texts = options.text.read_text(encoding="utf-8").split("\n")[: options.sentences]
    else:
        translator, texts = small(options.sentences)
    order = random.Random(1).sample(range(len(texts)), len(texts))
    found = {}
    for name, manner in manners(translator, texts).items():
        if options.manner and name not in options.manner:
            continue
        said = {}
        for batch in (64, 7, 1):
            by = Manner(manner.beam.model_copy(update={"batch": batch}), manner.terms, manner.sample)
            said[f"by {batch}"] = [(one.text, one.score) for one in translator(texts, by)]
        mixed = [(one.text, one.score) for one in translator([texts[place] for place in order], manner)]
        said["shuffled"] = [mixed[place] for place in sorted(range(len(order)), key=order.__getitem__)]
        alone = said.pop("by 1")
        found[name] = {
            "different texts": {way: sum(a[0] != b[0] for a, b in zip(alone, them, strict=True)) for way, them in said.items()},
            "different scores": {way: sum(a[1] != b[1] for a, b in zip(alone, them, strict=True)) for way, them in said.items()},
            "varied": len({text for text, _ in alone}),
        }
        print(name, found[name], flush=True)
    result = {
        "model": str(options.run or "a small translator trained for some seconds"),
        "sentences": len(texts),
        "threads": torch.get_num_threads(),
        "against by 1": found,
    }
    if options.keep:
        record("batch_mates", result)


if __name__ == "__main__":
    main()
