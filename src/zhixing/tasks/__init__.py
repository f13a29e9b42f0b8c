"""Tasks: what a model is trained for beyond predicting text. To the trainer each is an objective.

classify/     labels, any number of labels, or a number, for texts or pairs of texts
translation/  the other side of a pair
answer/       the answer to a question, in a text or a folder of documents

artifact.py   what finished runs of all tasks have in common on disk
buckets.py    the order of texts in batches of about the same length
streaming.py  a file of inputs in, a file of lines out, taken up again after a kill
lora.py       thin matrices beside those of a model that stays
"""
