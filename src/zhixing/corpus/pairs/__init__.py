"""Sentence pairs: a source text and its translation, read together so that no line can shift against another.

pair.py      what a pair is, and how pairs are read and judged: settings
reading.py   tables, JSON lines, two aligned files, TMX, PO and MO, corpora by name
faults.py    what is wrong with each pair, by its own text: blank, copied, swapped, of another script, too long for its partner
overlap.py   copies and near copies of held-out pairs
alignment.py which pairs do not translate each other, by what the corpus itself says about its words
report.py    all of it over a corpus, with line numbers
"""

from zhixing.corpus.pairs.pair import Pair, PairSettings, TagColumns
from zhixing.corpus.pairs.reading import read
from zhixing.corpus.pairs.report import Examined, examine

__all__ = ["Examined", "Pair", "PairSettings", "TagColumns", "examine", "read"]
