"""Export to the Hugging Face format, kept only when transformers computes with it what we do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zhixing import pretrained
from zhixing.console import warn
from zhixing.decode.sample import Sampler, SampleSettings
from zhixing.errors import MissingPackage, UserError, ZhixingError
from zhixing.files import new_folder
from zhixing.models.llama import LlamaSettings
from zhixing.models.shapes import DecoderModel
from zhixing.pretrained import llama
from zhixing.tokenizer.tokenizer import Tokenizer

TOLERANCE = 1e-4
"""Greatest difference of logits, in fp32, between transformers and us."""
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


def write(out: Path, model: DecoderModel, tokenizer: Tokenizer, context: int, *, settings: object) -> Exported:
    """Write the folder `out`, open it with transformers, compare, and only then let it appear.

    Raises `UserError` for an architecture that the format has no name for, `ZhixingError` when the outputs differ.
    """
    if not isinstance(settings, LlamaSettings):
        raise UserError(
            "this model is a recurrent decoder, and the Hugging Face format knows none; only models of kind llama can be exported to it"
        )
    try:
        import transformers
    except ImportError:
        raise MissingPackage("transformers", "hf", "comparing the export with transformers") from None
    model = model.cpu().float().eval()
    with new_folder(out, "export", extra={"to": "hf"}) as folder:
        pretrained.save(folder, model, settings, tokenizer, context)
        with _quiet(transformers):
            theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
            compare_tokens(tokenizer, transformers.PreTrainedTokenizerFast.from_pretrained(folder))
            try:
                compare_tokens(tokenizer, transformers.AutoTokenizer.from_pretrained(folder))
            except ZhixingError:
                if llama.family(settings) != "qwen2":
                    raise
                warn("AutoTokenizer cuts words of Qwen2 models by Qwen's own rules; open this tokenizer with PreTrainedTokenizerFast")
            difference, tokens = compare_logits(model, theirs, tokenizer, context)
            compare_greedy(model, theirs, tokenizer, context)
        size = sum(file.stat().st_size for file in folder.iterdir())
    return Exported(llama.FAMILIES[llama.family(settings)], size, difference, tokens)


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
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
    special = {ours.end, ours.pad, ours.unknown}
    vocabulary = [token for token in range(ours.vocabulary) if token not in special]
    samples = [ours.decode(random.Random(seed).choices(vocabulary, k=500)) for seed in range(4)]  # any piece beside any other
    for text in (*TEXTS, *samples):
        ids = ours.encode(text)
        if list(theirs(text, add_special_tokens=False)["input_ids"]) != ids:
            raise ZhixingError(f"not exported: transformers cuts {text[:20]!r} into other tokens")
        if theirs.decode(ids) != ours.decode(ids):
            raise ZhixingError(f"not exported: transformers reads the tokens of {text[:20]!r} back as another text")


@torch.no_grad()
def compare_logits(ours: DecoderModel, theirs: Any, tokenizer: Tokenizer, context: int) -> tuple[float, int]:
    """Greatest difference of logits on real and on random tokens, and how many tokens. Raises `ZhixingError` above the tolerance."""
    rows = [([tokenizer.end, *tokenizer.encode(text)])[:context] for text in TEXTS]
    generator = torch.Generator().manual_seed(0)
    rows.append(torch.randint(tokenizer.vocabulary, (min(context, 256),), generator=generator).tolist())
    difference = 0.0
    for row in rows:
        ids = torch.tensor([row])
        states, _ = ours(ids)
        difference = max(difference, float((ours.head(states) - theirs(ids).logits).abs().max()))
    if not difference <= TOLERANCE:
        raise ZhixingError(f"not exported: logits of transformers differ by {difference:.2g}, more than {TOLERANCE:g}")
    return difference, sum(map(len, rows))


@torch.no_grad()
def compare_greedy(ours: DecoderModel, theirs: Any, tokenizer: Tokenizer, context: int, tokens: int = 32) -> None:
    """Raise `ZhixingError` unless both continue the texts with the same most probable tokens."""
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
        if made[0, len(prompt) :].tolist() != mine:
            raise ZhixingError(f"not exported: after {text[:20]!r} transformers continues with other tokens")
