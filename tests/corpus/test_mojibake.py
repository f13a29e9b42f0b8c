from pathlib import Path

import ftfy
import pytest

from zhixing.corpus.mojibake import mended

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
SENTENCES = ("知行合一，止于至善。", "他说：“你好！”", "中国人民", "这是一句没有任何问题的话", "今天天气很好", "语言模型的数据")


@pytest.mark.parametrize("text", SENTENCES)
def test_chinese_read_with_another_encoding(text: str) -> None:
    assert mended(text.encode().decode("latin-1")) == text
    assert mended(text.encode("gbk").decode("latin-1")) == text
    assert mended(text.encode("gbk").decode("cp1252")) in (text, ftfy.fix_encoding(text.encode("gbk").decode("cp1252")))
    as_gbk = text.encode().decode("gb18030", "replace")
    if "\ufffd" not in as_gbk:
        assert mended(f"see: {as_gbk} (1998)") == f"see: {text} (1998)"


def test_a_last_byte_without_a_partner_is_one_lost_character() -> None:
    read = "今天天气很好啊".encode().decode("gbk", "replace")  # 21 bytes
    assert read.endswith("\ufffd")
    assert mended(f"{read}\nnext") == "今天天气很好\ufffd\nnext"


@pytest.mark.parametrize("before", ["cafÃ© donâ€™t", "don\x92t \x93hi\x94", "naÃ¯ve â€” trÃ¨s", "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "‚Äúquoted‚Äù", "plain"])
def test_western_text_is_mended_as_ftfy_does(before: str) -> None:
    assert mended(f"first line: é\n{before}") == f"first line: é\n{ftfy.fix_encoding(before)}"


@pytest.mark.parametrize(
    "text",
    [
        *SENTENCES,
        *(
            "ÄÖÜäöüß",
            "ÀÁÂÃÄÅÆÇÈÉÊË",
            "Éric à l’été “œuvre” — «déjà»…",
            "Привет, «мир» — “да”.",
            "Γειά σου “κόσμε”",
            "涓涓细流",
            "沙家浜",
            "刘璇(图)",
        ),
        *("“—…”·×÷", "こんにちは、世界。", "안녕하세요", "İstanbul’da", "10° ± 5 µm ½", "\u00a1\u00bf\u00a1\u00bf\u00a1\u00bf"),
    ],
)
def test_what_reads_well_is_not_touched(text: str) -> None:
    assert mended(text) is text


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_nothing_of_clean_corpora_is_touched() -> None:
    for name in (
        "lm_zh/songci_train.txt",
        "lm_zh/sanguo.txt",
        "lm_en/wikitext2_valid.txt",
        "mt_en_zh/tatoeba_dev.tsv",
        "qa_zh/drcd_dev_trad.json",
    ):
        text = (DATA / name).read_text(encoding="utf-8")
        assert mended(text) == text, name
