"""Train one kind of model after the other on the same data, and say what each has learnt and what it costs.

`zhixing ladder DATA` is for language models; a task after `zhixing ladder` names another ladder.
"""

from zhixing.verbs.ladder.classify import classify
from zhixing.verbs.ladder.language import ladder

ladder.classify = classify  # type: ignore[attr-defined]  # zx.ladder.classify, beside zx.ladder itself

__all__ = ["classify", "ladder"]
