"""The verb `compare`: models on the same documents, whatever their tokenizers."""

import pytest
import torch
from tiny import SENTENCES, model, tokenizer

from zhixing import pretrained
from zhixing.errors import ArtifactError, InputError, SettingError, UserError
from zhixing.models import LlamaSettings
from zhixing.verbs.compare import compare
from zhixing.verbs.evaluate import evaluate

SETTINGS = LlamaSettings(layers=1, width=32, heads=4)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """`lm`, `louder` (the same with its logits scaled: over-confident, so worse), `other` (another tokenizer), and a text."""
    place = tmp_path_factory.mktemp("compare")
    (place / "test.txt").write_text("\n\n".join(s + str(i) for i, s in enumerate(SENTENCES * 2)), encoding="utf-8")
    for name, words, scale in (("lm", tokenizer(), 1.0), ("louder", tokenizer(), 1.5), ("other", tokenizer("bpe", 384), 1.0)):
        made = model(SETTINGS, words.vocabulary)
        with torch.no_grad():
            made.head.matrix.mul_(scale)
        (place / name).mkdir()
        pretrained.save(place / name, made, SETTINGS, words, 32)
    return place


def against(place, a, b):
    return compare(place / a, place / b, data=[str(place / "test.txt")], device="cpu")


def test_a_model_does_not_differ_from_itself(place):
    result = against(place, "lm", "lm")
    for m in result.metrics.values():
        assert (m.difference, m.low, m.high, m.p) == (0, 0, 0, 1)
    assert result.verdict.startswith("no significant difference (p = 1.000)")


def test_the_better_one_is_named_whichever_comes_first(place):
    (place / "many.jsonl").write_text("".join(f'{{"text": "{s} {i}"}}\n' for i, s in enumerate(SENTENCES * 2)), encoding="utf-8")
    data = [str(place / "many.jsonl")]
    there = compare(place / "lm", place / "louder", data=data, device="cpu")
    back = compare(place / "louder", place / "lm", data=data, device="cpu")
    one, two = there.metrics["bits_per_byte"], back.metrics["bits_per_byte"]
    assert one.difference == pytest.approx(-two.difference)
    assert one.low <= one.difference <= one.high
    assert one.p < 0.05
    assert {there.verdict[:11], back.verdict[:11]} == {"A is better", "B is better"}
    assert (there.verdict[0] == "A") == (one.a < one.b)
    alone = evaluate(place / "louder", data=data, device="cpu").metrics["bits_per_byte"]
    assert one.b == pytest.approx(alone.value)


def test_other_tokenizers_are_compared_by_bytes_and_characters_alone(place):
    result = against(place, "lm", "other")
    assert set(result.metrics) == {"bits_per_byte", "bits_per_character"}
    signature = result.metrics["bits_per_byte"].signature
    assert tokenizer().fingerprint[:8] in signature
    assert tokenizer("bpe", 384).fingerprint[:8] in signature


def test_the_test_that_is_asked_for_is_made(place):
    data = [str(place / "test.txt")]
    swapped = compare(place / "lm", place / "louder", data=data, test="permutation", device="cpu")
    assert "test:approximate-randomisation" in swapped.metrics["bits_per_byte"].signature
    with pytest.raises(SettingError, match="mcnemar is for rates, and language models have none"):
        compare(place / "lm", place / "louder", data=data, test="mcnemar", device="cpu")
    with pytest.raises(SettingError, match="is bootstrap, permutation or mcnemar, not t"):
        compare(place / "lm", place / "louder", data=data, test="t", device="cpu")
    with pytest.raises(SettingError, match=r"source_column: is for translators, and .*lm is a language model"):
        compare(place / "lm", place / "louder", data=data, source_column="0", device="cpu")


def test_mistakes(place, tmp_path):
    with pytest.raises(UserError):
        compare(place / "lm", place / "other", device="cpu")  # neither says what it was trained on
    with pytest.raises(ArtifactError):
        against(place, "lm", "absent")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(InputError):
        compare(place / "lm", place / "lm", data=[str(tmp_path / "empty.txt")], device="cpu")
