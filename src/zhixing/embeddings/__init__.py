"""Static word embeddings: one vector a word, or a token, whatever stands around it.

settings.py    which text, which words, which model
lines.py       sentences as lines of a file, which training reads again and again
train.py       word2vec and fastText, by gensim
vectors.py     what comes out: words and their vectors, nearest ones, analogies; needs no gensim
picture.py     words in the plane
initial.py     the embedding table of a model that is going to be trained
"""
