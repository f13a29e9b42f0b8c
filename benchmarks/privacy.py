"""Masking of personal data: recall on 500 planted items, precision against as many look-alikes, in English and Chinese sentences.

Planted are e-mail addresses, phone numbers of China and the US, identity card numbers with right check digits, social security numbers,
card numbers with right check digits and public IP addresses, in the forms in which people write them. Look-alikes are the same with wrong
check digits, dates or ranges, and dates, times, ISBNs, order numbers, versions, prices, private addresses and handles.

    python benchmarks/privacy.py
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

from measure import record

from zhixing.corpus.privacy import is_card, is_chinese_id, mask

SENTENCES = (
    "Please contact {} before Friday.", "My details are {}, thanks.", "({})", "He wrote {} on the form and left.", "{} is what I was given",
    "请联系{}，谢谢。", "我的资料：{}", "登记时填写的是{}，请核对。", "（{}）", "{}是他留下的",
)  # fmt: skip


def digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choice("0123456789") for _ in range(count))


def chinese_id(draw: random.Random, right: bool) -> str:
    born = f"{draw.randrange(1950, 2012)}{draw.randrange(1, 13):02d}{draw.randrange(1, 29):02d}"
    first = f"{draw.choice((11, 32, 44, 51, 61))}{draw.choice(('0101', '0203', '1302'))}{born}{digits(draw, 3)}"
    fits = [first + c for c in "0123456789X" if is_chinese_id(first + c)]
    return fits[0] if right else draw.choice([first + c for c in "0123456789X" if first + c not in fits])


def card(draw: random.Random, right: bool) -> str:
    first = draw.choice(("4", "51", "62", "6222"))
    first += digits(draw, 15 - len(first))
    fits = [first + c for c in "0123456789" if is_card(first + c)]
    number = fits[0] if right else draw.choice([first + c for c in "0123456789" if first + c not in fits])
    separator = draw.choice(("", " ", "-"))
    return separator.join(number[i : i + 4] for i in range(0, 16, 4))


def public(draw: random.Random) -> str:
    return ".".join(
        map(str, (draw.choice((8, 23, 52, 91, 114, 139, 202)), draw.randrange(1, 100), draw.randrange(256), draw.randrange(1, 255)))
    )


def american(draw: random.Random) -> str:
    area, exchange, line = (
        f"{draw.choice('23456789')}0{draw.randrange(1, 9)}",
        f"{draw.choice('2345678')}{draw.choice('2345')}7",
        digits(draw, 4),
    )
    return draw.choice(("({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "+1 {} {} {}", "+1{}{}{}")).format(area, exchange, line)


def mobile(draw: random.Random) -> str:
    number = f"1{draw.choice('3456789')}{digits(draw, 9)}"
    form = draw.choice(("{0}{1}{2}", "{0} {1} {2}", "{0}-{1}-{2}", "+86 {0}{1}{2}", "+86{0}{1}{2}"))
    return form.format(number[:3], number[3:7], number[7:])


HOSTS, NAMES = ("163.com", "qq.com", "mail.example.co.uk", "pku.edu.cn"), ("li.wei", "jane_doe", "x99", "info+eu", "zhang-san")
PLANTED: dict[str, Callable[[random.Random], str]] = {
    "email": lambda d: f"{d.choice(NAMES)}@{d.choice(HOSTS)}",
    "mobile": mobile,
    "landline": lambda d: d.choice(("010-{}", "021-{}", "（010）{}", "(0755) {}", "+86 10-{}")).format(d.choice("2345678") + digits(d, 7)),
    "american": american,
    "chinese_id": lambda d: chinese_id(d, True),
    "social_security": lambda d: f"{d.randrange(100, 600)}-{d.randrange(1, 99):02d}-{d.randrange(1, 9999):04d}",
    "card": lambda d: card(d, True),
    "ip": lambda d: d.choice((public(d), f"2001:{d.randrange(4096, 9999)}:{d.randrange(999)}::{d.randrange(1, 999)}")),
}
ALIKE: dict[str, Callable[[random.Random], str]] = {
    "handle": lambda d: d.choice(("@lisi", "user@host", "a @ b.com", "5@home")),
    "date": lambda d: d.choice(("{}-{:02d}-{:02d}", "{}/{}/{}", "{}年{}月{}日", "{}{:02d}{:02d}")).format(
        d.randrange(1950, 2030), d.randrange(1, 13), d.randrange(1, 29)
    ),
    "time": lambda d: f"{d.randrange(24):02d}:{d.randrange(60):02d}:{d.randrange(60):02d}",
    "isbn": lambda d: d.choice(("978-7-{}-{}-{}", "978 7 {} {} {}")).format(digits(d, 3), digits(d, 5), digits(d, 1)),
    "wrong_id": lambda d: chinese_id(d, False),
    "wrong_card": lambda d: card(d, False),
    "version": lambda d: (
        f"{d.choice(('version', 'v', '版本', 'release'))} {d.randrange(9)}.{d.randrange(20)}.{d.randrange(20)}.{d.randrange(200)}"
    ),
    "private": lambda d: d.choice(
        (f"192.168.{d.randrange(256)}.{d.randrange(256)}", f"10.0.{d.randrange(256)}.1", "127.0.0.1", "0.0.0.0", "::1")
    ),
    "price": lambda d: d.choice(("{},{},{}", "¥{}{}.{}", "{}.{}{}")).format(d.randrange(1, 999), digits(d, 3), digits(d, 3)),
    "order": lambda d: d.choice(("20{}", "SN{}", "9{}", "NO.{}")).format(digits(d, 12)),
    "number": lambda d: digits(d, d.randrange(4, 11)).lstrip("1") or "7",
    "range": lambda d: f"{d.randrange(100, 999)}-{d.randrange(100, 999)}",
}


def main() -> None:
    draw = random.Random(11)
    found: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    began, size = time.perf_counter(), 0
    planted = [(name, PLANTED[name](draw)) for name in (list(PLANTED) * 63)[:500]]
    alike = [(name, ALIKE[name](draw)) for name in (list(ALIKE) * 84)[:1000]]
    missed, mistaken = [], []
    for name, item in planted:
        text = draw.choice(SENTENCES).format(item)
        size += len(text.encode())
        masked = mask(text)
        if item not in masked and "<" in masked and sum(c.isdigit() for c in masked) == 0 and "@" not in masked:
            found[name] += 1
        else:
            missed.append(item)
    for name, item in alike:
        text = draw.choice(SENTENCES).format(item)
        size += len(text.encode())
        if mask(text) != text:
            wrong[name] += 1
            mistaken.append(item)
    hits = found.total()
    record(
        "privacy",
        {
            "planted": len(planted), "look_alikes": len(alike), "recall": round(hits / len(planted), 4),
            "precision": round(hits / (hits + wrong.total()), 4), "masked_look_alikes": dict(wrong), "missed": missed[:20],
            "mistaken": mistaken[:20], "recall_by_kind": {n: round(found[n] / sum(p == n for p, _ in planted), 3) for n in PLANTED},
            "mb_per_second": round(size / 1e6 / (time.perf_counter() - began), 2),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
