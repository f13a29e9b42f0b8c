"""The Hugging Face hub, or a mirror of it: models as folders, data sets as rows, and one line for whatever goes wrong.

1. An id is `owner/name`, of a data set also `owner/name[:config][:split]`; a file or folder of that name goes first.
2. A model is kept by the hub's own client, where all programs that use it find it; what a transfer that broke off has brought is used by
   the next one. A data set is streamed, once, to whoever keeps its rows.
3. Everything is asked of one revision, the newest at the time, or of what is kept, where the hub cannot be reached.

The client reads its settings from the environment:

    HF_ENDPOINT      the address; https://hf-mirror.com, say, where https://huggingface.co cannot be reached
    HF_TOKEN         who asks, for what is private or gated
    HF_HOME          the folder that models are kept in, below hub/; by default ~/.cache/huggingface
    HF_HUB_OFFLINE   1: nothing is asked, what is kept is used
"""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from zhixing.console import say, warn
from zhixing.corpus.sources import kind
from zhixing.errors import InputError, MissingPackage, ZhixingError

PREFIX = "hf:"
"""Says that a name is one of the hub, whatever there is here."""
WEIGHTS = ("model.safetensors", "model[-_]*.safetensors")
OLD_WEIGHTS = ("pytorch_model.bin", "pytorch_model-*.bin")
OTHER_PARTS = ("*.json", "vocab.txt", "merges.txt", "*.spm", "sentencepiece.bpe.model")
"""What is fetched of a model; the old form where there are no weights in the new one."""
_NAME = r"[\w-][\w.-]*/[\w-][\w.-]*"
_ABROAD = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "aiohttp")
"""Packages whose errors are those of a connection; which of them the client uses differs from version to version."""
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM)


@dataclass(frozen=True)
class DataSet:
    """A data set of the hub, or a folder that the datasets library can load."""

    rows: Iterator[Mapping[str, Any]]
    """As they come; classes by their names."""
    revision: str | None
    """The commit that is read; None for a folder."""


def is_model(name: str) -> bool:
    """Whether this can be the id of a model: nothing here has that name, nor is there a folder of its owner's."""
    return re.fullmatch(_NAME, name) is not None and not Path(name).parent.exists()


def is_data(name: str) -> bool:
    """Whether this can be the id of a data set; the name of a file that could be read is none, though the file may be missing."""
    if name.startswith(PREFIX):
        return True
    return (
        re.fullmatch(_NAME + r"(:[\w.-]*){0,2}", name) is not None
        and not Path(name).parent.exists()
        and kind(name.partition(":")[0])[0] is None
    )


@lru_cache
def model(name: str) -> Path:
    """The folder in which the client keeps a model, brought up to date if the hub can be reached; asked once in a process.

    Raises `InputError` for an id that the hub does not have or does not give, `ZhixingError` when nothing is kept and nothing can be had.
    """
    snapshot = _client(name, "model").snapshot_download

    def fetched(*patterns: str) -> Path:
        wanted = {"allow_patterns": [*OTHER_PARTS, *patterns], "ignore_patterns": ["*/*"]}
        try:
            return Path(snapshot(name, **wanted))
        except Exception as error:  # the client's own errors have no common base
            failure = _failure(name, "model", error)
            if not isinstance(failure, InputError):  # of what is no answer of the hub, the client itself overlooks but a few kinds
                with suppress(Exception):
                    kept = Path(snapshot(name, local_files_only=True, **wanted))
                    warn(f"{failure}; going on with what is kept")
                    return kept
            raise failure from error

    folder = fetched(*WEIGHTS)
    if not any(folder.glob("*.safetensors")):
        folder = fetched(*WEIGHTS, *OLD_WEIGHTS)
    return folder


def data(name: str) -> DataSet:
    """A data set by its id, with or without the prefix `hf:`. Raises as `model` does, and while its rows are read."""
    path, config, split = [*name.removeprefix(PREFIX).split(":"), "", ""][:3]
    try:
        import datasets
    except ImportError:
        raise _lacking("datasets", name, "data set") from None
    here = Path(path).is_dir()
    revision = None
    if not here:
        try:
            revision = _client(name, "data set").HfApi().dataset_info(path).sha
        except Exception as error:
            raise _failure(name, "data set", error) from error
    load: Callable[..., Any] = datasets.load_dataset

    def rows() -> Iterator[Mapping[str, Any]]:
        try:
            found = load(path, config or None, split=split or "train", streaming=True, revision=revision)
            classes = {
                column: feature.names
                for column, feature in (found.features or {}).items()
                if isinstance(feature, datasets.ClassLabel) and feature.names
            }
            for row in found:
                yield {**row, **{column: _named(row[column], names) for column, names in classes.items()}}
        except Exception as error:  # the library and what it uses raise many kinds
            raise _failure(name, "data set", error) from error

    return DataSet(rows(), revision)


def _named(value: object, names: list[str]) -> str | None:
    """The name of a class; None for what stands where there is none, as in test sets whose classes are kept secret."""
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None


def _client(name: str, what: str) -> Any:
    """The hub's client. Raises as `_lacking` says."""
    try:
        import huggingface_hub
        from huggingface_hub import constants
        from huggingface_hub.utils import disable_progress_bars
    except ImportError:
        raise _lacking("huggingface_hub", name, what) from None
    if not sys.stderr.isatty():  # its bars would fill a log
        disable_progress_bars()
    say(f"{name}: asking {constants.ENDPOINT}")
    return huggingface_hub


def _lacking(package: str, name: str, what: str) -> ZhixingError:
    """Without the client: a missing package for what can only be of the hub, else a name that is nothing here."""
    missing = MissingPackage(package, "hub", f"fetching a {what} of the Hugging Face hub")
    return missing if name.startswith(PREFIX) else InputError(name, f"no such file or folder; {missing}")


def _failure(name: str, what: str, error: Exception) -> ZhixingError:
    """What an error comes down to, and what to do."""
    from huggingface_hub import constants, errors

    chain = list(_chain(error))
    path = name.removeprefix(PREFIX).partition(":")[0]
    at = path if Path(path).is_dir() else constants.ENDPOINT
    elsewhere = "" if name.startswith(PREFIX) else "no such file or folder, and "

    def among(*kinds: type[BaseException]) -> Any:
        return next((one for one in chain if isinstance(one, kinds)), None)

    for one in chain:
        if isinstance(one, ZhixingError):
            return one
        if isinstance(one, OSError) and one.errno in _DISK:
            return ZhixingError(
                f"{name}: cannot be kept in {one.filename or constants.HF_HOME} ({one.strerror}); HF_HOME names another place"
            )
    if among(errors.HFValidationError):
        return InputError(name, "is no folder, and no id of the hub: owner/name, of a data set owner/name[:config][:split]")
    if among(errors.GatedRepoError):
        return InputError(
            name, f"is gated: ask for access at {at}/{'datasets/' * (what != 'model')}{path}, then set HF_TOKEN to your token"
        )
    if among(errors.RepositoryNotFoundError):
        return InputError(name, f"{elsewhere}no such {what} at {at} (if it is private: set HF_TOKEN to your token)")
    if among(errors.OfflineModeIsEnabled):
        return ZhixingError(f"{name}: {elsewhere}not kept from an earlier time, and HF_HUB_OFFLINE forbids to ask; unset it once")
    answered = among(errors.HfHubHTTPError)
    if answered is not None and getattr(answered, "response", None) is not None:
        status = answered.response.status_code
        told = " set HF_TOKEN to a token that may read it" if status in (401, 403) else f" try again later, or {_MIRROR}"
        return ZhixingError(f"{name}: {elsewhere}{at} answers {status};{told}")
    if any(type(one).__module__.partition(".")[0] in _ABROAD for one in chain) or among(ConnectionError, TimeoutError):
        why = " ".join(str(chain[-1]).split())[:80]
        return ZhixingError(f"{name}: {elsewhere}{at} cannot be reached, or breaks off ({why}); try again, or {_MIRROR}")
    why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    form = "; a data set is written owner/name[:config][:split]" if what != "model" else ""
    return ZhixingError(f"{name}: {elsewhere}could not be loaded from {at} ({why}){form}")


_MIRROR = (
    "name a mirror with HF_ENDPOINT (HF_ENDPOINT=https://hf-mirror.com, say), or take what comes from the package index, "
    "as zhixing get lists it"
)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it comes from, outermost first."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
