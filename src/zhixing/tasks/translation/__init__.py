"""Translation: a text in one language in, a text in another out.

recipe.py      the tree of settings
marks.py       what stands around texts: languages, domains, tags
vocabulary.py  tokenizers of the two sides, sized to the number of pairs
base.py        models to begin with
start.py       the model, optimizer and batches before the first step
sentences.py   long texts cut into sentences, and put together again with their layout
synthetic.py   pairs that models make: back-translation, distillation
artifact.py    the finished translator on disk, and in use
"""
