"""The command line: one sub-command a verb, built from the verb's signature. It parses and prints; the verbs do the work.

    positional parameter      argument               keyword-only parameter    --option
    Annotated[T, "help"]      its help               settings                  dotted.key=value words; --settings lists them
    return value              lines, or with --json exactly one JSON object on stdout
    a verb with tasks         zhixing VERB TASK, a function of its package each; without a task, the function of its own name, if any

Exit codes: 0 done, 1 failed while running, 2 bad usage or bad input. A user's mistake is one line on stderr.
"""

from __future__ import annotations

import ast
import codecs
import errno
import inspect
import io
import re
import select
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO, get_args, get_origin

from zhixing import TASKS, VERBS, __version__
from zhixing.console import mute, say
from zhixing.errors import UserError, ZhixingError

if TYPE_CHECKING:
    from zhixing.config import Result, Settings

_SETTING = re.compile(r"[A-Za-z_][\w.-]*=.*", re.DOTALL)
_MACHINE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EMFILE: "too many open files",
    errno.EIO: "I/O error",
}


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    codecs.register_error("as_it_was", _as_it_was)
    for stream in (sys.stdout, sys.stderr):  # Chinese gets through, whatever the locale
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="as_it_was")
    heard: list[int] = []

    def stop(number: int, frame: object) -> NoReturn:
        heard.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)  # so that half-done folders are removed on the way out
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background job has it ignored
        signal.signal(signal.SIGINT, stop)
    try:
        code = run(sys.argv[1:] if words is None else words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = fail("interrupted", 1)
    except ZhixingError as error:
        code = fail(str(error), error.exit_code)
    except MemoryError:
        code = fail("out of memory", 1)
    except Exception as error:
        if heard:  # a library may swallow what it hears while it is imported, and fail at something else then
            code = fail("interrupted", 1)
        elif isinstance(error, BrokenPipeError) and _unread(sys.stdout):  # the reader, `head` say, has seen enough
            mute(sys.stdout)
            code = 0
        elif isinstance(error, OSError) and error.errno in _MACHINE:
            mute(sys.stdout)
            code = fail(f"{error.filename or 'standard output'}: {_MACHINE[error.errno]}", 1)
        else:
            code = fail(_unexpected(error), 1)
    sys.exit(code)


def _as_it_was(error: UnicodeError) -> tuple[str | bytes, int]:
    """Bytes of a file name that are no text are written as they came; other surrogates are spelt out."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


def _unread(stream: TextIO) -> bool:
    """Whether the reader of a pipe is gone. Another pipe may have broken: one to a process that has died."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)  # errors alone
    return bool(poll.poll(0))


def fail(message: str, code: int) -> int:
    """Print one line about an error; returns the exit code."""
    say(f"zhixing: error: {message}")
    return code


def run(words: Sequence[str]) -> int:
    """Run one command; returns the exit code. Errors are raised."""
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"zhixing {__version__}")
        return 0
    verb, rest = _known(words[0], VERBS, "command"), list(words[1:])
    if verb not in TASKS:
        return _command(verb, rest)
    if _has_own(verb) and (not rest or rest[0] not in TASKS[verb]):
        return _command(verb, rest)
    if not rest or rest[0] in ("-h", "--help"):
        print(_tasks(verb))
        return 0
    return _command(f"{verb} {_known(rest[0], TASKS[verb], 'task')}", rest[1:])


def _has_own(verb: str) -> bool:
    """Whether a verb with tasks is a command without one, too: `zhixing ladder`."""
    return hasattr(import_module(f"zhixing.verbs.{verb}"), verb)


def _known(word: str, names: Sequence[str], what: str) -> str:
    """The word, if it is one of the names."""
    if word in names:
        return word
    import difflib

    near = difflib.get_close_matches(word, names, n=1)
    raise UserError(f"no {what} {word!r}; " + (f"did you mean {near[0]}?" if near else f"{what}s are {', '.join(names)}"))


def _tasks(verb: str) -> str:
    """What `zhixing finetune --help` prints."""
    lines = [f"Usage: zhixing {verb} TASK [ARGUMENTS] [--json]", "", _summary(verb), ""]
    lines += [f"  {task:<10} {(inspect.getdoc(function(f'{verb} {task}')) or '').splitlines()[0]}" for task in TASKS[verb]]
    return "\n".join([*lines, "", f"zhixing {verb} TASK --help says more."])


def overview() -> str:
    """What `zhixing --help` prints."""
    lines = ["Usage: zhixing COMMAND [ARGUMENTS] [--json]", "", "From a folder of text to a language model of your own.", ""]
    for verb in VERBS:
        lines.append(f"  {verb:<10} {_summary(verb)}")
    lines += ["", "zhixing COMMAND --help says more. A first run:", ""]
    lines += [
        "  zhixing prepare TEXT... --out data/x",
        "  zhixing pretrain data/x --out runs/lm --minutes 10",
        "  zhixing generate runs/lm",
    ]
    return "\n".join(lines)


def _summary(verb: str) -> str:
    """First line of a verb's docstring, from the text of its file: loading them all would be most of what `--help` does."""
    verbs = Path(__file__).with_name("verbs")
    if verb in TASKS:
        tree = ast.parse((verbs / verb / "__init__.py").read_text(encoding="utf-8"))
        return (ast.get_docstring(tree) or "").split("\n")[0]
    tree = ast.parse((verbs / f"{verb}.py").read_text(encoding="utf-8"))
    [definition] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == verb]
    return (ast.get_docstring(definition) or "").split("\n")[0]


def function(verb: str) -> Callable[..., Result]:
    """The function that a verb is, or a verb and a task."""
    module, _, task = verb.partition(" ")
    return getattr(import_module(f"zhixing.verbs.{module}"), task or module)  # type: ignore[no-any-return]


def _command(verb: str, words: list[str]) -> int:
    import typer

    call = function(verb)
    parameters = inspect.signature(call).parameters
    settings: list[str] = []
    if "settings" in parameters:
        if "--settings" in words:
            from zhixing.config import manual

            print(
                "\n".join(
                    [
                        "Settings and their defaults. What is derived from time, data or machine is not their default.",
                        """Several values are a list: 'key=["a", "b"]'.""",
                        *manual(_settings(verb)),
                    ]
                )
            )
            return 0
        # Settings are dotted.key=value wherever they stand; a file of such a name goes first.
        settings = [word for word in words if _SETTING.fullmatch(word) and not Path(word).exists()]
    asked: dict[str, Any] = {}

    def command(**values: Any) -> None:
        asked.update(values)

    command.__signature__ = _signature(call)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in inspect.signature(command).parameters.values()}
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(verb.replace(" ", "-"), help=_help(call), context_settings={"help_option_names": ["-h", "--help"]})(command)
    tool = typer.main.get_command(app)
    try:
        tool.main([word for word in words if word not in settings], prog_name=f"zhixing {verb}", standalone_mode=False)
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's usage errors
            message = " ".join(str(error.format_message()).split())
            raise UserError(f"{message[:1].lower()}{message[1:].rstrip('.')}; see zhixing {verb} --help") from None
        raise
    if not asked:
        return 0  # --help
    as_json = asked.pop("as_json")
    asked.pop("list_settings", None)
    if "settings" in parameters:
        asked["settings"] = settings
    streaming = "stream" in parameters and not as_json
    if streaming:
        asked["stream"] = _show
    positional = [asked.pop(p.name) for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    result = call(*positional, **asked)
    if as_json:
        print(result.model_dump_json())
    elif not streaming:
        for line in result.lines():
            print(line)
    return 0


def _settings(verb: str) -> type[Settings]:
    """The tree that a verb's dotted names live in."""
    if verb == "prepare":
        from zhixing.tokenizer.settings import PrepareSettings

        return PrepareSettings
    if verb == "stats":
        from zhixing.corpus.pipeline import StatsSettings

        return StatsSettings
    if verb == "embed":
        from zhixing.embeddings.settings import EmbedSettings

        return EmbedSettings
    if verb == "finetune translate":
        from zhixing.tasks.translation.recipe import TranslateRecipe

        return TranslateRecipe
    if verb == "finetune answer":
        from zhixing.tasks.answer.recipe import AnswerRecipe

        return AnswerRecipe
    if verb in ("finetune classify", "ladder classify"):
        from zhixing.tasks.classify.recipe import ClassifyRecipe

        return ClassifyRecipe
    from zhixing.train.recipe import Recipe

    return Recipe


def _help(call: Callable[..., Result]) -> str:
    """The docstring, without what only callers from Python want to know."""
    return re.split(r"\s+(?:Raises `|stream:)", inspect.getdoc(call) or "")[0]


def _show(text: str) -> None:
    print(text, end="", flush=True)


def _signature(call: Callable[..., Result]) -> inspect.Signature:
    """The verb's parameters as typer wants them."""
    import typer

    names = vars(import_module(call.__module__))
    found = []
    for p in inspect.signature(call).parameters.values():
        if p.name in ("settings", "stream"):
            continue
        annotation = eval(p.annotation, names) if isinstance(p.annotation, str) else p.annotation
        kind, text = get_args(annotation) if get_origin(annotation) is Annotated else (annotation, "")
        if list[str] in get_args(kind) and str in get_args(kind):  # from Python one may come alone
            kind = list[str] | None if type(None) in get_args(kind) else list[str]
        if p.kind is p.KEYWORD_ONLY:
            words = [f"--{p.name[:-1]}"] if p.name.endswith("_") else []  # a name that Python keeps for itself
            places: dict[str, Any] = {"parser": _path, "metavar": "<path>"} if kind in (Path, Path | None) else {}
            option: Any = typer.Option(*words, help=text, **places)
        else:
            option = typer.Argument(help=text, show_default=False)
        default = [p.default] if kind == list[str] and isinstance(p.default, str) else p.default
        found.append(inspect.Parameter(p.name, p.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]))
    flags: dict[str, Any] = {"as_json": typer.Option("--json", help="Print exactly one JSON object on stdout.")}
    if "settings" in inspect.signature(call).parameters:
        flags["list_settings"] = typer.Option("--settings", help="List all settings, which are given as dotted.key=value, and exit.")
    for name, option in flags.items():
        found.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option]))
    return inspect.Signature(found)


def _path(word: str) -> Path:
    """A path as it was typed; an empty one would become the folder that one is in."""
    import typer

    if not word:
        raise typer.BadParameter("an empty name; write . for the folder that you are in")
    return Path(word)


def _unexpected(error: Exception) -> str:
    """One line about a fault of the program itself, whose traceback is kept for a report."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="zhixing-", suffix=".log", delete=False, encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    return (
        f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:200]} (this is a fault of the program; details in {file.name})"
    )
