import random

import pytest

from zhixing.corpus.document import Document
from zhixing.corpus.privacy import Privacy, PrivacySettings, is_card, is_chinese_id, is_public_address, mask

CASES = {
    "Write to jane.doe+news@mail.example.co.uk, please.": "Write to <EMAIL>, please.",
    "邮箱是zhang_san@163.com，谢谢": "邮箱是<EMAIL>，谢谢",
    # The example of GB 11643-1999 itself, and the same with a wrong check digit, date or region.
    "身份证号11010519491231002X。": "身份证号<ID>。",
    "身份证号440524188001010014": "身份证号440524188001010014",  # of 1880
    "编号110105194912310021": "编号110105194912310021",
    "编号11010519491331002X": "编号11010519491331002X",
    "编号99010519491231002X": "编号99010519491231002X",
    "SSN 078-05-1120 on file": "SSN <ID> on file",
    "part 000-12-3456, 666-12-3456 and 901-12-3456": "part 000-12-3456, 666-12-3456 and 901-12-3456",
    # Numbers that the card networks publish for tests, and the same with one digit wrong.
    "Visa 4111 1111 1111 1111, Amex 378282246310005": "Visa <CARD>, Amex <CARD>",
    "银联6222021234567890128或6222021234567890127": "银联<CARD>或6222021234567890127",
    "Visa 4111 1111 1111 1112": "Visa 4111 1111 1111 1112",
    "order 1234567890123452": "order 1234567890123452",
    "电话13812345678或+86 139-1234-5678": "电话<PHONE>或<PHONE>",
    "座机010-62751234转5，（021）6275 1234": "座机<PHONE>转5，（021）6275 1234",
    "(010) 62751234": "<PHONE>",
    "总机+86 10-62751234": "总机<PHONE>",
    "现在是version 8.8.8.8": "现在是version 8.8.8.8",
    "Call (212) 555-0187 or 415.555.0132 or +1 650 253 0000": "Call <PHONE> or <PHONE> or <PHONE>",
    "from 8.8.8.8 and 2001:4860:4860::8888": "from <IP> and <IP>",
    "from 192.168.1.1, 127.0.0.1 and ::1": "from 192.168.1.1, 127.0.0.1 and ::1",
    "version 8.8.8.8, 版本 8.8.4.4, chapter 1.2.3.4, 300.1.1.1": "version 8.8.8.8, 版本 8.8.4.4, chapter 1.2.3.4, 300.1.1.1",
    "2024-01-15 12:30:45, ISBN 978-7-302-51723-8, 3.14159265358979": "2024-01-15 12:30:45, ISBN 978-7-302-51723-8, 3.14159265358979",
    "@user, a@b, 10:20, 1,234,567,890": "@user, a@b, 10:20, 1,234,567,890",
}


@pytest.mark.parametrize(("text", "masked"), CASES.items())
def test_what_is_masked_and_what_stays(text, masked):
    assert mask(text) == masked


def test_kinds_can_be_chosen():
    text = "a@b.org 13812345678 8.8.8.8"
    assert mask(text, ("phone",)) == "a@b.org <PHONE> 8.8.8.8"
    assert mask(text, ()) == text


def test_masking_again_changes_nothing():
    for text in CASES:
        assert mask(mask(text)) == mask(text)


def test_check_digits_are_those_of_the_standards():
    draw = random.Random(1)
    for _ in range(300):
        born = f"{draw.randrange(1950, 2010)}{draw.randrange(1, 13):02d}{draw.randrange(1, 28):02d}"
        first = f"{draw.choice([11, 31, 44, 51])}0101{born}{draw.randrange(1000):03d}"
        # ISO 7064 MOD 11-2 by its recursion, where the product above uses weights
        rest = 0
        for digit in first:
            rest = (rest + int(digit)) * 2 % 11
        right = (12 - rest) % 11
        assert [c for c in "0123456789X" if is_chinese_id(first + c)] == ["X" if right == 10 else str(right)]
    for _ in range(300):
        number = "62" + "".join(str(draw.randrange(10)) for _ in range(13))
        assert sum(is_card(number + str(digit)) for digit in range(10)) == 1


def test_addresses():
    assert is_public_address("1.1.1.1")
    assert not is_public_address("10.0.0.1")
    assert not is_public_address("1.1.1")


def test_the_stage_keeps_documents():
    kept, dropped = Privacy(PrivacySettings(on=True))([Document("mail a@b.org", "f", 3), Document("none", "f", 4)])
    assert [(d.text, d.line) for d in kept] == [("mail <EMAIL>", 3), ("none", 4)]
    assert dropped == []
