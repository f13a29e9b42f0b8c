"""Train a model for a task: classify, translate, answer.

Each task is a function here, and a word after `zhixing finetune`.
"""

from zhixing.verbs.finetune.answer import answer
from zhixing.verbs.finetune.classify import classify
from zhixing.verbs.finetune.translate import translate

__all__ = ["answer", "classify", "translate"]
