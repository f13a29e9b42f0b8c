"""Classification: a text, or a pair, in; a label, any number of labels, or a number out.

material.py   texts for training and validation, checked and dealt out
splits.py     the same for several competitors: training, validation and test texts, or folds
augment.py    words of a text left out, swapped or replaced
objective.py  a body with a pooling and a head, and its loss
start.py      what a run begins with
recipe.py     all settings of a run
artifact.py   the finished classifier: one folder
"""
