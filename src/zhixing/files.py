"""Files that appear whole or not at all, their hashes, and the manifests of the folders that verbs write.

1. A file is written beside its place under a temporary name, flushed to the disk, then renamed.
2. A folder is filled beside its place, gets a `manifest.json` with the size and SHA-256 of each member, then is renamed.
3. Who opens a folder later checks its kind, its format number and (on request) its hashes before believing a byte of it.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

import filelock

from zhixing.errors import ArtifactError, InputError, Interrupted, SettingError, ZhixingError
from zhixing.version import __version__

FORMAT = 1
"""Number of the on-disk format of all folders; raised when an older program could not read them."""

MANIFEST = "manifest.json"
_PARTIAL = ".partial-"


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_text(path: Path) -> str:
    """The content of a UTF-8 file. Raises `InputError` when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(path, "is not UTF-8 text") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({reason(error)})") from None


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises `InputError` naming file and line when it cannot be read."""
    return parse_json(path, read_text(path))


def parse_json(path: object, text: str) -> Any:
    """The value in the text of a JSON file. Raises `InputError` naming file and line when it is not valid."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}", f"is not valid JSON ({error.msg})") from None
    except RecursionError:
        raise InputError(path, "is nested too deeply to be read") from None


def reason(error: OSError) -> str:
    """The operating system's reason in a few words, without the path that the caller names anyway; else the library's."""
    return error.strerror or f"{error!s:.80}" or type(error).__name__


@contextmanager
def writing(where: object) -> Iterator[None]:
    """Turn the operating system's refusals while writing (`disk full`, `no permission`) into one line."""
    try:
        yield
    except OSError as error:
        match error.errno:
            case errno.ENOSPC | errno.EDQUOT:
                raise ZhixingError(f"{where}: the disk is full; free some space and run the command again") from error
            case errno.EACCES | errno.EPERM | errno.EROFS:
                raise ArtifactError(where, f"cannot be written ({reason(error)}); choose another place") from error
            case errno.ENOTDIR | errno.EEXIST | errno.ENOTEMPTY | errno.EISDIR | errno.ENAMETOOLONG:
                raise ArtifactError(where, f"cannot be written ({reason(error)})") from error
        raise ZhixingError(f"{where}: writing failed ({reason(error)})") from error


@contextmanager
def placing(where: object) -> Iterator[None]:
    """Like `writing`, while a place is made: whatever is refused there, nothing can be written to it, and the user has to name another."""
    with writing(where):
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ArtifactError(where, f"cannot be written ({reason(error)}); choose another place") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, creating its folder."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}{_PARTIAL}{os.getpid()}")
        try:
            with open(partial, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file that appears under `path` when the block ends well; yields the name to write it under till then."""
    partial = path.with_name(f".{path.name}{_PARTIAL}{os.getpid()}")
    try:
        yield partial
        _sync(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole or not at all."""
    write_bytes(path, utf8(text))


def utf8(text: str) -> bytes:
    """A text as UTF-8. Half a surrogate pair, for which UTF-8 has no bytes, becomes U+FFFD: JSON can hold an emoji that was cut in two."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", "\ufffd", text).encode("utf-8")


def dump_json(value: Any) -> str:
    """JSON as it is written to disk: indented, UTF-8, `NaN` refused because other programs cannot read it."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def as_read(value: Any) -> Any:
    """What `write_json` writes, as it is read again: lists for tuples, and U+FFFD for what UTF-8 has no bytes for (see `utf8`)."""
    return json.loads(utf8(dump_json(value)))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, dump_json(value))


def write_json_lines(path: Path, rows: Iterable[Any]) -> None:
    """Write values as JSON, one a line, whole or not at all."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


@contextmanager
def parents(path: Path) -> Iterator[None]:
    """Make the folders above a path: a place that cannot be written is told at once. If the block fails, those that are empty go again."""
    with placing(path):
        made = [folder for folder in path.parents if not folder.exists()]  # the innermost first
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):  # something lies in it
                folder.rmdir()
        raise


@contextmanager
def new_folder(path: Path, kind: str, *, extra: dict[str, Any] | None = None) -> Iterator[Path]:
    """Fill a folder that appears under `path` only when the block ends well, sealed with a manifest.

    Yields the temporary folder to write into. `kind` ("data", "run", "checkpoint", ...) and `extra` go into the manifest.
    Raises `ArtifactError` when something other than an empty folder lies at `path`; nothing of the user's is ever replaced.
    """
    refuse_existing(path)
    path = path.resolve()
    with parents(path), writing(path):
        _sweep(path)
        partial = path.with_name(f".{path.name}{_PARTIAL}{os.getpid()}")
        with placing(path):
            partial.mkdir()
        try:
            yield partial
            seal(partial, kind, extra=extra)
            if path.is_dir():
                path.rmdir()  # empty, by refuse_existing
            partial.rename(path)
            _sync(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def resumable_folder(
    path: Path, kind: str, request: Any, worth: Callable[[Path], bool], *, later: Any = None, extra: dict[str, Any] | None = None
) -> Iterator[Path]:
    """Like `new_folder`, for long work that is taken up again: a kill or Ctrl-C leaves `.NAME.work`, and the same request goes on in it.

    Yields the folder to work in; what lies in its `data` becomes the folder at `path`. `later` is what decides `data` alone: with another
    one, `data` begins anew beside the work that is kept.
    What another request left is removed, as is what a mistake in the texts, or in settings that are not `later`'s, leaves, after which
    another request follows, and work that is not `worth` keeping.
    """
    refuse_existing(path)
    path = path.resolve()
    work = path.with_name(f".{path.name}.work")
    with parents(path), sole_user(_made(work, path)), writing(path):
        try:
            _take_up(work, as_read(request), as_read(later))
            yield work
            seal(work / "data", kind, extra=extra)
            if path.is_dir():
                path.rmdir()  # empty, by refuse_existing
            (work / "data").rename(path)
            _sync(path.parent)
        except BaseException as error:
            mistake = isinstance(error, InputError) or (isinstance(error, SettingError) and later is None)
            if mistake or not worth(work):
                _remove(work)
            elif isinstance(error, KeyboardInterrupt):
                raise Interrupted(f"interrupted; the same command goes on from what is done, which is kept in {work}") from None
            raise
        _remove(work)


def _remove(work: Path) -> None:
    """Remove a folder of work; killed on the way, it leaves none that looks as if it could be taken up."""
    with suppress(OSError):
        (work / "request.json").unlink(missing_ok=True)
        shutil.rmtree(work, ignore_errors=True)


def _made(work: Path, path: Path) -> Path:
    with placing(path):  # what the user has named, not what lies beside it
        work.mkdir(exist_ok=True)
    return work


def _take_up(work: Path, request: Any, later: Any) -> None:
    """Leave in a folder of work what the same request has done before, and note the request."""
    before = None
    with suppress(InputError):
        before = read_json(work / "request.json")
    asked = {"work": request, "data": later}
    if before != asked:
        if isinstance(before, dict) and before.get("work") == request:
            shutil.rmtree(work / "data", ignore_errors=True)
        else:
            _empty(work)
        write_json(work / "request.json", asked)
    (work / "data").mkdir(exist_ok=True)


def _empty(folder: Path) -> None:
    (folder / "request.json").unlink(missing_ok=True)  # first: see `_remove`
    for path in folder.iterdir():
        if path.name == ".lock":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def together(folder: Path) -> Iterator[Path]:
    """Files that take their places in `folder`, beside what is there, only when all of them are written.

    Yields the temporary folder to write them into. Raises `ArtifactError` as `refuse_sealed` does.
    """
    refuse_sealed(folder)
    folder = folder.resolve()  # `.` has no name of its own
    with parents(folder), writing(folder):
        _sweep(folder)
        partial = folder.parent / f".{folder.name}{_PARTIAL}{os.getpid()}"
        with placing(folder):
            partial.mkdir()
        try:
            yield partial
            folder.mkdir(exist_ok=True)
            for file in sorted(partial.iterdir()):
                _sync(file)
                os.replace(file, folder / file.name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _sweep(path: Path) -> None:
    """Remove what processes that are no longer there left half-filled for the same place."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}{_PARTIAL}*"):
        number = partial.name.rpartition("-")[2]
        if number == str(os.getpid()) or (number.isdigit() and not _alive(int(number))):
            shutil.rmtree(partial, ignore_errors=True)


def _alive(process: int) -> bool:
    if os.name != "posix":
        return True  # no harmless way to ask
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def refuse_existing(path: Path) -> None:
    """Raise `ArtifactError` unless `path` is absent or an empty folder.

    Nor may it be the one we are in: another folder takes its place, and whoever stands in it, a shell say, would stand nowhere.
    """
    place = path.resolve()
    with writing(path):
        taken = path.is_symlink() or (any(place.iterdir()) if place.is_dir() else place.exists())
    if place == Path.cwd():
        raise ArtifactError(path, "is the folder you are in; name a new one in it")
    if taken:
        raise ArtifactError(path, "exists already; choose another name or remove it first")


def refuse_sealed(folder: Path) -> None:
    """Raise `ArtifactError` for a place that takes no files beside what is there: a file, or a folder of a verb's, whose hashes would be
    wrong from then on (a run's page, or that of data, has the name that any page has).
    """
    with writing(folder):
        if (folder / MANIFEST).is_file():
            raise ArtifactError(folder, "is a folder that zhixing wrote, whose own report.html this would replace; choose another --out")
        if folder.exists() and not folder.is_dir():
            raise ArtifactError(folder, "is a file, and a folder is to be written; choose another --out")


def seal(folder: Path, kind: str, *, extra: dict[str, Any] | None = None) -> None:
    """Write the manifest of a finished folder (sizes and SHA-256 of all members), everything flushed to the disk."""
    files = {}
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST):
        _sync(file)
        files[file.relative_to(folder).as_posix()] = {"bytes": file.stat().st_size, "sha256": sha256(file)}
    record = {"kind": kind, "format": FORMAT, "zhixing": __version__, "created": timestamp(), **(extra or {}), "files": files}
    write_json(folder / MANIFEST, record)
    _sync(folder)


def open_folder(path: Path, kind: str, *, verify: bool | Iterable[str] = True) -> dict[str, Any]:
    """Check a folder that a verb wrote and return its manifest.

    `verify`: True hashes all members, False only their sizes, a list of names hashes these.
    Raises `ArtifactError` when it is absent, foreign, of another kind, made by a newer version or damaged.
    """
    if not path.is_dir():
        raise ArtifactError(path, f"no such {kind} folder; check the path")
    if not (path / MANIFEST).is_file():
        raise ArtifactError(path, f"is not a Zhixing {kind} folder (it has no {MANIFEST})")
    try:
        manifest = read_json(path / MANIFEST)
        found = manifest["kind"]
        if int(manifest["format"]) > FORMAT:
            raise ArtifactError(path, f"was made by a newer version (Zhixing {manifest.get('zhixing', '?')}); upgrade to read it")
        files = {name: (int(record["bytes"]), str(record["sha256"])) for name, record in manifest["files"].items()}
        if any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in files):
            raise ValueError("a member outside the folder")
    except (InputError, AttributeError, KeyError, TypeError, ValueError):
        raise ArtifactError(path, f"its {MANIFEST} is damaged or not Zhixing's") from None
    if found != kind:
        raise ArtifactError(path, f"is a folder of kind {found}, and one of kind {kind} is needed here")
    hashed = set(files) if verify is True else set(verify or ())
    for name, (size, digest) in files.items():
        member = path / name
        if not member.is_file():
            raise ArtifactError(path, f"is damaged: {name} is missing")
        if member.stat().st_size != size:
            raise ArtifactError(path, f"is damaged: {name} has {member.stat().st_size} bytes, not {size}")
        if name in hashed and sha256(member) != digest:
            raise ArtifactError(path, f"is damaged: the bytes of {name} do not match its SHA-256")
    return dict(manifest)


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone; a second process gets `ArtifactError` at once. The kernel frees the lock at any death."""
    with placing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise ArtifactError(folder, "is in use by another process; wait for it to end or choose another folder") from None
    try:
        yield
    finally:
        lock.release()


def timestamp() -> str:
    """Now, in UTC, as ISO 8601 with seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def human_bytes(count: float) -> str:
    """A byte count for people: `17.0 MB` (powers of 1000)."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")
