"""The texts that a model is evaluated on: any files, cleaned as `prepare` cleans them, or the validation part of a data folder."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from zhixing.console import warn
from zhixing.corpus import fetch
from zhixing.corpus.clean import Clean, CleanSettings
from zhixing.corpus.document import Document, Dropped
from zhixing.corpus.filters import FilterSettings, Lengths
from zhixing.corpus.pipeline import run
from zhixing.corpus.readers import ReadSettings, expand
from zhixing.corpus.readers import read as read_files
from zhixing.errors import ArtifactError
from zhixing.files import MANIFEST, open_folder

Text = Document


def read(names: Sequence[str]) -> Iterator[Text]:
    """Documents of files, folders, globs, `-`, corpus names, or data folders (their validation part). Nothing is deduplicated."""
    for name in names:
        if (Path(name) / MANIFEST).is_file():
            yield from validation(Path(name))
            continue
        dropped = 0
        for item in run(read_files(expand(fetch.resolve([name])), ReadSettings()), [Clean(CleanSettings()), Lengths(FilterSettings())]):
            if isinstance(item, Dropped):
                dropped += 1
                if dropped <= 3:
                    warn(f"{item.source}:{item.line or 1}: left out: {item.reason}")
            else:
                yield item
        if dropped > 3:
            warn(f"{name}: {dropped} records in all were left out")


def validation(data: Path) -> Iterator[Text]:
    """The validation part of a data folder. Raises `ArtifactError` when it is gone or damaged."""
    import zstandard

    if not data.is_dir():
        raise ArtifactError(data, "the data folder that the run was trained on is no longer there; name the text with --data")
    names = [p.relative_to(data).as_posix() for p in sorted((data / "documents").glob("valid-*.jsonl.zst"))]
    open_folder(data, "data", verify=names)
    for name in names:
        with zstandard.open(data / name, "rb") as file:
            for number, line in enumerate(io.TextIOWrapper(file, encoding="utf-8"), start=1):
                record = json.loads(line)
                yield Document(record["text"], record["source"], number)
