"""Which words of a translation come from which words of its source, by what the decoder looks at.

1. The finished translation is read once more, and the cross-attention of one block says how much each of its tokens looks at each token of
   the source. The heads are averaged, and the block is the last but one (Garg et al. 2019, arXiv 1909.02074).
2. A token's row is the one that says it, not the one that reads it as the newest (which Chen et al. 2020, arXiv 2004.14837, found better
   in deep decoders): measured in docs/decisions/2026-11-24-terms-risk-and-alignment.md.
3. Tokens become words: runs without a space or punctuation between them in a script that writes spaces, tokens as they are in Chinese.
4. A word is linked to the word of the source that it looks at most, with the share of its look that goes there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from zhixing.decode.groups import groups, room
from zhixing.errors import SettingError
from zhixing.models.marian import MarianDecoder
from zhixing.models.shapes import EncoderDecoderModel
from zhixing.tasks.translation.sentences import Pieces
from zhixing.tokenizer.tokenizer import Tokenizer


@dataclass(frozen=True)
class Link:
    """A word of the translation and the word of the source that it stands for, as places of characters."""

    source: tuple[int, int]
    target: tuple[int, int]
    weight: float
    """How sure it is: the share of attention, 0-1."""


@torch.no_grad()
def attention(
    model: EncoderDecoderModel, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], *, begin: int, pad: int, batch: int = 64
) -> list[torch.Tensor]:
    """For each pair how much each token of the target looks at each of the source: [T, S].

    Raises `SettingError` for a model without a Transformer's attention.
    """
    if not isinstance(decoder := model.decoder, MarianDecoder):
        raise SettingError("align", "needs a Transformer: this model's attention does not say which words belong together")
    layer = aligned_layer(len(decoder.trunk.blocks))
    found: list[torch.Tensor] = [torch.empty(0)] * len(sources)
    alike: dict[int, list[int]] = {}  # pairs by the padded length of their targets, so that no pair decides another's
    for place, target in enumerate(targets):
        alike.setdefault(room(len(target) + 1), []).append(place)
    device = model.head.matrix.device
    for width, places in alike.items():
        for group in groups([sources[place] for place in places], batch, 2, pad, device):
            own = [places[sentence] for sentence in group.sentences]
            texts = [targets[place] for place in own] + [targets[own[0]]] * (len(group.source) - len(own))
            ids = torch.tensor([[begin, *text] + [begin] * (width - len(text) - 1) for text in texts], device=device)
            weights = decoder.looks(ids, model.encode(group.source, group.mask), layer)
            for row, place in zip(weights, own, strict=False):
                found[place] = row[: len(targets[place]), : len(sources[place])].cpu()
    return found


def aligned_layer(layers: int) -> int:
    """The block that is asked: the last but one."""
    return max(0, layers - 2)


def links(weights: torch.Tensor, source: Sequence[int], target: Sequence[int], tokenizers: tuple[Tokenizer, Tokenizer]) -> list[Link]:
    """The links of one pair, from its weights [T, S], in the order of the target."""
    rows, columns = words(target, tokenizers[1]), words(source, tokenizers[0])
    written = tokenizers[1].decode(list(target))
    before = len(written) - len(written.lstrip())  # a translation is given without the space around it
    if not rows or not columns:
        return []
    each = torch.stack([weights[:, one.first : one.last].sum(1) for one in columns], dim=1)  # [T, words]
    found = []
    for one in rows:
        looked = each[one.first : one.last].mean(0)
        place = int(looked.argmax())
        span = one.span[0] - before, one.span[1] - before
        found.append(Link(columns[place].span, span, round(float(looked[place] / looked.sum().clamp_min(1e-9)), 4)))
    return found


def moved(found: Sequence[Sequence[Link]], cut: Pieces, translations: Sequence[str], gaps: Sequence[str]) -> tuple[Link, ...]:
    """The links of the pieces of a text as links of the whole text and its joined translation; gaps: what stands behind each of these."""
    source = target = len(cut.lead)
    moved = []
    for links_of_one, piece, text, gap in zip(found, cut.pieces, translations, gaps, strict=True):
        for one in links_of_one:
            (a, b), (c, d) = one.source, one.target
            moved.append(Link((source + a, source + b), (target + c, target + d), one.weight))
        source += len(piece.text) + len(piece.gap)
        target += len(text) + len(gap)
    return tuple(moved)


@dataclass(frozen=True)
class Word:
    """A word of a tokenized text: its tokens, and its characters."""

    first: int
    last: int
    span: tuple[int, int]


def words(ids: Sequence[int], tokenizer: Tokenizer) -> list[Word]:
    """Words of tokens; white space and marks belong to none."""
    bounds, size = [], 0  # where each token ends, in characters: one that stops in the middle of a character ends with it
    for end in range(1, len(ids) + 1):
        text = tokenizer.decode(ids[:end])
        size = max(size, len(text.rstrip("\ufffd")) if text.endswith("\ufffd") else len(text))
        bounds.append(size)
    text = tokenizer.decode(list(ids))
    found: list[Word] = []
    start, first = 0, 0
    for place, end in enumerate(bounds):
        if end == start:
            continue  # its character is not complete yet
        piece = text[start:end]
        left, right = start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip()))
        if left < right:
            last = found[-1] if found else None
            if last is not None and last.span[1] == left and last.last == first and _one_word(text[left - 1], text[left]):
                found[-1] = Word(last.first, place + 1, (last.span[0], right))
            else:
                found.append(Word(first, place + 1, (left, right)))
        start, first = end, place + 1
    return found


def _one_word(before: str, after: str) -> bool:
    """Whether two neighbouring characters are of one word in a script that parts words by spaces."""
    return all(one.isalnum() and not "\u2e80" <= one <= "\u9fff" and not "\uf900" <= one <= "\ufaff" for one in (before, after))
