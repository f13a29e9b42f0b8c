"""Mend text that was decoded with the wrong encoding: `cafÃ©`, `donâ€™t`, `ÖÐ¹ú`, `涓浗`.

1. UTF-8 that was read as a Western, Cyrillic or Greek encoding, and Windows-1252 that was read as latin-1, are mended by ftfy, which
   changes nothing that reads as well without (Speer 2019, "ftfy", doi:10.5281/zenodo.2591652).
2. UTF-8 that was read as GBK gives Chinese characters that hardly anybody uses; written as GBK again their bytes are UTF-8, which those of
   Chinese text never are.
3. GBK that was read as latin-1 gives runs of accented letters; if nearly all their bytes are pairs that stand for the 3,755 common
   characters of GB 2312, they are that.

ftfy and the encodings are asked only about lines with a sign of such an accident: looking for one runs at hundreds of megabytes a second.
"""

from __future__ import annotations

import codecs
import re

_SINGLE = ("latin-1", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "iso8859-2", "mac-roman", "cp437")


def _characters(first: int, last: int) -> str:
    """What these bytes become in the single-byte encodings, as the inside of a character class."""
    return re.escape("".join(sorted({c for name in _SINGLE for c in bytes(range(first, last + 1)).decode(name, "ignore")})))


_PUNCTUATION = re.compile("[\u2010-\u201f\u2026\u203a\u2039\u00ab\u00b7\u00bb]")  # MacRoman's idea of first bytes: would ask ftfy in vain
_FIRST = _PUNCTUATION.sub("", _characters(0xC2, 0xF4))
_GBK = "锛銆鈥鐨涓鏄鍦浜鎴浠涔"
"""First character, or one of the first, that the UTF-8 of these makes in GBK: ，。“ 的 中 是 在 人 我 们 之, and of those near them."""
_ANY = re.compile(f"[\x80-\x9f{_FIRST}{_GBK}]")
_AS_ONE_BYTE = re.compile(f"[\x80-\x9f]|[{_FIRST}][{_characters(0x80, 0xBF)}]")
_AS_GBK = re.compile(f"[{_GBK}]")
_AS_WESTERN = re.compile("[\u00a1-\u00fe]{6,}")
_WIDE_RUN = re.compile("[\u0080-\U0010ffff]{2,}")


def mended(text: str) -> str:
    """The text, mended; the same object where there is nothing to mend."""
    if text.isascii() or not _ANY.search(text):
        return text
    lines = text.split("\n")
    done = [_line(line) for line in lines]
    return text if done == lines else "\n".join(done)


def _line(line: str) -> str:
    if line.isascii() or not _ANY.search(line):
        return line
    if _AS_GBK.search(line):
        line = _WIDE_RUN.sub(_utf8_as_gbk, line)
    line = _AS_WESTERN.sub(_gbk_as_western, line)
    if _AS_ONE_BYTE.search(line):
        from ftfy import fix_encoding

        return str(fix_encoding(line))
    return line


def _utf8_as_gbk(run: re.Match[str]) -> str:
    """A last byte that had no partner was lost when the text was decoded: its character becomes U+FFFD."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    whole = run[0].rstrip("\ufffd")
    try:
        text = decoder.decode(whole.encode("gb18030"))
    except UnicodeError:
        return run[0]
    if len(text) < 2 or min(text) < "\u2000":
        return run[0]
    return text + "\ufffd" if decoder.getstate()[0] or len(whole) < len(run[0]) else text


def _gbk_as_western(run: re.Match[str]) -> str:
    data = run[0].encode("latin-1")
    # A list of accented letters in the order of the alphabet is no Chinese, other runs of six are no words of any other language.
    common = sum(0xB0 <= byte <= 0xD7 for byte in data[::2])
    marks = sum(byte in (0xA1, 0xA3) for byte in data[::2])
    if data == bytes(sorted(data)) or len(data) % 2 or 2 * (common + marks) < 0.9 * len(data) or common < max(2, marks):
        return run[0]
    try:
        return data.decode("gbk")
    except UnicodeDecodeError:
        return run[0]
