"""What a tokenizer does with a text: how short it makes it, what it does not know, what its tokens look like."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from zhixing.corpus.stats import language
from zhixing.tokenizer.tokenizer import Tokenizer

_SHOWN = 20


def report(tokenizer: Tokenizer, texts: Iterable[str]) -> dict[str, Any]:
    """Tokens per byte and character by language, unknown rate, unused, longest and most frequent tokens, sample segmentations."""
    counts = np.zeros(tokenizer.vocabulary, dtype=np.int64)
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    samples: dict[str, list[str]] = {}
    for text in texts:
        kind = language(text)
        ids = tokenizer.encode(text)
        counts += np.bincount(ids, minlength=tokenizer.vocabulary)
        sizes[kind].update({"tokens": len(ids), "bytes": len(text.encode("utf-8")), "characters": len(text)})
        if kind not in samples:
            samples[kind] = tokenizer.pieces(ids[:60])
    total = int(counts.sum())
    pieces = tokenizer.pieces(range(tokenizer.vocabulary))
    frequent = [int(i) for i in counts.argsort()[::-1][:_SHOWN] if counts[i]]
    longest = sorted(range(tokenizer.vocabulary), key=lambda i: -len(pieces[i]) if counts[i] else 0)[:_SHOWN]
    return {
        "kind": tokenizer.kind,
        "vocabulary": tokenizer.vocabulary,
        "fingerprint": tokenizer.fingerprint,
        "languages": {
            name: {
                **dict(size),
                "tokens_per_byte": size["tokens"] / size["bytes"],
                "tokens_per_character": size["tokens"] / size["characters"],
            }
            for name, size in sorted(sizes.items(), key=lambda item: -item[1]["bytes"])
            if size["bytes"]
        },
        "unknown_rate": float(counts[tokenizer.unknown]) / total if tokenizer.unknown is not None and total else 0.0,
        "never_used": int((counts == 0).sum()),
        "longest": [pieces[i] for i in longest if counts[i]],
        "most_frequent": [{"token": pieces[i], "count": int(counts[i])} for i in frequent],
        "samples": samples,
    }
