"""Question answering: from questions on texts to a reader that finds their answers (Rajpurkar et al. 2016), or says that there is none.

material.py   questions for training and validation, checked and dealt out
windows.py    a question beside each part of its text, with the characters that each token stands for
objective.py  a body with a head for the first and the last token of an answer, and its loss
spans.py      from the head's outputs to the best answers, and whether there is one at all
start.py      what a run begins with
recipe.py     all settings of a run
artifact.py   the finished reader: one folder, strings in, strings out
documents.py  paragraphs of a folder of documents, and BM25 to choose among them
lines.py      questions in, answers out: files of any size
"""
