from pathlib import Path

import pytest
import torch
from tiny import model, tokenizer

from zhixing import pretrained
from zhixing.errors import ArtifactError, SettingError
from zhixing.models import LlamaSettings, ModernBertSettings
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
