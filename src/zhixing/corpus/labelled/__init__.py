"""Labelled texts: tables, JSON, Parquet, folders of classes and hub data sets, as examples with what is wrong with them.

1. `records` reads a file into rows of named or numbered cells, in constant memory.
2. `columns` finds out which cell is the text, which the label, which the second text of a pair, and whether there is a header.
3. `examples` makes checked examples of them: cleaned texts, labels of one kind. Bad rows are set aside with the reason.
4. `split` deals examples out to training and validation, or to folds, class by class; copies of a text never part.
5. `examine` says what a person should know before training: imbalance, copies, contradictions, labels that look alike, overlap, lengths.
"""

from zhixing.corpus.labelled.examples import Example, Label, Labelled, LabelledSettings, mostly_chinese, read

__all__ = ["Example", "Label", "Labelled", "LabelledSettings", "mostly_chinese", "read"]
