"""Small pre-trained translation folders with tokenizers of their own, and the pairs that go with them."""

import json
import random
from pathlib import Path

import torch

from zhixing.files import write_json
from zhixing.models import MarianSettings, build
from zhixing.pretrained import marian, weights
from zhixing.tokenizer import sentencepiece

ENGLISH = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "red", "blue", "tea", "cat"]
WORDS = dict(zip(ENGLISH, "一二三四五六七八九十红蓝茶猫", strict=True))
NUMBERS = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn"]
GERMAN = dict(zip(ENGLISH, [*NUMBERS, "rot", "blau", "Tee", "Katze"], strict=True))


def pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Pairs of number words and their characters, none twice."""
    draw = random.Random(seed)
    made = {tuple(draw.choices(list(WORDS), k=draw.randrange(2, 7))) for _ in range(count)}
    return [(" ".join(words), "".join(WORDS[w] for w in words)) for words in sorted(made)]


def german(english: str) -> str:
    """A text of `pairs` in German."""
    return " ".join(GERMAN[word] for word in english.split())


def marian_folder(folder: Path, *, languages: tuple[str, ...] = ()) -> Path:
    """Marian's form: two sentencepiece models that share a list of ids; languages: of its marks."""
    folder.mkdir()
    rows = pairs(200)
    _pieces(folder, "source.spm", [a for a, _ in rows], "unigram", 60)
    _pieces(folder, "target.spm", [b for _, b in rows], "unigram", 40)
    names = ["</s>", "<unk>", *(f">>{language}<<" for language in languages), "<pad>"]
    for side in ("source.spm", "target.spm"):
        names += [name for name in sentencepiece.read(folder / side).names if name not in (*names, "<s>")]
    write_json(folder / "vocab.json", {name: place for place, name in enumerate(names)})
    settings = MarianSettings(encoder_layers=2, decoder_layers=1, width=32, heads=2, hidden=48, activation="silu", head_bias=True)
    pad = names.index("<pad>")
    _model(folder, settings, len(names), {"pad_token_id": pad, "eos_token_id": 0, "decoder_start_token_id": pad, "forced_eos_token_id": 0})
    write_json(folder / "generation_config.json", {"num_beams": 2, "max_length": 40, "bad_words_ids": [[pad]], "forced_eos_token_id": 0})
    return folder


def m2m100_folder(folder: Path, languages: tuple[str, ...] = ("en", "zh", "de"), *, behind: bool = False) -> Path:
    """M2M100's form: one byte-pair model, and a mark for each language; NLLB names them as in eng_Latn.

    behind: whether they stand behind the source, as in NLLB's older order.
    """
    folder.mkdir()
    _pieces(folder, "sentencepiece.bpe.model", [side for pair in pairs(200) for side in (*pair, german(pair[0]))], "bpe", 130)
    pieces = sentencepiece.read(folder / "sentencepiece.bpe.model").names
    names = ["<s>", "<pad>", "</s>", "<unk>", *(name for name in pieces if name not in ("<s>", "</s>", "<unk>"))]
    write_json(folder / "vocab.json", {name: place for place, name in enumerate(names)})
    marks = [language if "_" in language else f"__{language}__" for language in languages]
    write_json(folder / "special_tokens_map.json", {"additional_special_tokens": marks})
    if behind:
        write_json(folder / "tokenizer_config.json", {"tokenizer_class": "NllbTokenizer", "legacy_behaviour": True})
    settings = MarianSettings(
        encoder_layers=1, decoder_layers=1, width=32, heads=2, hidden=48, norm="pre", wavelengths="closed", position_offset=2
    )
    rows = len(names) + len(marks) + 8  # they have made-up words to fill up
    _model(folder, settings, rows, {"pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0, "decoder_start_token_id": 2})
    return folder


def _pieces(folder: Path, name: str, texts: list[str], kind: str, size: int) -> None:
    import sentencepiece as library

    (folder / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    library.SentencePieceTrainer.train(
        input=str(folder / "texts.txt"), model_prefix=str(folder / "made"), vocab_size=size, model_type=kind, character_coverage=1.0,
        hard_vocab_limit=False, minloglevel=9,
    )  # fmt: skip
    (folder / "made.model").rename(folder / name)
    for stray in ("texts.txt", "made.vocab"):
        (folder / stray).unlink()


def _model(folder: Path, settings: MarianSettings, vocabulary: int, ids: dict[str, int]) -> None:
    torch.manual_seed(0)
    model = build(settings, vocabulary, "encoder-decoder")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 0.1))
    (folder / "config.json").write_text(json.dumps(marian.config(settings, vocabulary, 64) | ids), encoding="utf-8")
    weights.write(folder, marian.write(model, settings))
