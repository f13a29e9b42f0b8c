"""Personal data in text, replaced by what kind it was: `<EMAIL>`, `<PHONE>`, `<ID>`, `<CARD>`, `<IP>`.

What has check digits is masked only if they are right, so that order numbers and serial numbers stay:
    Chinese identity cards  GB 11643-1999: region, date of birth, serial number, check digit of ISO 7064 MOD 11-2
    bank cards              ISO/IEC 7812: issuer's prefix and length, check digit by Luhn's algorithm
Numbers without check digits are masked by their form: mobile and landline numbers of China with their real prefixes, numbers of the North
American Numbering Plan, social security numbers of the US in the ranges that are given out, addresses of the public Internet.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Callable
from typing import Literal

from zhixing.config import Settings
from zhixing.corpus.document import Document, Dropped

Kind = Literal["email", "id", "card", "phone", "ip"]


class PrivacySettings(Settings):
    """Which personal data is masked."""

    on: bool = False
    """Whether personal data is masked."""
    kinds: tuple[Kind, ...] = ("email", "id", "card", "phone", "ip")
    """email; id (identity cards of China, US social security numbers); card (bank cards); phone (China, US); ip (public addresses)."""


_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}"
_EMAIL = re.compile(rf"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{{0,63}}@{_HOST}(?![A-Za-z0-9@-])")
_CHINESE_ID = re.compile(r"(?<![0-9A-Za-z])[1-9]\d{5}(?:19|20)\d{9}[0-9Xx](?![0-9A-Za-z])", re.ASCII)
_SOCIAL_SECURITY = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])", re.ASCII)
_CARD = re.compile(
    r"(?<![\d.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|3[47]\d\d([ -])\d{6}\2\d{5})(?![\d-]|\.\d)", re.ASCII
)
_AREA = r"(?:10|2\d|[3-9]\d\d)"  # of China, without the 0 before it
_LANDLINE = (
    rf"(?:(?:\+|00)86[- ]?{_AREA}[- ]|(?:(?:\+|00)86[- ]?)?(?:[(（]0\d{{2,3}}[)）] ?|0{_AREA}[- ]))\d{{3,4}}-?\d{{4}}(?:-\d{{1,5}})?"
)
_PHONES = tuple(
    re.compile(rf"(?<![\d.+-])(?:{form})(?![\d-]|\.\d)", re.ASCII)
    for form in (
        r"(?:(?:\+|00)?86[- ]?)?1[3-9]\d([- ]?)\d{4}\1\d{4}",
        _LANDLINE,
        r"(?:\+?1[-. ]?)?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])(?!11)[2-9]\d\d[-. ]\d{4}",
        r"\+1[2-9]\d\d[2-9]\d{6}",
    )
)
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])", re.ASCII)
_VERSION = re.compile(r"(?:(?<![A-Za-z])(?:version|release|build|ver|section|chapter|v)|版本|版|第)[.:： ]*$", re.IGNORECASE)
_DIGIT = re.compile("[0-9]")

# First two digits: provinces, and the special administrative regions.
_RANGES = ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83))
_REGIONS = frozenset(str(number) for first, last in _RANGES for number in range(first, last + 1))
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # 2^i modulo 11
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:6011|65\d\d|64[4-9]\d)\d{12}|35\d{14}|62\d{14,17}"
)


def mask(text: str, kinds: tuple[Kind, ...] = PrivacySettings().kinds) -> str:
    """The text with personal data of these kinds replaced."""
    if "email" in kinds and "@" in text:
        text = _EMAIL.sub("<EMAIL>", text)
    if not _DIGIT.search(text):
        return text
    if "id" in kinds:
        text = _checked(_CHINESE_ID, is_chinese_id, "<ID>", text)
        text = _SOCIAL_SECURITY.sub("<ID>", text)
    if "card" in kinds:
        text = _checked(_CARD, is_card, "<CARD>", text)
    if "phone" in kinds:
        for form in _PHONES:
            text = form.sub("<PHONE>", text)
    if "ip" in kinds:
        text = _IPV4.sub(_address, text)
        if ":" in text:
            text = _checked(_IPV6, is_public_address, "<IP>", text)
    return text


def _checked(form: re.Pattern[str], right: Callable[[str], bool], name: str, text: str) -> str:
    return form.sub(lambda found: name if right(found[0]) else found[0], text)


def _address(found: re.Match[str]) -> str:
    """Four numbers with dots are often the number of a version."""
    before = found.string[max(0, found.start() - 12) : found.start()]
    return found[0] if _VERSION.search(before) or not is_public_address(found[0]) else "<IP>"


def is_chinese_id(number: str) -> bool:
    """Whether 18 digits (the last may be X) can be the number of an identity card of China."""
    if number[:2] not in _REGIONS:
        return False
    try:
        born = datetime.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    if not 1900 <= born.year <= 2099:
        return False
    rest = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=False)) % 11
    return "10X98765432"[rest] == number[17].upper()


def is_card(number: str) -> bool:
    """Whether 13 to 19 digits, with spaces or hyphens, can be the number of a bank card."""
    digits = re.sub("[ -]", "", number)
    if not _ISSUERS.fullmatch(digits):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_public_address(address: str) -> bool:
    """Whether a text is an address of the public Internet, version 4 or 6."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


class Privacy:
    """The stage that masks personal data."""

    def __init__(self, settings: PrivacySettings) -> None:
        self.settings = settings

    def __call__(self, batch: list[Document]) -> tuple[list[Document], list[Dropped]]:
        """All documents, masked."""
        return [d.with_text(mask(d.text, self.settings.kinds)) for d in batch], []
