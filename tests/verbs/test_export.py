from pathlib import Path

import pytest
import tokenizers
import torch
from tiny import model, tokenizer

import zhixing as zx
from zhixing import pretrained
from zhixing.errors import ArtifactError, SettingError
from zhixing.models import LlamaSettings, ModernBertSettings
from zhixing.tokenizer.tokenizer import Tokenizer
from zhixing.verbs.export import export

transformers = pytest.importorskip("transformers")
SETTINGS = LlamaSettings(layers=1, width=32, heads=4, kv_heads=2)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "lm"
    place.mkdir()
    pretrained.save(place, model(SETTINGS, tokenizer().vocabulary), SETTINGS, tokenizer(), 32)
    return place


@torch.no_grad()
def test_what_is_exported_loads_in_transformers(folder, monkeypatch):
    result = export(folder)
    assert result.folder == folder.with_name("lm-hf")
    assert result.difference <= 1e-4
    oracle = transformers.AutoModelForCausalLM.from_pretrained(result.folder)
    made, ids = pretrained.load(folder).model, torch.arange(20)[None]
    assert (oracle(ids).logits - made.head(made(ids)[0])).abs().max() <= 1e-4
    assert "Qwen3ForCausalLM" in "".join(result.lines())
    again = export(result.folder)  # an export is a model like any other
    assert again.folder.name == "lm-hf-hf"
    monkeypatch.chdir(again.folder)
    assert export(Path()).folder.resolve() == again.folder.with_name("lm-hf-hf-hf")


@torch.no_grad()
def test_an_encoder_too(tmp_path):
    place, settings, words = tmp_path / "encoder", ModernBertSettings(layers=2, width=32, heads=4), tokenizer("wordpiece", None)
    place.mkdir()
    pretrained.save(place, model(settings, words.vocabulary, shape="encoder"), settings, words, 32)
    result = export(place)
    assert result.difference <= 1e-4
    assert "ModernBertForMaskedLM" in "".join(result.lines())
    assert "greedy" not in "".join(result.lines())
    assert transformers.AutoTokenizer.from_pretrained(result.folder).mask_token == "[MASK]"


def test_damage_to_an_export_is_noticed(folder):
    place = export(folder).folder / "model.safetensors"
    whole = bytearray(place.read_bytes())
    whole[-5] ^= 1
    place.write_bytes(whole)
    with pytest.raises(ArtifactError, match="do not match its SHA-256"):
        export(place.parent)


def test_refusals(folder, tmp_path):
    with pytest.raises(SettingError, match="is one of hf"):
        export(folder, to="gguf")
    with pytest.raises(ArtifactError, match="exists already"):
        export(folder, out=folder)
    with pytest.raises(ArtifactError):
        export(tmp_path / "nothing", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@torch.no_grad()
@pytest.mark.parametrize("tied", [True, False])
def test_rows_without_a_token_are_left_behind(tmp_path, tied):
    place, words = tmp_path / "padded", tokenizer()
    config = transformers.Qwen2Config(
        vocab_size=words.vocabulary + 9, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=32, tie_word_embeddings=tied, eos_token_id=words.end,
    )  # fmt: skip
    oracle = transformers.Qwen2ForCausalLM(config).eval()
    oracle.save_pretrained(place)
    words.save(place / "tokenizer.json")
    found = pretrained.load(place)
    ids = torch.arange(20)[None]
    logits = found.model.head(found.model(ids)[0])
    assert logits.shape[-1] == words.vocabulary == found.model.decoder.embedding.num_embeddings
    assert (oracle(ids).logits[..., : words.vocabulary] - logits).abs().max() <= 1e-4
    result = export(place)
    again = transformers.AutoModelForCausalLM.from_pretrained(result.folder)
    assert (again(ids).logits - logits).abs().max() <= 1e-4


def test_a_run_that_begins_with_such_a_model_opens_again(tmp_path):
    place, words = tmp_path / "padded", tokenizer()
    place.mkdir()
    pretrained.save(place, model(SETTINGS, words.vocabulary + 9), SETTINGS, words, 32)
    (tmp_path / "text.jsonl").write_text("".join(f'{{"text": "line {i} of a text"}}\n' for i in range(200)), encoding="utf-8")
    zx.prepare([str(tmp_path / "text.jsonl")], out=tmp_path / "data", tokenizer=place)
    still = {"train.steps": 1, "train.batch": 2, "train.compile": False}
    zx.pretrain(tmp_path / "data", out=tmp_path / "run", base=place, settings=still)
    assert zx.generate(tmp_path / "run", prompt="line", tokens=3).continuations


def test_marks_that_only_the_folder_tells_stay_with_the_tokenizer(tmp_path):
    place, usual = tmp_path / "lm", tokenizer()
    place.mkdir()
    end, pad = "ÿ", "ý"  # tokens that nobody would guess
    words = Tokenizer(tokenizers.Tokenizer.from_str(usual._inner.to_str()), end, pad)
    assert words.fingerprint != usual.fingerprint
    pretrained.save(place, model(SETTINGS, words.vocabulary), SETTINGS, words, 32)
    found = pretrained.load(place).tokenizer
    assert (found.end, found.pad, found.fingerprint) == (words.end, words.pad, words.fingerprint)
    (tmp_path / "text.jsonl").write_text("".join(f'{{"text": "a text of number {i}"}}\n' for i in range(200)), encoding="utf-8")
    zx.prepare([str(tmp_path / "text.jsonl")], out=tmp_path / "data", tokenizer=place)
    zx.pretrain(tmp_path / "data", out=tmp_path / "run", base=place, settings={"train.steps": 1, "train.batch": 2, "train.compile": False})
    for folder in (tmp_path / "data", tmp_path / "run"):
        again = Tokenizer.load(folder / "tokenizer.json")
        assert (again.end, again.pad, again.fingerprint) == (words.end, words.pad, words.fingerprint)
    exported = transformers.AutoTokenizer.from_pretrained(export(tmp_path / "run").folder)
    assert (exported.eos_token_id, exported.pad_token_id) == (words.end, words.pad)
