import os
import pty
import sys

from zhixing import console


def test_numbers_and_spans_for_people():
    assert [console.count(n) for n in (0, 950, 999.9, 12_345, 4_560_000, 2.5e9, 3e13)] == [
        "0",
        "950",
        "1 k",
        "12.3 k",
        "4.56 M",
        "2.5 G",
        "30 T",
    ]
    assert [console.duration(s) for s in (-1, 41.6, 59.6, 185, 3599.7, 7800)] == [
        "0 s",
        "42 s",
        "1 min 00 s",
        "3 min 05 s",
        "1 h 00 min",
        "2 h 10 min",
    ]


def test_what_people_read_goes_to_stderr(capsys):
    console.say("知行")
    console.warn("mind the gap")
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err == "知行\nwarning: mind the gap\n"


def test_plain_lines_now_and_then_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0.0)
    assert list(console.track(range(3), "reading", total=3, unit="files")) == [0, 1, 2]
    with console.progress("counting", unit="B") as bar:
        bar.note("almost")
        bar.advance(2000)
    seen = capsys.readouterr()
    assert seen.out == ""
    lines = seen.err.splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("reading: 3 of 3 files, ")
    assert lines[3].startswith("counting: 2 k B, ")
    assert lines[3].endswith("almost")


def test_nothing_is_printed_about_work_that_is_over_at_once(capsys):
    assert sum(console.track(range(1000), "adding")) == 499_500
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(monkeypatch):
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "120")
        with console.progress("training", total=2, unit="steps") as bar:
            bar.advance()
            bar.note("loss [3.2]")
            bar.advance()
        # What was written may come back in several pieces: read on until the last of them is here.
        print("the end", file=terminal, flush=True)
        shown = ""
        while "the end" not in shown:
            shown += os.read(reader, 1 << 16).decode()
    os.close(reader)
    assert "training" in shown
