import io
import random
import re
from pathlib import Path

import pytest

from zhixing.corpus.encoding import SAMPLE, broken, decode, detect, lines, page
from zhixing.errors import InputError

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"

SIMPLIFIED = "天行健，君子以自强不息；地势坤，君子以厚德载物。学而时习之，不亦说乎？有朋自远方来，不亦乐乎？\n" * 3
TRADITIONAL = "天行健，君子以自強不息；地勢坤，君子以厚德載物。學而時習之，不亦說乎？有朋自遠方來，不亦樂乎？\n" * 3
FRENCH = "Le cœur a ses raisons que la raison ne connaît point ; on le sait en mille choses. Où vas-tu, été ?\n"
ENGLISH = "The café on the corner sold crème brûlée for £4 – not cheap, but worth it.\n"


RUSSIAN = "Всё смешалось в доме Облонских. Жена узнала, что муж был в связи с бывшею в их доме француженкою-гувернанткой.\n"
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n"
KOREAN = "대한민국은 민주공화국이다. 대한민국의 주권은 국민에게 있고, 모든 권력은 국민으로부터 나온다.\n"
GREEK = "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.\n"


def text(data: bytes, encoding: str | None = None) -> str:
    return "".join(decode(io.BytesIO(data), "file.txt", encoding))


@pytest.mark.parametrize(
    ("written", "encoding"),
    [
        *((t, e) for t in (SIMPLIFIED, TRADITIONAL, ENGLISH) for e in ("utf-8", "utf-8-sig", "utf-16", "utf-32")),
        *((t, e) for t in (SIMPLIFIED, TRADITIONAL) for e in ("gb18030", "utf-16-le", "utf-16-be")),
        (TRADITIONAL, "big5"),
        (FRENCH, "cp1252"),
        ("Où est la bibliothèque ? L'élève a mangé une crêpe près du château. Ça a déjà été décidé à Noël.\n" * 9, "latin-1"),
        ("Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.\n" * 9, "koi8-r"),
        *((RUSSIAN, e) for e in ("cp1251", "koi8-r", "cp866")),
        *((JAPANESE, e) for e in ("euc-jp", "shift_jis")),
        (KOREAN, "euc-kr"),
        (GREEK, "cp1253"),
        (ENGLISH, "cp1252"),
        (ENGLISH.replace("–", "-"), "latin-1"),
        ("plain ASCII\n", "ascii"),
        ("", "utf-8"),
    ],
)
def test_text_comes_back_from_every_encoding(written: str, encoding: str) -> None:
    assert text(written.encode(encoding)) == written


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize(
    ("path", "encoding"),
    [
        pytest.param(path, encoding, id=f"{path.name}-{encoding}")
        for folder, encodings in (("lm_en/*.txt", ["cp1252"]), ("lm_zh/*.txt", ["gb18030"]), ("qa_zh/*trad.json", ["cp950", "gb18030"]))
        for path in sorted(DATA.glob(folder))
        for encoding in ["utf-8", "utf-16", "utf-16-le", *encodings]
    ],
)
def test_real_files_come_back_from_every_encoding(path: Path, encoding: str) -> None:
    data = path.read_bytes().decode("utf-8").encode(encoding, "ignore")
    assert text(data) == data.decode(encoding).replace("\r\n", "\n")


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_and_binary_files_are_no_text(seed: int) -> None:
    with pytest.raises(InputError, match="is binary"):
        text(random.Random(seed).randbytes(3000))
    with pytest.raises(InputError, match="is binary"):
        text(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + random.Random(seed).randbytes(500))
    assert detect(bytes(100)) is None


def test_the_first_byte_beyond_ascii_decides_however_late_it_comes() -> None:
    start = b"plain English text, line after line\n" * (2 * SAMPLE // 36)
    for encoding in ("utf-8", "gb18030"):
        assert text(start + SIMPLIFIED.encode(encoding)).endswith(SIMPLIFIED)


def test_a_broken_byte_does_not_turn_utf8_into_something_else() -> None:
    data = SIMPLIFIED.encode("utf-8") + b"caf\xe9 \xff\n" + SIMPLIFIED.encode("utf-8")
    found = text(data).split("\n")
    assert [broken(line) for line in found].count(True) == 1
    assert "\n".join(line for line in found if not broken(line)) == SIMPLIFIED * 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "gb18030"])
def test_text_that_ends_inside_a_character_is_marked_not_refused(encoding: str) -> None:
    found = text(SIMPLIFIED.strip().encode(encoding)[:-1], encoding)
    assert broken(found) and SIMPLIFIED.startswith(found[:-2])


def test_a_named_encoding_is_believed_and_an_unknown_one_is_refused() -> None:
    assert text("é".encode("cp437"), "cp437") == "é"
    for wrong in ("klingon", "base64", "rot13", "idna", "punycode", "undefined"):
        with pytest.raises(InputError, match=f"read.encoding = {wrong} is not known"):
            text(b"abc", wrong)


def test_utf16_without_its_mark_has_to_be_named_with_its_order() -> None:
    with pytest.raises(InputError, match="is not in the encoding utf-16 "):
        text(SIMPLIFIED.encode("utf-16-le"), "utf-16")
    assert text(SIMPLIFIED.encode("utf-16-le"), "utf-16-le") == SIMPLIFIED


def test_pieces_and_line_ends_do_not_depend_on_where_blocks_end() -> None:
    written = "一二三四五六七八九十\r\nabc\rdef\n" * (SAMPLE // 20)
    data = b"x" * 7 + written.encode("utf-8")
    assert text(data) == "x" * 7 + written.replace("\r\n", "\n").replace("\r", "\n")


def test_lines_are_numbered_and_long_ones_are_set_aside() -> None:
    pieces = ["one\ntw", "o\n", "x" * 50, "x" * 60, "x\nfour\n", "y" * 101]
    assert list(lines(iter(pieces), 100)) == [
        (1, "one\n", "one"),
        (2, "two\n", "two"),
        (3, None, "x" * 110),
        (4, "four\n", "four"),
        (5, None, "y" * 101),
    ]
    assert list(lines(iter(["a" * 100 + "\n", "b"]), 100)) == [(1, "a" * 100 + "\n", "a" * 100), (2, "b", "b")]
    assert list(lines(iter(["", "\n", ""]), 100)) == [(1, "\n", "")]


@pytest.mark.parametrize("seed", range(20))
def test_lines_equal_splitlines_wherever_pieces_are_cut(seed: int) -> None:
    draw = random.Random(seed)
    written = "".join(draw.choice("ab\n\n甲") for _ in range(500))
    pieces, start = [], 0
    while start < len(written):
        stop = start + draw.randrange(1, 9)
        pieces.append(written[start:stop])
        start = stop
    assert [line for _, line, _ in lines(iter(pieces), 10**6)] == written.splitlines(keepends=True)


def test_a_few_words_of_chinese_are_enough() -> None:
    """Real lines, cut short: at least 97 of 100 come back."""
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data")
    draw = random.Random(0)
    simplified = [line for line in (DATA / "lm_zh/people_daily_199801_train.txt").read_text("utf-8").split("\n") if len(line) > 20]
    traditional = re.findall(r'[^\n"\\{}]{40,}', (DATA / "qa_zh/drcd_dev_trad.json").read_text("utf-8"))
    for source, encoding in ((simplified, "gb18030"), (traditional, "cp950"), (traditional, "gb18030")):
        pieces = [draw.choice(source)[:20].encode(encoding, "ignore") for _ in range(200)]
        good = sum(piece.decode(detect(piece) or "ascii", "replace") == piece.decode(encoding) for piece in pieces)
        assert good >= 194, (encoding, good)


@pytest.mark.parametrize(
    ("written", "encoding", "header", "meta"),
    [
        (SIMPLIFIED, "gb18030", "gb2312", None),
        (SIMPLIFIED, "gb18030", None, "gbk"),
        (SIMPLIFIED, "gb18030", "utf-8", "iso-8859-1"),  # wrong, and wrong
        (SIMPLIFIED, "gb18030", "big5", None),
        (SIMPLIFIED, "utf-8", "gbk", "gbk"),
        (SIMPLIFIED, "utf-8", "iso-8859-1", None),
        (TRADITIONAL, "big5", "big5", None),
        (TRADITIONAL, "big5", "gb2312", None),
        (TRADITIONAL, "big5", "windows-1252", "klingon"),
        (SIMPLIFIED, "utf-16", "utf-8", None),
        (FRENCH, "cp1252", "iso-8859-1", None),
        (FRENCH, "cp1252", "utf-8", None),
        (RUSSIAN, "cp1251", "windows-1251", None),
        (RUSSIAN, "cp1251", None, None),
        (JAPANESE, "shift_jis", "Shift_JIS", None),
        (JAPANESE, "euc-jp", "base64", None),
    ],
)
def test_a_declared_encoding_is_believed_only_where_it_can_be_true(
    written: str, encoding: str, header: str | None, meta: str | None
) -> None:
    whole = (f'<meta http-equiv="Content-Type" content="text/html; charset={meta}">' if meta else "") + written
    assert page(whole.encode(encoding), "page.html", None, header) == whole


def test_pages_that_are_no_text_or_broken_here_and_there() -> None:
    with pytest.raises(InputError, match="is binary"):
        page(random.Random(1).randbytes(3000), "page.html")
    assert page(SIMPLIFIED.encode() + b"\xff\n", "page.html").endswith("\ufffd\n")
    assert page("é".encode("cp437"), "page.html", "cp437") == "é"
    with pytest.raises(InputError, match=r"read\.encoding = klingon is not known"):
        page(b"abc", "page.html", "klingon")
