"""Export of a translator to the Hugging Face format, kept only when transformers says the same with it.

    out/
        config.json, generation_config.json, model.safetensors   for MarianMTModel or M2M100ForConditionalGeneration
        tokenizer.json, tokenizer_config.json                    the target's: PreTrainedTokenizerFast.from_pretrained(out)
        source/                                                  the source's, with the end mark behind: from_pretrained(out/source)
        source_tokenizer.json                                    the source's as it was here, for whoever opens the folder here again

transformers knows no limit that follows the source (`decode.ratio`): there, translations may have up to `decode.tokens` tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from zhixing import pretrained
from zhixing.console import warn
from zhixing.decode.beam import BeamSearch, BeamSettings
from zhixing.errors import MissingPackage, SettingError, UserError, ZhixingError
from zhixing.export.huggingface import TEXTS, Exported, as_probable, compare_tokens, quiet, refuse_above_tolerance
from zhixing.files import new_folder, write_json
from zhixing.models.marian import MarianSettings
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.pretrained import marian
from zhixing.tasks.translation.artifact import Translator
from zhixing.tokenizer.tokenizer import Tokenizer

COMPARED = 16
"""Validation sentences that both translate, beside the golden ones."""
NEAR = 1e-3
"""Two translations of a sentence whose scores differ by less may change places: sums are rounded in another order."""


def write(out: Path, run: Path, translator: Translator) -> Exported:
    """Write the folder `out`, open it with transformers, compare logits and translations, and only then let it appear.

    Raises `UserError` for an architecture that the format has no name for, `ZhixingError` when the outputs differ.
    """
    model, decode, context = translator.model, translator.recipe.decode, translator.task.context
    decode = decode.model_copy(update={"first": translator.search.first or decode.first})
    settings = model.settings
    if not isinstance(settings, MarianSettings):
        kind = getattr(settings, "kind", "?")
        raise UserError(
            f"{run}: its model is of kind {kind}, for which the Hugging Face format has no name; it has for Transformers (marian)"
        )
    try:
        kind = marian.family(settings, model.encoder.embedding is not model.decoder.embedding)
    except SettingError as error:
        raise UserError(f"{run}: transformers has no model that computes this one ({error}); --to ctranslate2 takes it as it is") from None
    try:
        import transformers
    except ImportError:
        raise MissingPackage("transformers", "hf", "comparing the export with transformers") from None
    if decode.norm != "power" or len(decode.first) > 1:
        warn("transformers knows no decode.norm but power, and one token of decode.first at most: it searches so")
    decode = decode.model_copy(update={"norm": "power", "ratio": None, "first": decode.first[:1], "best": 1})
    decode = decode.model_copy(update={"tokens": min(decode.tokens, 2 * context), "banned": (translator.target.pad,)})
    with new_folder(out, "export", extra={"to": "hf"}) as folder:
        pretrained.save_pair(
            folder, model.float(), settings, translator.source, translator.target, context,
            begin=translator.marks.start, generation=_generation(decode, translator.target.end),
        )  # fmt: skip
        _tokenizers(folder, translator, context)
        with quiet(transformers):
            theirs = getattr(transformers, marian.FAMILIES[kind]).from_pretrained(folder, dtype=torch.float32).eval()
            source = transformers.PreTrainedTokenizerFast.from_pretrained(folder / "source")
            target = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
            compare_tokens(translator.target, target)
            compare_tokens(translator.source, source)
            texts = sources(run, translator)
            rows = translator.search.ids(texts)
            texts = [text for text, row in zip(texts, rows, strict=True) if len(row) <= context]  # what does not fit is cut before
            rows = translator.search.ids(texts)
            if [source(text)["input_ids"] for text in texts] != rows:
                raise ZhixingError("not exported: transformers' tokenizer does not put the same marks around a source")
            said = _translations(model, theirs, rows, decode, translator, target)
            difference, tokens = _logits(model, theirs, rows, said, translator)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Exported(marian.FAMILIES[kind], size, difference, tokens)


def _generation(decode: BeamSettings, end: int) -> dict[str, Any]:
    """Their names of our settings."""
    return {
        "num_beams": decode.beams,
        "max_length": decode.tokens + 1,  # theirs counts the begin mark
        "length_penalty": decode.length_penalty,
        "early_stopping": {"usual": False, "first": True, "never": "never"}[decode.stop],
        "no_repeat_ngram_size": decode.no_repeat,
        "forced_bos_token_id": decode.first[0] if decode.first else None,
        "forced_eos_token_id": end if decode.force_end else None,
        "do_sample": False,
    }


def _tokenizers(folder: Path, translator: Translator, context: int) -> None:
    """What transformers needs to open both tokenizers; the source's puts its marks around a text."""
    target, source = translator.target, translator.source
    order = {"legacy_behaviour": True} if translator.search.after else {}  # so that it is known where the folder is read again
    write_json(folder / "tokenizer_config.json", _named(target, context) | order)
    (folder / "source").mkdir()
    tree, names = source.to_json(), source.names()
    around = [*translator.search.before, source.end, *translator.search.after]
    marks = [{"SpecialToken": {"id": names[mark], "type_id": 0}} for mark in around]
    texts = [{"Sequence": {"id": side, "type_id": 0}} for side in ("A", "B")]
    first = len(translator.search.before)
    before, behind = marks[:first], marks[first:]
    tree["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [*before, texts[0], *behind],
        "pair": [*before, texts[0], behind[0], texts[1], *behind],
        "special_tokens": {names[mark]: {"id": names[mark], "ids": [mark], "tokens": [names[mark]]} for mark in around},
    }
    write_json(folder / "source" / "tokenizer.json", tree)
    write_json(folder / "source" / "tokenizer_config.json", _named(source, context))


def _named(tokenizer: Tokenizer, context: int) -> dict[str, Any]:
    names = tokenizer.names()
    marks = {"eos_token": names[tokenizer.end], "pad_token": names[tokenizer.pad]}
    if tokenizer.unknown is not None:
        marks["unk_token"] = names[tokenizer.unknown]
    return {**marks, "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": context, "clean_up_tokenization_spaces": False}


def sources(run: Path, translator: Translator) -> list[str]:
    """What both translate: golden sources, validation sources, and texts that have a little of everything."""
    lines = (run / "valid.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    some = [json.loads(line)["source"] for line in lines[:: -(-len(lines) // COMPARED)]]
    texts = [*(golden.source for golden in translator.task.golden), *some, *(text.strip() for text in TEXTS)]
    return [translator.cleaned(text) for text in dict.fromkeys(texts) if text.strip()]


@torch.no_grad()
def _translations(
    ours: EncoderDecoderModel, theirs: Any, rows: list[list[int]], decode: BeamSettings, translator: Translator, target: Any
) -> list[list[int]]:
    """Our translations of source ids. Raises `ZhixingError` unless transformers finds the same, or others that are as likely."""
    end, pad = translator.target.end, translator.source.pad
    found = BeamSearch(ours, decode, begin=translator.marks.start, end=end, pad=pad)(rows)
    for row, [best, *_] in zip(rows, found, strict=True):
        made = theirs.generate(
            torch.tensor([row]), attention_mask=torch.ones(1, len(row), dtype=torch.int64), return_dict_in_generate=True, output_scores=True
        )
        text = target.decode(made.sequences[0], skip_special_tokens=True)
        if text == translator.target.decode(best.tokens):
            continue
        if decode.beams > 1:
            near = abs(float(made.sequences_scores[0]) - best.score) <= NEAR
        else:
            written = [token for token in made.sequences[0].tolist() if token not in (translator.marks.start, end, translator.target.pad)]
            states = ours(
                torch.tensor([row]), torch.tensor([[translator.marks.start, *best.tokens]]), torch.ones(1, len(row), dtype=torch.bool)
            )
            near = written != best.tokens and as_probable([*best.tokens, end], [*written, end], ours.head(states[0]))
        if not near:
            raise ZhixingError(f"not exported: transformers translates {translator.source.decode(row)[:30]!r} otherwise")
    return [hypotheses[0].tokens for hypotheses in found]


@torch.no_grad()
def _logits(
    ours: EncoderDecoderModel, theirs: Any, rows: list[list[int]], said: list[list[int]], translator: Translator
) -> tuple[float, int]:
    """Greatest difference of logits at the tokens of the translations, in padded rows, and how many tokens."""
    source, mask = padded(rows, translator.source.pad)
    written, seen = padded([[translator.marks.start, *text] for text in said], translator.target.pad)
    mine = ours.head(ours(source, written, mask))
    logits = theirs(input_ids=source, attention_mask=mask.long(), decoder_input_ids=written).logits
    difference = float((mine - logits)[seen].abs().max())
    refuse_above_tolerance(difference)
    return difference, int(seen.sum())


def padded(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids [B, T] and the mask of where they are."""
    width = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    return ids, torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]
