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
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from math import log

import rjieba
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Inner

from zhixing.corpus.han import RUN
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
_LONGEST = 16  # characters of a token
_BYTES = [f"<0x{i:02X}>" for i in range(256)]
_WORDS = "<|words|>"


def train(texts: Iterator[str], settings: TokenizerSettings, total_bytes: int | None = None) -> Tokenizer:
    """Train a tokenizer on texts.

    total_bytes: their size, where it is known; the sample is then spread over all of them and the default vocabulary fits them.
    Raises `SettingError` when a vocabulary set by hand is larger than the text gives or smaller than the kind needs, `InputError` when
    there is no text.
    """
    try:
        sample = list(_sample(texts, settings.sample_characters, total_bytes))
    except UnicodeEncodeError:
        raise InputError("training text", "holds half of a surrogate pair, which no encoding can write") from None
    size = sum(len(text.encode("utf-8")) for text in sample)
    if not size:
        raise InputError("training text", "is empty: nothing to train a tokenizer on")
    makers: dict[str, Callable[[list[str], int], Inner]] = {
        "bpe": _bpe,
        "unigram": _unigram,
        "wordpiece": _wordpiece,
        "char": _char,
        "word": _word,
    }
    make = makers[settings.kind]
    tokenizer = Tokenizer(make(sample, settings.vocabulary or usual_vocabulary(total_bytes or size)))
    if settings.vocabulary is not None and tokenizer.vocabulary < settings.vocabulary:
        most = _largest(make, sample, tokenizer.vocabulary)
        raise SettingError(
            "tokenizer.vocabulary",
            f"is {settings.vocabulary}, and this text gives a {settings.kind} tokenizer at most {most}; "
            f"set it to that or less, or leave it out",
        )
    if settings.vocabulary is not None and tokenizer.vocabulary > settings.vocabulary:
        raise SettingError(
            "tokenizer.vocabulary",
            f"is {settings.vocabulary}, and a {settings.kind} tokenizer of this text needs at least {tokenizer.vocabulary}",
        )
    return tokenizer


def _largest(make: Callable[[list[str], int], Inner], sample: list[str], size: int) -> int:
    """The largest vocabulary that can be asked for and had: a trainer that is asked for what it gave last time may give less."""
    while (given := make(sample, size).get_vocab_size()) < size:
        size = given
    return size


def _sample(texts: Iterator[str], most: int, total_bytes: int | None) -> Iterator[str]:
    """Texts until about `most` characters have come together, spread evenly over `total_bytes`; the first ones where that is not known."""
    seen = taken = 0
    for text in texts:
        if taken >= most:
            return
        if total_bytes is None or taken * total_bytes <= most * seen:
            yield text[: most - taken]
            taken += len(text)
        seen += len(text.encode("utf-8"))


def _pre_split(*, training: bool) -> list[pre_tokenizers.PreTokenizer]:
    cut = [pre_tokenizers.Split(_CUT, "removed")] if training else []
    return [*cut, pre_tokenizers.Split(Regex(PATTERN), "isolated")]


def _cut_words(texts: list[str]) -> Iterator[str]:
    """The texts with the words of Han runs kept apart."""
    for text in texts:
        yield RUN.sub(lambda run: _CUT + _CUT.join(rjieba.cut(run[0])) + _CUT, text.replace(_CUT, ""))


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
    characters = _frequencies(sample)
    ranked = [c for c, _ in characters.most_common()]
    rare = str.maketrans(dict.fromkeys(ranked[room // 2 :], _CUT))  # the trainer wants room for every character
    trainer = trainers.UnigramTrainer(
        vocab_size=room + 1, max_piece_length=_LONGEST, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]
    )
    inner.train_from_iterator((text.translate(rare) for text in _cut_words(sample)), trainer)
    scores = {piece: score for piece, score in json.loads(inner.to_str())["model"]["vocab"] if piece != "<unk>"}
    for character in ranked:
        if len(scores) >= room:
            break
        scores.setdefault(character, log(characters[character] / characters.total()))
    return _pieces(list(scores.items()), None)


def _char(sample: list[str], vocabulary: int) -> Inner:
    """Byte-pair encoding without any merge: one token a character, bytes for characters that are not in the vocabulary."""
    characters = [c for c, _ in _frequencies(sample).most_common(max(1, vocabulary - len(_BYTES) - 3))]
    names = [END, PAD, "<unk>", *_BYTES, *characters]
    inner = Inner(models.BPE({name: i for i, name in enumerate(names)}, [], unk_token="<unk>", byte_fallback=True))
    return _finished(inner, END, PAD, "<unk>")


def _word(sample: list[str], vocabulary: int) -> Inner:
    """Words, with characters for rare words and bytes for rare characters: the fewest pieces, and the likeliest among these."""
    splitter = pre_tokenizers.Sequence(_pre_split(training=True))
    words = Counter(word for text in _cut_words(sample) for word, _ in splitter.pre_tokenize_str(text) if len(word) <= _LONGEST)
    characters = [c for c, _ in _frequencies(sample).most_common()]
    room = max(1, vocabulary - len(_BYTES) - 4)
    ranked = dict.fromkeys([*characters[: room // 2 + 1], *(word for word, _ in words.most_common()), *characters])
    # Each piece costs as much as the rarest word besides, so that a known word is never cheaper in two pieces than in one.
    each = log(2 * words.total())
    return _pieces([(piece, log(max(0.5, words[piece])) - 2 * each) for piece in islice(ranked, room)], _WORDS)


def _frequencies(sample: list[str]) -> Counter[str]:
    """How often each character occurs."""
    counts: Counter[str] = Counter()
    for text in sample:
        counts.update(text)
    counts.pop(_CUT, None)
    return counts


def _pieces(scores: list[tuple[str, float]], mark: str | None) -> Inner:
    """A Unigram model over given pieces and their log probabilities: the likeliest segmentation, found by Viterbi's algorithm."""
    lowest = min((score for _, score in scores), default=0.0)
    head = [(END, 0.0), (PAD, 0.0), ("<unk>", 0.0)] + ([(mark, 0.0)] if mark else [])
    inner = Inner(models.Unigram([*head, *((b, lowest - 20.0) for b in _BYTES), *scores], unk_id=2, byte_fallback=True))
    return _finished(inner, END, PAD, "<unk>", *([mark] if mark else []))


def _finished(inner: Inner, *names: str) -> Inner:
    """A model that falls back to bytes, with pre-split, decoder and marks."""
    inner.pre_tokenizer = pre_tokenizers.Sequence(_pre_split(training=False))
    inner.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    inner.add_special_tokens(_marks(*names))
    return inner


def _wordpiece(sample: list[str], vocabulary: int) -> Inner:
    """WordPiece as BERT has it (Devlin et al. 2019, arXiv 1810.04805): Han characters one by one; rare and unknown characters are lost."""
    names = [PAD, "[UNK]", "[CLS]", "[SEP]", "[MASK]", END]
    inner = Inner(models.WordPiece(unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ranked = [c for c, _ in _frequencies(sample).most_common() if not c.isspace()]
    common = ranked[: 3 * vocabulary // 4]
    rare = str.maketrans(dict.fromkeys(ranked[len(common) :], " "))
    # The trainer numbers the pieces that continue a word by chance, unless it is given them.
    inside = sorted(f"##{c}" for c in common if c.isalnum() and not RUN.match(c))
    trainer = trainers.WordPieceTrainer(vocab_size=vocabulary, min_frequency=2, special_tokens=[*names, *inside], show_progress=False)
    inner.train_from_iterator((text.translate(rare) for text in sample), trainer)
    pieces = inner.get_vocab()
    for character in ranked[len(common) :][: max(0, vocabulary - len(pieces))]:
        pieces[character] = len(pieces)
    made = Inner(models.WordPiece(pieces, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer, made.pre_tokenizer, made.decoder = inner.normalizer, inner.pre_tokenizer, decoders.WordPiece()
    made.add_special_tokens(_marks(*names))
    return made
