"""Train a tokenizer in bounded memory, with a pre-split that suits Chinese.

Chinese is written without spaces, so the usual pre-split hands whole clauses to the trainer: nearly every one is unique, memory grows with
the text, and merges run across words. Here

1. a bounded sample is taken, spread evenly over the text;
2. for training only, runs of Han characters are cut into words by rjieba, so that there are as many different pieces as different words;
3. the tokenizer that is saved needs no rjieba: its pre-split isolates Han runs from other text, and the merges or scores that were learnt
   inside words segment these runs.

The pre-split of everything: Han runs, other words (with the space before them), single digits, punctuation, line ends, spaces.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from math import log

import rjieba
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Inner

from zhixing.errors import InputError, SettingError
from zhixing.tokenizer.settings import TokenizerSettings, usual_vocabulary
from zhixing.tokenizer.tokenizer import END, PAD, Tokenizer

PATTERN = (
    r"'(?:[sdmtSDMT]|ll|ve|re|LL|VE|RE)"  # English endings
    r"|\p{Han}+"
    r"| ?(?:(?!\p{Han})[\p{L}\p{M}])+"
    r"|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CUT = "\ue000"
"""Stands between the words of a Han run, in training only; a private-use character that texts do not hold (and is taken out if they do)."""
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_LONGEST = 16  # characters of a token
_BYTES = [f"<0x{i:02X}>" for i in range(256)]
_WORDS = "<|words|>"


def train(texts: Iterator[str], settings: TokenizerSettings, total_bytes: int | None = None) -> Tokenizer:
    """Train a tokenizer on texts.

    total_bytes: their size, where it is known; the sample is then spread over all of them and the default vocabulary fits them.
    Raises `SettingError` when a vocabulary set by hand is larger than the text gives or smaller than the kind needs, `InputError` when
    there is no text.
    """
    sample = list(_sample(texts, settings.sample_characters, total_bytes))
    size = sum(len(text.encode("utf-8")) for text in sample)
    if not size:
        raise InputError("training text", "is empty: nothing to train a tokenizer on")
    wanted = settings.vocabulary or usual_vocabulary(total_bytes or size)
    make: dict[str, Callable[[list[str], int], Inner]] = {
        "bpe": _bpe,
        "unigram": _unigram,
        "wordpiece": _wordpiece,
        "char": partial(_counted, words=False),
        "word": partial(_counted, words=True),
    }
    tokenizer = Tokenizer(make[settings.kind](sample, wanted))
    if settings.vocabulary is not None and tokenizer.vocabulary < settings.vocabulary and settings.kind != "char":
        raise SettingError(
            "tokenizer.vocabulary",
            f"is {settings.vocabulary}, and this text gives a {settings.kind} tokenizer at most {tokenizer.vocabulary}; "
            f"set it to that or less, or leave it out",
        )
    if settings.vocabulary is not None and tokenizer.vocabulary > settings.vocabulary:
        raise SettingError(
            "tokenizer.vocabulary",
            f"is {settings.vocabulary}, and a {settings.kind} tokenizer of this text needs at least {tokenizer.vocabulary}",
        )
    return tokenizer


def _sample(texts: Iterator[str], most: int, total_bytes: int | None) -> Iterator[str]:
    """Every k-th text, so that about `most` characters come together; without a known total the first ones."""
    every = max(1, -(-(total_bytes or 0) // (2 * most)))  # a character has one to three bytes
    taken = 0
    for number, text in enumerate(texts):
        if number % every == 0 and taken < most:
            yield text[: most - taken]
            taken += len(text)


def _pre_split(*, training: bool) -> list[pre_tokenizers.PreTokenizer]:
    cut = [pre_tokenizers.Split(_CUT, "removed")] if training else []
    return [*cut, pre_tokenizers.Split(Regex(PATTERN), "isolated")]


def _cut_words(texts: list[str]) -> Iterator[str]:
    """The texts with the words of Han runs kept apart."""
    for text in texts:
        yield _HAN.sub(lambda run: _CUT + _CUT.join(rjieba.cut(run[0])) + _CUT, text.replace(_CUT, ""))


def _marks(*names: str) -> list[AddedToken]:
    return [AddedToken(name, special=True, normalized=False) for name in names]


def _bpe(sample: list[str], vocabulary: int) -> Inner:
    """Byte-level byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909; Radford et al. 2019)."""
    inner = Inner(models.BPE())
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.pre_tokenizer = pre_tokenizers.Sequence([*_pre_split(training=True), level])
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=_marks(END, PAD),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        max_token_length=3 * _LONGEST,
        show_progress=False,
    )
    inner.train_from_iterator(_cut_words(sample), trainer)
    inner.pre_tokenizer = pre_tokenizers.Sequence([*_pre_split(training=False), level])
    inner.decoder = decoders.ByteLevel()
    return inner


def _unigram(sample: list[str], vocabulary: int) -> Inner:
    """Unigram language model (Kudo 2018, arXiv 1804.10959), with bytes for what no piece covers."""
    inner = Inner(models.Unigram())
    inner.pre_tokenizer = pre_tokenizers.Sequence(_pre_split(training=True))
    room = max(64, vocabulary - len(_BYTES) - 3)
    counts = Counter(c for text in sample for c in text)
    rare = str.maketrans(
        dict.fromkeys((c for c, _ in counts.most_common()[room // 2 :]), _CUT)
    )  # the trainer wants room for every character
    trainer = trainers.UnigramTrainer(
        vocab_size=room + 1, max_piece_length=_LONGEST, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]
    )
    inner.train_from_iterator((text.translate(rare) for text in _cut_words(sample)), trainer)
    learnt = json.loads(inner.to_str())["model"]["vocab"]
    return _pieces([(piece, score) for piece, score in learnt if piece != "<unk>"], None)


def _counted(sample: list[str], vocabulary: int, *, words: bool) -> Inner:
    """Characters, or words with characters for the words that are rare; bytes for characters that are."""
    characters = Counter(c for text in sample for c in text)
    characters.pop(_CUT, None)
    if not words:
        room = max(1, vocabulary - len(_BYTES) - 3)
        return _characters([c for c, _ in characters.most_common(room)])
    splitter = pre_tokenizers.Sequence(_pre_split(training=True))
    counts = Counter(word for text in _cut_words(sample) for word, _ in splitter.pre_tokenize_str(text))
    total = sum(counts.values())
    room = vocabulary - len(_BYTES) - 4
    kept = {c: characters[c] for c, _ in characters.most_common(max(1, room // 2))}
    for word, number in counts.most_common():
        if len(kept) >= room:
            break
        if len(word) <= _LONGEST:
            kept[word] = max(number, kept.get(word, 0))
    # A character of a word that is not kept must cost more than any word that is, or words would fall apart.
    scores = [(piece, log(number / total) - (0.0 if piece in counts else 10.0)) for piece, number in kept.items()]
    return _pieces(sorted(scores, key=lambda pair: -pair[1]), _WORDS)


def _pieces(scores: list[tuple[str, float]], mark: str | None) -> Inner:
    """A Unigram model over given pieces and their log probabilities: the likeliest segmentation, found by Viterbi's algorithm."""
    lowest = min((score for _, score in scores), default=0.0)
    head = [(END, 0.0), (PAD, 0.0), ("<unk>", 0.0)] + ([(mark, 0.0)] if mark else [])
    inner = Inner(models.Unigram([*head, *((b, lowest - 20.0) for b in _BYTES), *scores], unk_id=2, byte_fallback=True))
    inner.pre_tokenizer = pre_tokenizers.Sequence(_pre_split(training=False))
    inner.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    inner.add_special_tokens(_marks(END, PAD, "<unk>", *([mark] if mark else [])))
    return inner


def _characters(characters: list[str]) -> Inner:
    """Byte-pair encoding without any merge: one token a character, bytes for characters that are not in the vocabulary."""
    names = [END, PAD, "<unk>", *_BYTES, *characters]
    inner = Inner(models.BPE({name: i for i, name in enumerate(names)}, [], unk_token="<unk>", byte_fallback=True))
    inner.pre_tokenizer = pre_tokenizers.Sequence(_pre_split(training=False))
    inner.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    inner.add_special_tokens(_marks(END, PAD, "<unk>"))
    return inner


def _wordpiece(sample: list[str], vocabulary: int) -> Inner:
    """WordPiece as BERT has it (Devlin et al. 2019, arXiv 1810.04805): Han characters one by one, unknown characters are lost."""
    inner = Inner(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    inner.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=_marks(PAD, "[UNK]", "[CLS]", "[SEP]", "[MASK]", END), show_progress=False
    )
    inner.train_from_iterator(sample, trainer)
    inner.decoder = decoders.WordPiece()
    return inner
