"""Train a model for a task: classify.

Each task is a function here, and a word after `zhixing finetune`.
"""

from zhixing.verbs.finetune.classify import classify

__all__ = ["classify"]
