"""Files of lines that are taken up again."""

import threading
from pathlib import Path

import pytest

from zhixing.errors import ArtifactError, InputError, SettingError
from zhixing.resume import resumed


def part(out, request, lines):
    with pytest.raises(MemoryError), resumed(out, request, "lines") as file:
        file.add(lines)
        raise MemoryError


@pytest.mark.parametrize("request_", [{"a": 1}, {"a": (1, 2), "b": ()}, {"a": [("x", "y")], "b": None}, {"in": "\udcff.txt"}])
def test_the_same_request_goes_on(tmp_path, request_):
    out = tmp_path / "out.txt"
    part(out, request_, ["one", "two"])
    with resumed(out, request_, "lines") as file:
        assert file.before == 2
        file.add(["three"])
    assert out.read_text() == "one\ntwo\nthree\n"
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def test_another_request_begins_anew(tmp_path):
    part(tmp_path / "out.txt", {"a": 1}, ["one"])
    with resumed(tmp_path / "out.txt", {"a": 2}, "lines") as file:
        assert file.before == 0


def test_one_process_writes_a_file(tmp_path, monkeypatch):
    out, there, done = tmp_path / "out.txt", threading.Event(), threading.Event()

    def first():
        with resumed(out, {"a": 1}, "lines") as file:
            file.add(["one"])
            there.set()
            done.wait(30)
            file.add(["two"])

    thread = threading.Thread(target=first)
    thread.start()
    there.wait(30)
    for request in ({"a": 1}, {"a": 2}):
        with pytest.raises(SettingError, match=r"out\.txt is being written by another process"), resumed(out, request, "lines"):
            pass
    done.set()
    thread.join()
    assert out.read_text() == "one\ntwo\n"
    monkeypatch.chdir(tmp_path)
    for taken in (out, Path()):
        with pytest.raises(SettingError, match="exists already"), resumed(taken, {"a": 1}, "lines"):
            pass
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def test_a_mistake_in_the_input_leaves_nothing(tmp_path):
    with pytest.raises(InputError), resumed(tmp_path / "out.txt", {}, "lines") as file:
        file.add(["one"])
        raise InputError("in.txt:7", "is wrong")
    assert not list(tmp_path.iterdir())


def test_half_an_emoji_is_written_as_what_stands_for_it(tmp_path):
    with resumed(tmp_path / "out.txt", {}, "lines") as file:
        file.add(["what \ud83d", "\U0001f600"])
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "what \ufffd\n\U0001f600\n"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
@pytest.mark.parametrize("place", ["/proc/out.txt", "/proc/below/out.txt"])
def test_a_place_that_cannot_be_written_is_in_use_by_nobody(place):
    says = f"^{place}: cannot be written .No such file or directory.; choose another place"
    with pytest.raises(ArtifactError, match=says), resumed(Path(place), {}, "lines"):
        pass
