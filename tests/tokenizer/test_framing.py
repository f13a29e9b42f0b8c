"""How texts are framed for encoders, against transformers' tokenizers and by hand."""

import json

import pytest
import tiny

from zhixing.errors import ArtifactError, InputError
from zhixing.tokenizer.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers")

FIRST = ("知行合一，Knowing is doing.", "a", "", "天行健，君子以自强不息")
SECOND = ("The fox jumps over the lazy dog!", "学而时习之", "b", "")
PIECES = [
    "[PAD]",
    "[unused0]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "knowing",
    "know",
    "##ing",
    "is",
    "do",
    "##ing.",
    ".",
    "知",
    "行",
    "，",
    "cafe",
    "Café",
]


def bert(folder):
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return folder


def oracle(tokenizer, folder, **marks):
    tokenizer.save(folder / "tokenizer.json")
    return transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), pad_token="[PAD]", **marks)


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_list_of_pieces_is_berts_tokenizer(lowercase, tmp_path):
    (bert(tmp_path) / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lowercase}))
    ours, theirs = Tokenizer.adopt(tmp_path), transformers.BertTokenizer.from_pretrained(tmp_path, do_lower_case=lowercase)
    assert (ours.cls, ours.sep, ours.mask, ours.pad, ours.end, ours.unknown, ours.vocabulary) == (3, 4, 5, 0, 4, 2, len(PIECES))
    texts = ["Knowing is doing.", "知行，KNOW\tCafé", "", "doing 龘 [MASK]"]
    for text, framed in zip(texts, ours.frame(texts), strict=True):
        if "[MASK]" not in text:  # in a text, a mark's name is text here
            assert framed.ids == theirs(text)["input_ids"]
            assert ours.decode(framed.ids) == theirs.decode(framed.ids, skip_special_tokens=True, clean_up_tokenization_spaces=True)
    for one, framed in zip(texts[:3], ours.frame(texts[:3], ["know"] * 3), strict=True):
        expected = theirs(one, "know")
        assert (framed.ids, framed.kinds) == (expected["input_ids"], expected["token_type_ids"])
    assert 5 not in ours.encode("[MASK]")


def test_pairs_kinds_and_offsets_are_those_of_transformers(tmp_path):
    ours = Tokenizer.adopt(bert(tmp_path))
    theirs = oracle(ours, tmp_path)
    expected = theirs(list(FIRST), list(SECOND), return_offsets_mapping=True, return_token_type_ids=True)
    for place, framed in enumerate(ours.frame(FIRST, SECOND)):
        assert framed.ids == expected["input_ids"][place]
        assert framed.kinds == expected["token_type_ids"][place]
        assert framed.offsets == expected["offset_mapping"][place]
        assert framed.texts == [-1 if one is None else one for one in expected.sequence_ids(place)]
        assert framed.dropped == 0


@pytest.mark.parametrize("longest", [3, 4, 5, 8, 9, 12, 40])
def test_what_has_no_room_is_cut_and_counted(longest, tmp_path):
    ours = Tokenizer.adopt(bert(tmp_path))
    theirs = oracle(ours, tmp_path)
    whole = [len(framed.ids) for framed in ours.frame(FIRST)]
    for place, framed in enumerate(ours.frame(FIRST, longest=longest)):
        assert framed.ids == theirs(FIRST[place], truncation=True, max_length=longest)["input_ids"]
        assert framed.dropped == whole[place] - len(framed.ids)
    if longest >= 4:
        whole = [len(framed.ids) for framed in ours.frame(FIRST, SECOND)]
        for place, framed in enumerate(ours.frame(FIRST, SECOND, longest)):
            assert len(framed.ids) == min(longest, whole[place])
            assert framed.dropped == whole[place] - len(framed.ids)
            first, second = framed.texts.count(0), framed.texts.count(1)
            a, b = (len(ours.encode(one[place])) for one in (FIRST, SECOND))
            assert (first == a or second == b or abs(first - second) <= 1) and framed.ids[-1] == 4


def test_windows_cover_the_text_and_overlap(tmp_path):
    ours = Tokenizer.adopt(bert(tmp_path))
    theirs = oracle(ours, tmp_path)
    text, question = "知行，" * 9 + "know", "is knowing"
    rows = ours.windows(question, text, 15, 4)
    expected = theirs(
        question, text, truncation="only_second", max_length=15, stride=4, return_overflowing_tokens=True, return_offsets_mapping=True
    )
    assert [row.ids for row in rows] == expected["input_ids"]
    assert [row.offsets for row in rows] == expected["offset_mapping"]
    assert [row.dropped for row in rows] == [len(ours.encode(text)) - row.texts.count(1) for row in rows]
    with pytest.raises(InputError, match="question: has 2 tokens and leaves 4 of 9 for the text, of which 4 overlap"):
        ours.windows(question, text, 9, 4)


def test_decoders_tokenizers_frame_with_their_end():
    ours = tiny.tokenizer()
    [alone], [pair] = ours.frame(["知行"]), ours.frame(["知行"], ["doing"])
    end, a, b = ours.end, ours.encode("知行"), ours.encode("doing")
    assert alone.ids == [end, *a, end]
    assert pair.ids == [end, *a, end, *b, end]
    assert pair.kinds == [0] * (len(a) + 2) + [1] * (len(b) + 1)
    assert (ours.cls, ours.sep, ours.mask) == (None, None, None)


def test_a_wordpiece_tokenizer_that_was_trained_here_frames_as_bert():
    ours = tiny.tokenizer("wordpiece", None)
    [framed] = ours.frame(["知行"], ["doing"])
    assert framed.ids == [ours.cls, *ours.encode("知行"), ours.sep, *ours.encode("doing"), ours.sep]
    assert ours.mask is not None


def test_roberta_from_its_two_files(tmp_path):
    level = json.loads(tiny.tokenizer()._inner.to_str())["model"]
    names = ["<s>", "<pad>", "</s>", "<unk>", *(n for n in level["vocab"] if not n.startswith("<|")), "<mask>"]
    (tmp_path / "vocab.json").write_text(json.dumps({name: number for number, name in enumerate(names)}))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in level["merges"]]
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    ours, theirs = Tokenizer.adopt(tmp_path), transformers.RobertaTokenizer.from_pretrained(tmp_path)
    assert (ours.cls, ours.sep, ours.mask, ours.pad, ours.end) == (0, 2, len(names) - 1, 1, 2)
    for one, other, framed in zip(FIRST, SECOND, ours.frame(FIRST, SECOND), strict=True):
        assert framed.ids == theirs([one], [other])["input_ids"][0]  # in lists, for alone they take an empty second text for none
        assert set(framed.kinds) == {0}


def test_refusals(tmp_path):
    ours = Tokenizer.adopt(bert(tmp_path))
    with pytest.raises(InputError, match="are 1 second texts to 2 first ones"):
        ours.frame(["a", "b"], ["c"])
    with pytest.raises(InputError, match="= 2 tokens are taken up by marks"):
        ours.frame(["a"], longest=2)
    with pytest.raises(InputError, match="no text"):
        ours.frame(["a\ud800"])
    with pytest.raises(InputError, match="nothing to be seen"):
        ours.extended([" "])
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(ArtifactError, match=r"is not BERT's list of pieces: it has no \[UNK\]"):
        Tokenizer.adopt(tmp_path)
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArtifactError, match="UTF-8"):
        Tokenizer.adopt(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(ArtifactError, match=r"holds no tokenizer.json, and no vocab.txt either"):
        Tokenizer.adopt(tmp_path)
