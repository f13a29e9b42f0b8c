import json
import os
from pathlib import Path

import pytest

from zhixing.corpus import fetch
from zhixing.corpus.catalog import CATALOG
from zhixing.errors import ArtifactError, InputError
from zhixing.files import new_folder
from zhixing.verbs.get import get


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that holds a text and a model."""
    monkeypatch.setenv("ZHIXING_CACHE", str(tmp_path / "cache"))
    with new_folder(fetch.place("sanguo"), "corpus", extra={"text": "documents.jsonl"}) as folder:
        (folder / "documents.jsonl").write_text('{"text": "话说天下大势"}\n', encoding="utf-8")
    with new_folder(fetch.place("minilm"), "corpus") as folder:
        (folder / "config.json").write_text("{}")


def test_the_list(tmp_path: Path) -> None:
    result = get()
    assert [c.name for c in result.corpora] == [entry.name for entry in CATALOG]
    assert {c.name for c in result.corpora if c.cached} == {"sanguo", "minilm"}
    text = "\n".join(result.lines())
    assert "81 % of the ChnSentiCorp test set" in text and "public domain" in text and "in the cache" in text
    assert json.loads(result.model_dump_json())["corpora"][0]["path"] is None


def test_what_is_cached_comes_without_a_network(tmp_path: Path) -> None:
    text, model = get(["sanguo", "minilm"]).corpora
    assert text.path is not None and Path(text.path).read_text(encoding="utf-8").startswith('{"text"')
    assert model.path is not None and (Path(model.path) / "config.json").is_file()


def test_copies(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert [c.path for c in get(["sanguo", "minilm"], out=out).corpora] == [str(out / "sanguo.jsonl"), str(out / "minilm")]
    assert sorted(os.listdir(out)) == ["minilm", "sanguo.jsonl"]
    with pytest.raises(ArtifactError, match=r"sanguo.jsonl: exists already"):
        get(["sanguo"], out=out)


def test_names_that_are_not_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sangou: is not in the catalogue, which has shakespeare"):
        get(["sanguo", "sangou"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="sanguo: is named twice"):
        get(["sanguo", "sanguo"])
