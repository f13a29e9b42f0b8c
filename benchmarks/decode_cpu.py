"""Decoding speed on a CPU: our beam search next to transformers' batched `generate`, the same weights, in the same run.

    python benchmarks/decode_cpu.py                          # a Marian model of 6 + 2 layers x 256 with random weights
    python benchmarks/decode_cpu.py --model FOLDER --text FILE   # a trained one in Hugging Face's format, and sentences for it;
                                                             # then CTranslate2 translates too, in fp32 and int8

Both translate the same ids with the same beams, in turns, so that a machine that slows down slows both. transformers gets its batches
twice: as the sentences come, and sorted by length (which it does not do by itself). Text agrees where all tokens of a sentence do.

Random weights know no end: there both sides get one processor of log probabilities that makes the end mark likely near a length drawn for
each sentence, in proportion to its source, as a trained model would have it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from measure import record

from zhixing.decode.beam import BeamSearch, BeamSettings, Constrain
from zhixing.models import build
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.pretrained import marian

PAD, END, VOCABULARY, LAYERS, WIDTH = 3, 0, 8000, (6, 2), 256


def random_model() -> transformers.MarianMTModel:
    config = transformers.MarianConfig(
        vocab_size=VOCABULARY, d_model=WIDTH, encoder_layers=LAYERS[0], decoder_layers=LAYERS[1], encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=4 * WIDTH, decoder_ffn_dim=4 * WIDTH, max_position_embeddings=512, pad_token_id=PAD,
        eos_token_id=END, decoder_start_token_id=PAD, forced_eos_token_id=END, scale_embedding=True, activation_function="swish",
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.MarianMTModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * (0.05 if parameter.ndim > 1 else 0.02))
        model.final_logits_bias[0, END] = -10  # until the processor says otherwise
    return model


def sentences(count: int, mean: float) -> list[list[int]]:
    """Random ids, their lengths spread as those of real sentences: log-normal."""
    generator = torch.Generator().manual_seed(1)
    lengths = (torch.randn(count, generator=generator) * 0.5).exp().mul(mean / 1.13).round().clamp(2, 120).long().tolist()
    return [[*torch.randint(4, VOCABULARY, (n - 1,), generator=generator).tolist(), END] for n in lengths]


def wanted(sources: list[list[int]]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    lengths = torch.tensor([len(source) for source in sources])
    return (lengths * (0.8 + 0.4 * torch.rand(len(sources), generator=generator))).round()


def near_end(length: int, wanted: torch.Tensor) -> torch.Tensor:
    """What is added to the end mark's log probability after `length` tokens."""
    return ((length - wanted) * 2 + 8).clamp(-12, 18)


class Ending(transformers.LogitsProcessor):
    def __init__(self, wanted: torch.Tensor, beams: int) -> None:
        self.wanted = wanted.repeat_interleave(beams)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores[:, END] += near_end(input_ids.shape[1] - 1, self.wanted)
        return scores


def theirs(
    model: Any, sources: list[list[int]], order: list[int], lengths: torch.Tensor | None, beams: int, batch: int, limit: int
) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in sources]
    for start in range(0, len(order), batch):
        places = order[start : start + batch]
        longest = max(len(sources[place]) for place in places)
        pad = model.config.pad_token_id
        ids = torch.tensor([sources[place] + [pad] * (longest - len(sources[place])) for place in places])
        mask = torch.tensor([[1] * len(sources[place]) + [0] * (longest - len(sources[place])) for place in places])
        processors = transformers.LogitsProcessorList([] if lengths is None else [Ending(lengths[places], beams)])
        made = model.generate(
            input_ids=ids, attention_mask=mask, num_beams=beams, do_sample=False, max_length=limit + 1, bad_words_ids=[[pad]],
            logits_processor=processors, early_stopping=False, length_penalty=1.0, no_repeat_ngram_size=0, num_return_sequences=1,
        )  # fmt: skip
        for place, row in zip(places, made[:, 1:].tolist(), strict=True):
            end = model.config.eos_token_id
            found[place] = row[: row.index(end)] if end in row else [token for token in row if token != pad]
    return found


def converted(model: Any) -> EncoderDecoderModel:
    """The same weights as our model."""
    import tempfile

    from zhixing.files import read_json
    from zhixing.pretrained import weights

    folder = Path(tempfile.mkdtemp())
    model.save_pretrained(folder)
    found = marian.describe(read_json(folder / "config.json"), folder)
    ours = build(found.architecture, found.vocabulary, found.shape, found.source_vocabulary)
    with weights.opened(folder) as tensors:
        ours.load_state_dict(marian.read(tensors, found, folder)[0])
    assert isinstance(ours, EncoderDecoderModel)
    return ours.eval()


def ctranslate2_sides(
    model: EncoderDecoderModel, settings: BeamSettings, begin: int, end: int, pad: int
) -> dict[str, Callable[[list[list[int]]], list[list[int]]]]:
    """The same weights in CTranslate2, tokens named by their numbers."""
    import tempfile

    import ctranslate2

    from zhixing.export.ctranslate2 import description

    count = max(len(model.encoder.embedding.weight), len(model.decoder.embedding.weight))
    names = [str(number) for number in range(count)]
    own = names[: len(model.encoder.embedding.weight)], names[: len(model.decoder.embedding.weight)]
    sides = {}
    for quantization in ("float32", "int8"):
        folder = tempfile.mkdtemp()
        made = description(model, model.settings, settings.tokens, own, begin=begin, end=end, pad=pad)
        made.validate()
        made.optimize(quantization=quantization)
        made.save(folder)
        engine = ctranslate2.Translator(folder, compute_type=quantization, intra_threads=torch.get_num_threads())

        def side(sources: list[list[int]], engine: Any = engine) -> list[list[int]]:
            found = engine.translate_batch(
                [[str(token) for token in source] for source in sources], beam_size=settings.beams, max_batch_size=settings.batch,
                max_decoding_length=settings.tokens, min_decoding_length=0, max_input_length=0, suppress_sequences=[[str(pad)]],
            )  # fmt: skip
            return [[int(token) for token in one.hypotheses[0]] for one in found]

        sides[f"ctranslate2, {quantization}"] = side
    return sides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model")
    parser.add_argument("--text")
    parser.add_argument("--sentences", type=int, default=512)
    parser.add_argument("--mean", type=float, default=16)
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--limit", type=int, default=160)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if options.model:
        model = transformers.AutoModelForSeq2SeqLM.from_pretrained(options.model, dtype=torch.float32).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
        own = Path(options.model) / "source"  # where `zhixing export` puts the source's, if it is another
        reader = transformers.AutoTokenizer.from_pretrained(own) if own.is_dir() else tokenizer
        lines = Path(options.text).read_text(encoding="utf-8").splitlines()[: options.sentences]
        sources, lengths = reader(lines)["input_ids"], None
    else:
        model, sources = random_model(), sentences(options.sentences, options.mean)
        lengths = wanted(sources)
    end, pad = model.config.eos_token_id, model.config.pad_token_id
    constrain: Constrain | None = None
    if lengths is not None:

        def constrain(scores: torch.Tensor, rows: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
            scores[:, END] += near_end(tokens.shape[1], lengths[rows])
            return scores

    forced = getattr(model.generation_config, "forced_eos_token_id", None) is not None
    settings = BeamSettings(beams=options.beams, tokens=options.limit, banned=(pad,), batch=options.batch, force_end=forced)
    search = BeamSearch(converted(model), settings, begin=model.config.decoder_start_token_id, end=end, pad=pad, constrain=constrain)
    as_they_come = list(range(len(sources)))
    by_length = sorted(as_they_come, key=lambda place: len(sources[place]))
    sides: dict[str, Callable[[], list[list[int]]]] = {
        "ours": lambda: [found[0].tokens for found in search(sources)],
        "transformers": lambda: theirs(model, sources, as_they_come, lengths, options.beams, options.batch, options.limit),
        "transformers, sorted": lambda: theirs(model, sources, by_length, lengths, options.beams, options.batch, options.limit),
    }
    if lengths is None:  # it takes no processor of log probabilities
        begin = model.config.decoder_start_token_id
        for name, translate in ctranslate2_sides(search.model, settings, begin, end, pad).items():
            sides[name] = lambda translate=translate: translate(sources)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    texts: dict[str, list[list[int]]] = {}
    for _ in range(options.turns):
        for name, side in sides.items():
            began = time.perf_counter()
            with torch.no_grad():
                texts[name] = side()
            seconds[name].append(time.perf_counter() - began)
    tokens = sum(len(text) + 1 for text in texts["ours"])
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    result = {
        "sentences": len(sources),
        "beams": options.beams,
        "batch": options.batch,
        "model": Path(options.model).name if options.model else f"random Marian {LAYERS[0]}+{LAYERS[1]} x {WIDTH}, vocabulary {VOCABULARY}",
        "source tokens": sum(map(len, sources)),
        "target tokens": tokens,
        "rows of a grain": search.rows,
        "threads": torch.get_num_threads(),
        "seconds": {name: round(value, 2) for name, value in middle.items()},
        "tokens/s": {name: round(tokens / value, 1) for name, value in middle.items()},
        "ratio": {name: round(value / middle["ours"], 2) for name, value in middle.items()},
        "agreement": {name: sum(a == b for a, b in zip(text, texts["ours"], strict=True)) / len(sources) for name, text in texts.items()},
    }
    if lengths is None:
        from sacrebleu.metrics import BLEU

        spoken = {name: tokenizer.batch_decode(text, skip_special_tokens=True) for name, text in texts.items()}
        result["BLEU against ours"] = {
            name: round(BLEU(tokenize="char").corpus_score(said, [spoken["ours"]]).score, 2) for name, said in spoken.items()
        }
    if options.keep:
        record("decode_cpu", result)
    else:
        print(result)


if __name__ == "__main__":
    main()
