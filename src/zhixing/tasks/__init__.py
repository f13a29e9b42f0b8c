"""Tasks: what a model is trained for beyond predicting text. To the trainer each is an objective.

classify    labels, any number of labels, or a number, for texts or pairs of texts
"""
