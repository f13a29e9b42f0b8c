"""The same bytes from a Ray cluster of two nodes, one of which dies on the way."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from messy import messy

from zhixing.config import resolve
from zhixing.corpus.cluster import mapped_on_ray
from zhixing.corpus.gather import gather
from zhixing.corpus.pipeline import NOTHING, CorpusSettings
from zhixing.corpus.readers import expand
from zhixing.corpus.segments import Cursor, Segments
from zhixing.errors import InputError, SettingError

ray = pytest.importorskip("ray", reason="needs the extra ray")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    for name in range(40):
        lines = [json.dumps({"text": f"file {name}, number {i}: " + " ".join(f"{i * k % 997}" for k in range(60))}) for i in range(200)]
        lines[3] = "{broken"
        (folder / f"{name:02d}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


def rows(texts: Path, folder: Path, address: str | None, chosen: dict[str, Any] | None = None) -> list[dict[str, object]]:
    folder.mkdir(exist_ok=True)
    for _ in gather(expand([texts]), resolve(CorpusSettings, chosen or {}), Segments(folder), 1, lambda source, data: None, address):
        pass
    return [row for table in Segments(folder).tables() for row in table.to_pylist()]


def test_two_nodes_one_of_which_dies_give_the_same_rows(texts, tmp_path, cluster):
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    wanted = rows(texts, tmp_path / "here", None)
    assert len(wanted) == 40 * 200
    gone = threading.Event()

    def kill() -> None:
        time.sleep(4)
        cluster.remove_node(node, allow_graceful=False)
        gone.set()

    killer = threading.Thread(target=kill)
    killer.start()
    found = [rows(texts, tmp_path / "there", cluster.address)]
    assert gone.is_set(), "it died on the way"
    killer.join()
    found.append(rows(texts, tmp_path / "after", cluster.address))
    assert found == [wanted, wanted]
    assert (Segments(tmp_path / "there").ids() == Segments(tmp_path / "here").ids()).all()


def test_every_stage_gives_the_same_rows_with_what_settings_name_sent_along(tmp_path, cluster):
    chosen = messy(tmp_path, files=3)
    wanted = rows(tmp_path / "texts", tmp_path / "here", None, chosen)
    assert {"language", "gopher", "c4", "perplexity", "evaluation"} <= {row["stage"] for row in wanted}
    assert rows(tmp_path / "texts", tmp_path / "there", cluster.address, chosen) == wanted


def test_a_cluster_goes_on_behind_the_cursor(texts, cluster):
    sources = expand([texts])
    found = [
        row for table in mapped_on_ray(sources, CorpusSettings(), NOTHING, Cursor(38, 150), cluster.address) for row in table.to_pylist()
    ]
    assert len(found) == 50 + 200
    assert {row["file"] for row in found} == {38, 39}
    assert found[0]["line"] == 151


def test_an_unreadable_file_is_the_users_one_line(tmp_path, cluster):
    (tmp_path / "picture.txt").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(InputError, match=r"picture.txt: nothing readable in this file: is binary, not text"):
        list(gather(expand([tmp_path / "picture.txt"]), CorpusSettings(), Segments(tmp_path), 1, lambda s, d: None, cluster.address))


def test_no_cluster_is_one_line():
    with pytest.raises(SettingError, match=r"setting ray: finds no Ray cluster at nonsense"):
        list(mapped_on_ray([], CorpusSettings(), NOTHING, Cursor(), "nonsense"))
