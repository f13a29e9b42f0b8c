import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from zhixing.corpus import fetch
from zhixing.errors import InputError, ZhixingError
from zhixing.files import open_folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZHIXING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server on this machine."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "reviews.csv.gz").write_bytes(gzip.compress("id,review\n1,好\n".encode()))
    (folder / "manifest.json").write_text('{"text": "a manifest that is a text"}')

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))

        def do_GET(self) -> None:
            if self.path != "/broken.txt":
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"only a part")
            return None

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_from_the_web_is_kept_as_it_is(site: str) -> None:
    [path] = fetch.resolve([f"{site}/reviews.csv.gz?version=1"])
    assert Path(path).name == "reviews.csv.gz"
    assert gzip.decompress(Path(path).read_bytes()).decode() == "id,review\n1,好\n"
    assert open_folder(Path(path).parent, "corpus")["name"].startswith(site)
    [other] = fetch.resolve([f"{site}/manifest.json"])
    assert "is a text" in Path(other).read_text()


def test_the_cache_answers_and_mends_itself(site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"{site}/reviews.csv.gz"
    path = fetch.text(url)
    (tmp_path / "site/reviews.csv.gz").write_bytes(gzip.compress(b"new"))
    assert fetch.text(url) == path and b"review" in gzip.decompress(path.read_bytes())
    path.write_bytes(b"damaged")
    assert gzip.decompress(fetch.text(url).read_bytes()) == b"new"
    assert "is damaged; fetching it again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("{site}/absent.txt", "the server says 404, File not found"),
        ("{site}/broken.txt", "broke off after 11 of 1000 bytes"),
        ("http://127.0.0.1:1/a.txt", "Connection refused"),
        ("http://127.0.0.1:notaport/a.txt", "could not be fetched"),
        ("http://[broken/a.txt", "could not be fetched"),
        ("https://", "could not be fetched"),
        ("http://bad host/a b.txt", "could not be fetched"),
    ],
)
def test_what_cannot_be_fetched_leaves_nothing(url: str, why: str, site: str, cache: Path) -> None:
    with pytest.raises(ZhixingError, match=why):
        fetch.text(url.format(site=site))
    assert not any((cache / "corpora").iterdir()) if (cache / "corpora").is_dir() else True


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fetch.remote("sanguo") and fetch.remote("hf:owner/name") and not fetch.remote("own.txt") and not fetch.remote("x" * 5000)
    (tmp_path / "sanguo").write_text("a file of mine")
    assert not fetch.remote("sanguo") and fetch.resolve(["sanguo", Path("own.txt")]) == ["sanguo", "own.txt"]
    with pytest.raises(InputError, match=r"is not in the catalogue, which has shakespeare, .*https://"):
        fetch.fetch("sangou")
    with pytest.raises(InputError, match="minilm: is a pre-trained model, not text"):
        fetch.resolve(["minilm"])


def test_datasets_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    (tmp_path / "set").mkdir()
    (tmp_path / "set/train.jsonl").write_text('{"text": "知", "n": 1}\n{"text": "行", "n": 2}\n', encoding="utf-8")
    (tmp_path / "set/test.jsonl").write_text('{"text": "test", "n": 3}\n', encoding="utf-8")
    assert fetch.text(f"hf:{tmp_path}/set").read_text(encoding="utf-8") == '{"text": "知", "n": 1}\n{"text": "行", "n": 2}\n'
    assert fetch.text(f"hf:{tmp_path}/set:default:test").read_text(encoding="utf-8") == '{"text": "test", "n": 3}\n'
    for wrong in (f"hf:{tmp_path}/set:default:nonsense", f"hf:{tmp_path}/set:nonsense"):
        with pytest.raises(ZhixingError, match=r"could not be loaded from .*/set \(ValueError: .*owner/name\[:config\]\[:split\]"):
            fetch.text(wrong)
    with pytest.raises(InputError, match="absent: is no folder, and no id of the hub"):
        fetch.text(f"hf:{tmp_path}/absent")


def test_what_pip_says_comes_down_to_a_line() -> None:
    from zhixing.corpus.fetch import _why

    assert "ensurepip" in _why("/usr/bin/python3: No module named pip", "x==1")
    assert "SHA-256 differs" in _why("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM ...", "x==1")
    assert _why("WARNING: w\nERROR: No matching distribution found for x==1\n", "x==1").endswith("No matching distribution found for x==1")
    assert _why("", "x==1") == "pip could not get x==1: no reason given"
