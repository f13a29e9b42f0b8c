"""Export to the Hugging Face format, kept only when transformers computes with it what we do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zhixing import pretrained
from zhixing.config import Settings
from zhixing.console import warn
from zhixing.decode.sample import Sampler, SampleSettings
from zhixing.errors import MissingPackage, UserError, ZhixingError
from zhixing.files import new_folder
from zhixing.models.shapes import DecoderModel, EncoderModel, Model
from zhixing.tokenizer.tokenizer import Tokenizer

TOLERANCE = 1e-4
"""Greatest difference of logits, in fp32, between transformers and us."""
_RULES_OF_THEIR_OWN = ("qwen2",)
"""Families whose tokenizer AutoTokenizer replaces by another."""
TEXTS = ("Knowing is the beginning of doing, and doing is knowing made real.", "知是行之始，行是知之成。", "a, B; 12,345.67 (x_1 = 8)\n\n")
"""Read by both tokenizers and both models."""


@dataclass(frozen=True)
class Exported:
    """What was written and how near transformers comes."""

    family: str
    bytes: int
    difference: float
    """Greatest difference of logits."""
    tokens: int
    """Tokens compared."""


def write(out: Path, model: Model, tokenizer: Tokenizer, context: int, *, settings: Settings) -> Exported:
    """Write the folder `out`, open it with transformers, compare, and only then let it appear.

    Raises `UserError` for an architecture that the format has no name for, `ZhixingError` when the outputs differ.
    """
    family = pretrained.family_of(settings)
    kind = family.family(settings)
    try:
        import transformers
    except ImportError:
        raise MissingPackage("transformers", "hf", "comparing the export with transformers") from None
    model = model.cpu().float().eval()
    with new_folder(out, "export", extra={"to": "hf"}) as folder:
        pretrained.save(folder, model, settings, tokenizer, context)
        with quiet(transformers):
            theirs = getattr(transformers, family.FAMILIES[kind]).from_pretrained(folder, dtype=torch.float32).eval()
            compare_tokens(tokenizer, transformers.PreTrainedTokenizerFast.from_pretrained(folder))
            try:
                compare_tokens(tokenizer, transformers.AutoTokenizer.from_pretrained(folder))
            except ZhixingError:
                if kind not in _RULES_OF_THEIR_OWN:
                    raise
                warn(f"AutoTokenizer cuts words of {kind} models by rules of their own; open this tokenizer with PreTrainedTokenizerFast")
            if isinstance(model, DecoderModel):
                difference, tokens = compare_logits(model, theirs, tokenizer, context)
                compare_greedy(model, theirs, tokenizer, context)
            elif isinstance(model, EncoderModel):
                difference, tokens = compare_encoders(model, theirs, tokenizer, context)
            else:
                raise UserError("an encoder-decoder is exported from its run (zhixing finetune translate), which has both its tokenizers")
        size = sum(file.stat().st_size for file in folder.iterdir())
    return Exported(family.FAMILIES[kind], size, difference, tokens)


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Without its warnings and bars: what matters of its work is said by us."""
    logging = transformers.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def compare_tokens(ours: Tokenizer, theirs: Any) -> None:
    """Raise `ZhixingError` unless both give the same ids and read them back as the same text."""
    special = {ours.end, ours.pad, ours.unknown, ours.cls, ours.sep, ours.mask}
    vocabulary = [token for token in range(ours.vocabulary) if token not in special]
    samples = [ours.decode(random.Random(seed).choices(vocabulary, k=500)) for seed in range(4)]  # any piece beside any other
    for text in (*TEXTS, *samples):
        ids = ours.encode(text)
        if list(theirs(text, add_special_tokens=False)["input_ids"]) != ids:
            raise ZhixingError(f"not exported: transformers cuts {text[:20]!r} into other tokens")
        if theirs.decode(ids, skip_special_tokens=True) != ours.decode(ids):
            raise ZhixingError(f"not exported: transformers reads the tokens of {text[:20]!r} back as another text")


@torch.no_grad()
def compare_logits(ours: DecoderModel, theirs: Any, tokenizer: Tokenizer, context: int) -> tuple[float, int]:
    """Greatest difference of logits on real and on random tokens, and how many tokens. Raises `ZhixingError` above the tolerance."""
    rows = [([tokenizer.end, *tokenizer.encode(text)])[:context] for text in TEXTS]
    rows.append(_noise(tokenizer, context))
    difference = 0.0
    for row in rows:
        ids = torch.tensor([row])
        states, _ = ours(ids)
        difference = max(difference, float((ours.head(states) - theirs(ids).logits).abs().max()))
    refuse_above_tolerance(difference)
    return difference, sum(map(len, rows))


def _noise(tokenizer: Tokenizer, context: int) -> list[int]:
    """Tokens at random, but for the padding, which some families count out by its number."""
    drawn = torch.randint(tokenizer.vocabulary, (min(context, 256),), generator=torch.Generator().manual_seed(0)).tolist()
    return [token if token != tokenizer.pad else tokenizer.end for token in drawn]


def refuse_above_tolerance(difference: float) -> None:
    """Raise `ZhixingError` for logits that differ by more than the tolerance."""
    if not difference <= TOLERANCE:
        raise ZhixingError(f"not exported: logits of transformers differ by {difference:.2g}, more than {TOLERANCE:g}")


@torch.no_grad()
def compare_encoders(ours: EncoderModel, theirs: Any, tokenizer: Tokenizer, context: int) -> tuple[float, int]:
    """Greatest difference of logits at the tokens of padded rows: texts, pairs of texts and random tokens; and how many tokens.

    Raises `ZhixingError` above the tolerance.
    """
    framed = [*tokenizer.frame(TEXTS, longest=context), *tokenizer.frame(TEXTS, TEXTS[::-1], longest=context)]
    rows = [(row.ids, row.kinds) for row in framed] + [(_noise(tokenizer, context), [0] * min(context, 256))]
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([row + [tokenizer.pad] * (width - len(row)) for row, _ in rows])
    kinds = torch.tensor([row + [0] * (width - len(row)) for _, row in rows])
    mask = torch.arange(width) < torch.tensor([len(row) for row, _ in rows])[:, None]
    told = {"token_type_ids": kinds} if getattr(ours.settings, "kinds", 1) > 1 else {}
    mine = ours.head(ours(ids, mask, kinds=kinds))
    difference = float((mine - theirs(ids, attention_mask=mask.long(), **told).logits)[mask].abs().max())
    refuse_above_tolerance(difference)
    return difference, int(mask.sum())


@torch.no_grad()
def compare_greedy(ours: DecoderModel, theirs: Any, tokenizer: Tokenizer, context: int, tokens: int = 32) -> None:
    """Raise `ZhixingError` unless both continue the texts with the same most probable tokens, or part where two are as probable."""
    for text in TEXTS:
        prompt = ([tokenizer.end, *tokenizer.encode(text)])[: max(1, context // 2)]
        count = min(tokens, context - len(prompt))
        if count < 1:
            continue
        settings = SampleSettings(tokens=count, greedy=True)
        steps = Sampler(ours, [prompt], settings, context=context, end=tokenizer.end)
        mine = [token for step in steps for _, token in step]
        ids = torch.tensor([prompt])
        made = theirs.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, temperature=None, max_new_tokens=count)
        states, _ = ours(torch.tensor([prompt + mine]))
        if not as_probable(mine, made[0, len(prompt) :].tolist(), ours.head(states[0, len(prompt) - 1 : -1])):
            raise ZhixingError(f"not exported: after {text[:20]!r} transformers continues with other tokens")


def as_probable(mine: list[int], made: list[int], logits: Tensor) -> bool:
    """Whether two greedy continuations are equal, or part at two tokens that are as probable, within the tolerance.

    logits: [T, V] for each token of `mine`. Where two tokens are as probable, rounding chooses, and what follows cannot be compared.
    """
    place = next((n for n, (a, b) in enumerate(zip(mine, made, strict=False)) if a != b), None)
    if place is None:
        return len(mine) == len(made)
    return float((logits[place, mine[place]] - logits[place, made[place]]).abs()) <= 2 * TOLERANCE
