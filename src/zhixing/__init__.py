"""Zhixing (知行): from a folder of text to a language model that you have trained, measured and compared.

    import zhixing as zx
    zx.prepare(["books/"], out="data/books")
    zx.pretrain("data/books", out="runs/lm", minutes=10)
    print(zx.generate("runs/lm", prompt="Once").continuations[0].text)

Each verb of the command line is the function of the same name; `zhixing finetune classify` is `zx.finetune.classify`. They are imported
when they are first used, so that importing is fast.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from zhixing.version import __version__

if TYPE_CHECKING:
    from zhixing.checkpoint import open_model
    from zhixing.errors import UserError, ZhixingError
    from zhixing.predict import Predictor
    from zhixing.tasks.answer.artifact import Reader
    from zhixing.tasks.translation.artifact import Translator
    from zhixing.verbs import finetune
    from zhixing.verbs.compare import compare
    from zhixing.verbs.embed import embed
    from zhixing.verbs.evaluate import evaluate
    from zhixing.verbs.export import export
    from zhixing.verbs.generate import generate
    from zhixing.verbs.get import get
    from zhixing.verbs.ladder import ladder
    from zhixing.verbs.plan import plan
    from zhixing.verbs.predict import predict
    from zhixing.verbs.prepare import prepare
    from zhixing.verbs.pretrain import pretrain
    from zhixing.verbs.score import score
    from zhixing.verbs.stats import stats
    from zhixing.verbs.translate import translate

VERBS = (
    "get", "stats", "prepare", "embed", "plan", "pretrain", "generate", "finetune", "predict", "translate", "evaluate", "compare", "score",
    "ladder", "export",
)  # fmt: skip
TASKS = {"finetune": ("classify", "translate", "answer"), "ladder": ("classify",)}
"""Verbs that are followed by a task: `zhixing finetune classify`, `zx.finetune.classify`; `ladder` stands also alone."""
_ELSEWHERE = {
    "open_model": "checkpoint",
    "Predictor": "predict",
    "Reader": "tasks.answer.artifact",
    "Translator": "tasks.translation.artifact",
    "UserError": "errors",
    "ZhixingError": "errors",
}

__all__ = [
    "Predictor",
    "Reader",
    "Translator",
    "UserError",
    "ZhixingError",
    "__version__",
    "compare",
    "embed",
    "evaluate",
    "export",
    "finetune",
    "generate",
    "get",
    "ladder",
    "open_model",
    "plan",
    "predict",
    "prepare",
    "pretrain",
    "score",
    "stats",
    "translate",
]


class _FrontDoor(ModuleType):
    """`zx.evaluate` is the verb, although `zhixing.evaluate` is a package too, which Python would put in its place when it is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in VERBS and name not in TASKS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor


def __getattr__(name: str) -> object:
    if name in TASKS:
        package = import_module(f"zhixing.verbs.{name}")
        return getattr(package, name, package)
    if name in VERBS:
        return getattr(import_module(f"zhixing.verbs.{name}"), name)
    if name in _ELSEWHERE:
        return getattr(import_module(f"zhixing.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module 'zhixing' has no attribute {name!r}")
