"""Zhixing (知行): from a folder of text to a language model that you have trained, measured, compared and served.

    import zhixing as zx
    zx.prepare(["books/"], out="data/books")
    zx.pretrain("data/books", out="runs/lm", minutes=10)
    print(zx.generate("runs/lm", prompt="Once").continuations[0].text)

Each verb of the command line is the function of the same name. They are imported when they are first used, so that importing is fast.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from zhixing.checkpoint import open_model
    from zhixing.errors import UserError, ZhixingError
    from zhixing.verbs.compare import compare
    from zhixing.verbs.embed import embed
    from zhixing.verbs.evaluate import evaluate
    from zhixing.verbs.export import export
    from zhixing.verbs.generate import generate
    from zhixing.verbs.get import get
    from zhixing.verbs.plan import plan
    from zhixing.verbs.prepare import prepare
    from zhixing.verbs.pretrain import pretrain
    from zhixing.verbs.stats import stats

VERBS = ("get", "stats", "prepare", "embed", "plan", "pretrain", "generate", "evaluate", "compare", "export")
_ELSEWHERE = {"open_model": "checkpoint", "UserError": "errors", "ZhixingError": "errors"}

__all__ = [
    "UserError",
    "ZhixingError",
    "__version__",
    "compare",
    "embed",
    "evaluate",
    "export",
    "generate",
    "get",
    "open_model",
    "plan",
    "prepare",
    "pretrain",
    "stats",
]


class _FrontDoor(ModuleType):
    """`zx.evaluate` is the verb, although `zhixing.evaluate` is a package too, which Python would put in its place when it is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in VERBS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor


def __getattr__(name: str) -> object:
    if name in VERBS:
        return getattr(import_module(f"zhixing.verbs.{name}"), name)
    if name in _ELSEWHERE:
        return getattr(import_module(f"zhixing.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module 'zhixing' has no attribute {name!r}")
