import errno
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from zhixing import files
from zhixing.errors import ArtifactError, InputError, SettingError, ZhixingError


def sealed(path, kind="data"):
    with files.new_folder(path, kind, extra={"tokens": 3}) as folder:
        (folder / "a").mkdir()
        (folder / "a" / "b.bin").write_bytes(b"abc")
        files.write_json(folder / "c.json", {"知": 1})
    return path


def rewrite(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


def hidden(path):
    return [p.name for p in path.iterdir() if p.name.startswith(".")]


def test_a_folder_that_was_sealed_opens(tmp_path):
    folder = sealed(tmp_path / "deep" / "x")
    manifest = files.open_folder(folder, "data")
    assert manifest["kind"] == "data"
    assert manifest["tokens"] == 3
    assert sorted(manifest["files"]) == ["a/b.bin", "c.json"]
    assert manifest["files"]["a/b.bin"] == {"bytes": 3, "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
    assert hidden(folder.parent) == []


def test_a_folder_that_fails_midway_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), files.new_folder(tmp_path / "x", "data") as folder:
        (folder / "half").write_text("")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_of_the_folders_above_only_those_stay_that_hold_something(tmp_path):
    run = tmp_path / "runs" / "of" / "x"
    with pytest.raises(RuntimeError), files.new_folder(run, "run"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError), files.parents(run):
        (tmp_path / "runs" / "mine").write_text("dear")
        raise RuntimeError
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "runs", tmp_path / "runs" / "mine"]
    with files.new_folder(run, "run"):
        pass
    assert run.is_dir()


def test_what_exists_is_never_replaced(tmp_path):
    (tmp_path / "mine").write_text("dear")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("dear")
    (tmp_path / "loose").symlink_to(tmp_path / "nowhere")
    for name in ("mine", "full", "loose"):
        with pytest.raises(ArtifactError, match="exists already"), files.new_folder(tmp_path / name, "data"):
            raise AssertionError("unreachable")
    (tmp_path / "empty").mkdir()
    sealed(tmp_path / "empty")
    assert (tmp_path / "full" / "letter").read_text() == "dear"


def test_the_folder_one_is_in_gets_files_but_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (Path(), Path("not/.."), tmp_path):
        with pytest.raises(ArtifactError, match="is the folder you are in"), files.new_folder(place, "data"):
            raise AssertionError("unreachable")
        with pytest.raises(ArtifactError, match="is the folder you are in"), files.resumable_folder(place, "data", {}, lambda _: True):
            raise AssertionError("unreachable")
    with files.together(Path()) as folder:
        (folder / "letter").write_text("dear")
    assert (tmp_path / "letter").read_text() == "dear"
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    with pytest.raises(ArtifactError, match=r"\.\.: exists already"), files.new_folder(Path(".."), "data"):
        raise AssertionError("unreachable")
    with files.new_folder(Path("../inner/../new"), "data"):
        pass
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inner", "letter", "manifest.json", "new"]


def test_of_two_writers_the_second_is_told(tmp_path):
    with pytest.raises(ArtifactError, match="cannot be written"), files.new_folder(tmp_path / "x", "data"):
        sealed_by_another = tmp_path / "x"
        sealed_by_another.mkdir()
        (sealed_by_another / "first").write_text("")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["first"]


def test_what_a_killed_process_left_is_swept_away_by_the_next(tmp_path):
    script = f"""
import os, signal
from pathlib import Path
from zhixing.files import new_folder
with new_folder(Path({str(tmp_path / "x")!r}), "data") as folder:
    (folder / "half").write_text("")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert len(hidden(tmp_path)) == 1
    sealed(tmp_path / "x")
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "c.json").unlink(), "c.json is missing"),
        (lambda f: (f / "c.json").write_text("{}"), "c.json has 2 bytes"),
        (lambda f: (f / "a" / "b.bin").write_bytes(b"abd"), "SHA-256"),
        (lambda f: (f / "manifest.json").unlink(), "not a Zhixing data folder"),
        (lambda f: (f / "manifest.json").write_text("{"), "damaged or not Zhixing's"),
        (lambda f: (f / "manifest.json").write_text("[1]"), "damaged or not Zhixing's"),
        (lambda f: rewrite(f, files=[1]), "damaged or not Zhixing's"),
        (lambda f: rewrite(f, files={"c.json": 3}), "damaged or not Zhixing's"),
        (lambda f: rewrite(f, files={"../c.json": {"bytes": 1, "sha256": ""}}), "damaged or not Zhixing's"),
        (lambda f: rewrite(f, format=99, zhixing="9.0", files="elsewhere"), "newer version .Zhixing 9.0"),
        (lambda f: rewrite(f, kind="run"), "kind run, and one of kind data"),
    ],
)
def test_damage_and_strangers_are_named(tmp_path, spoil, says):
    folder = sealed(tmp_path / "x")
    spoil(folder)
    with pytest.raises(ArtifactError, match=says):
        files.open_folder(folder, "data")


def test_hashes_are_checked_where_asked(tmp_path):
    folder = sealed(tmp_path / "x")
    (folder / "a" / "b.bin").write_bytes(b"abd")
    files.open_folder(folder, "data", verify=False)
    files.open_folder(folder, "data", verify=["c.json"])
    with pytest.raises(ArtifactError, match=r"a/b\.bin"):
        files.open_folder(folder, "data", verify=["a/b.bin"])
    with pytest.raises(ArtifactError, match="no such data folder"):
        files.open_folder(tmp_path / "absent", "data")


def test_a_file_is_replaced_whole_or_stays(tmp_path):
    path = tmp_path / "deep" / "x.json"
    files.write_json(path, {"a": "知行"})
    assert path.read_text(encoding="utf-8") == '{\n "a": "知行"\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"a": float("nan")})
    assert files.read_json(path) == {"a": "知行"}
    assert hidden(path.parent) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [(b'{"a": 1,\n "b" 2}', "x.json:2: is not valid JSON"), (b"\xff", "not UTF-8"), (b"[" * 100_000, "nested too deeply")],
)
def test_json_that_cannot_be_read_is_named(tmp_path, content, says):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=says):
        files.read_json(tmp_path / "x.json")
    with pytest.raises(InputError, match="cannot be read"):
        files.read_json(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (errno.ENOSPC, ZhixingError, "the disk is full"),
        (errno.EACCES, ArtifactError, "choose another place"),
        (errno.EROFS, ArtifactError, "choose another place"),
        (errno.ENOTDIR, ArtifactError, "cannot be written"),
        (errno.EIO, ZhixingError, "writing failed"),
    ],
)
def test_refusals_of_the_system_become_one_line(number, kind, says):
    with pytest.raises(kind, match=says) as caught, files.writing("runs/lm"):
        raise OSError(number, os.strerror(number), "runs/lm")
    assert str(caught.value).startswith("runs/lm: ")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
@pytest.mark.parametrize("place", ["/proc/o", "/proc/o/below"])
@pytest.mark.parametrize(
    "filled",
    [
        lambda place: files.resumable_folder(place, "data", {}, lambda _: True),
        lambda place: files.new_folder(place, "data"),
        files.together,
        files.sole_user,
    ],
)
def test_a_place_that_cannot_be_made_is_named_as_it_was_asked_for(place, filled):
    says = rf"^{place}: cannot be written \(No such file or directory\); choose another place"
    with pytest.raises(ArtifactError, match=says), filled(Path(place)):
        raise AssertionError("unreachable")


def stopped(out, request, error, later=None):
    """Work that is ended by an error; returns what an earlier try has left for it."""
    found = []
    with suppress(ZhixingError, MemoryError), files.resumable_folder(out, "data", request, any_part, later=later) as work:
        found = sorted(p.name for p in work.rglob("*") if p.is_file() and p.name not in (".lock", "request.json"))
        (work / "part").write_text("done")
        (work / "data/half").write_text("done")
        raise error
    return found


def any_part(work):
    return (work / "part").is_file()


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "fails"), OSError(errno.ENOSPC, "is full"), ArtifactError("x", "no"), MemoryError(), KeyboardInterrupt()],
)
def test_work_is_kept_when_it_is_not_the_text_that_ends_it(tmp_path, error):
    assert stopped(tmp_path / "x", "request", error) == []
    assert stopped(tmp_path / "x", "request", error) == ["half", "part"]
    assert stopped(tmp_path / "x", "another", InputError("text", "is wrong")) == []
    assert list(tmp_path.iterdir()) == []


def test_another_end_begins_anew_beside_the_work_that_is_kept(tmp_path):
    error = SettingError("size", "is too large")
    assert stopped(tmp_path / "x", "request", error, {"size": 9}) == []
    assert stopped(tmp_path / "x", "request", error, {"size": 9}) == ["half", "part"]
    assert stopped(tmp_path / "x", "request", error, {"size": 5}) == ["part"]
    assert stopped(tmp_path / "x", "another", error, {"size": 5}) == []
    assert stopped(tmp_path / "y", "request", error) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == [".x.work"], "a mistake in what decides the work leaves nothing"


def test_a_file_name_that_is_no_text_does_not_make_another_request(tmp_path):
    request = {"texts": [os.fsdecode(b"\xff.txt")], "pairs": (1, 2)}
    assert stopped(tmp_path / "x", request, KeyboardInterrupt(), request) == []
    assert stopped(tmp_path / "x", request, KeyboardInterrupt(), request) == ["half", "part"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_while_filling_a_folder(tmp_path):
    with pytest.raises(ZhixingError, match="disk is full"), files.new_folder(tmp_path / "x", "data"), open("/dev/full", "w") as file:
        file.write("x")
        file.flush()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_has_one_user_at_a_time(tmp_path):
    script = "import sys; from pathlib import Path; from zhixing.files import sole_user\nwith sole_user(Path(sys.argv[1])): pass"
    with files.sole_user(tmp_path):
        other = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
        assert "in use by another process" in other.stderr
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == 0


def test_sizes_for_people():
    assert [files.human_bytes(n) for n in (0, 999, 1000, 17_040_000, 2.5e15)] == ["0 B", "999 B", "1.0 kB", "17.0 MB", "2500.0 TB"]


def test_a_folder_of_work_that_is_being_removed_is_not_taken_up(tmp_path, monkeypatch):
    """What says that the work can go on goes first."""
    seen = []
    monkeypatch.setattr(files.shutil, "rmtree", lambda work, **_: seen.append(sorted(p.name for p in work.iterdir())))
    with pytest.raises(InputError), files.resumable_folder(tmp_path / "out", "data", {"a": 1}, lambda _: True) as work:
        (work / "part").write_text("done")
        raise InputError("text", "is wrong")
    assert seen == [[".lock", "data", "part"]]
