"""transformers is the oracle: its decoders of the Llama family load here, ours load there, and the logits are equal."""

import json

import pytest
import torch
from tiny import SENTENCES, model, tokenizer

from zhixing import pretrained
from zhixing.errors import ArtifactError, UserError, ZhixingError
from zhixing.export import huggingface
from zhixing.models import LlamaSettings, RNNSettings
from zhixing.pretrained import weights

transformers = pytest.importorskip("transformers")

FAMILIES = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
}


@pytest.fixture(autouse=True)
def quiet():
    transformers.logging.disable_progress_bar()


def theirs(family, tied, **changes):
    config, kind = FAMILIES[family]
    shape = {
        "vocab_size": tokenizer().vocabulary,
        "hidden_size": 32,
        "intermediate_size": 80,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0},
        "tie_word_embeddings": tied,
    }
    if family == "qwen3":
        shape["head_dim"] = 16
    if family == "mistral":
        shape["sliding_window"] = 7
    torch.manual_seed(0)
    made = kind(config(**shape | changes)).eval()
    with torch.no_grad():
        for parameter in made.parameters():  # biases and norms begin as zeros and ones
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return made


def save(made, folder, **how):
    made.save_pretrained(folder, **how)
    tokenizer().save(folder / "tokenizer.json")
    return folder


def ids(rows=2, count=60):
    return torch.randint(tokenizer().vocabulary, (rows, count), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_their_models_give_the_same_logits_here(family, tied, tmp_path):
    oracle = theirs(family, tied)
    found = pretrained.load(save(oracle, tmp_path))
    ours = found.model.head(found.model(ids())[0])
    assert (ours - oracle(ids()).logits).abs().max() <= 1e-4
    assert found.context == 128
    assert found.architecture.shape[:2] == (2, 16 if family == "qwen3" else 8)
    assert found.architecture.tied == tied


WINDOWS = {
    "mistral": ("mistral", {"sliding_window": 7}, (7, 0)),
    "mistral-without": ("mistral", {"sliding_window": None}, (None, 0)),
    "qwen2": ("qwen2", {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}, (5, 1)),
    "qwen2-all": ("qwen2", {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 0}, (5, 0)),
    "qwen2-none": ("qwen2", {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 3}, (None, 0)),
    "qwen3": ("qwen3", {"use_sliding_window": True, "sliding_window": 60, "max_window_layers": 2}, (60, 2)),
}


@pytest.mark.parametrize(("family", "changes", "expected"), WINDOWS.values(), ids=WINDOWS.keys())
@torch.no_grad()
def test_sliding_windows_see_what_theirs_see(family, changes, expected, tmp_path):
    oracle = theirs(family, tied=False, **changes)
    found = pretrained.load(save(oracle, tmp_path))
    assert (found.architecture.window, found.architecture.full_layers) == expected
    logits = oracle(ids()).logits
    assert (found.model.head(found.model(ids())[0]) - logits).abs().max() <= 1e-4
    state = found.model.start(2)  # and in pieces, with what came before kept
    stepped = torch.cat([found.model(piece, state)[0] for piece in ids().split([20, 1, 1, 30, 8], dim=1)], dim=1)
    assert (found.model.head(stepped) - logits).abs().max() <= 1e-4


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "shape",
    [
        {"qk_norm": False},
        {"qk_norm": False, "attention_bias": True},
        {"head_width": 16},
        {"kv_heads": 2, "hidden": 40, "rope_theta": 500.0},
        {"qk_norm": False, "window": 6},
        {"qk_norm": False, "attention_bias": True, "window": 6, "full_layers": 1},
        {"window": 6},
    ],
    ids=["llama", "qwen2", "qwen3", "qwen3-grouped", "mistral", "qwen2-window", "qwen3-window"],
)
def test_our_models_are_exported_and_come_back(shape, tied, tmp_path):
    settings = LlamaSettings(layers=2, width=32, heads=4, tied=tied, **shape)
    made = model(settings, tokenizer().vocabulary, scale=0.2)
    done = huggingface.write(tmp_path / "out", made, tokenizer(), 96, settings=settings)
    assert done.difference <= 1e-4
    oracle = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert type(oracle).__name__ == done.family
    assert oracle.generation_config.eos_token_id == tokenizer().end
    again = pretrained.load(tmp_path / "out")
    assert again.context == 96
    for name, parameter in made.state_dict().items():
        assert torch.equal(parameter, again.model.state_dict()[name]), name
    automatic = transformers.AutoTokenizer if done.family != "Qwen2ForCausalLM" else transformers.PreTrainedTokenizerFast
    words = automatic.from_pretrained(tmp_path / "out")
    for sentence in SENTENCES:
        assert words(sentence)["input_ids"] == tokenizer().encode(sentence) == again.tokenizer.encode(sentence)
    assert words.model_max_length == 96


@pytest.mark.parametrize(
    ("mine", "made", "right"),
    [
        ([0, 1], [0, 1], True),
        ([0, 1], [0, 2], True),  # 1 and 2 are tied at the second place
        ([0, 1], [1, 1], False),
        ([0, 1], [0, 3], False),
        ([0, 1], [0], False),
        ([0], [0, 1], False),
    ],
)
def test_greedy_texts_part_only_at_ties(mine, made, right):
    """A model of six steps gave two tokens the same logit to the seventh digit, and its export was refused."""
    logits = torch.tensor([[3.0, 1.0, 0.0, 0.0], [0.0, 2.0, 2.0 - 1e-5, 1.0]])
    assert huggingface.as_probable(mine, made, logits) is right


def test_an_export_appears_where_rounding_chooses_between_tokens(tmp_path, monkeypatch):
    made = model(LlamaSettings(layers=1, width=32, heads=4, tied=False), tokenizer().vocabulary)
    with torch.no_grad():
        made.head.matrix.zero_()  # every token is as probable as every other, and the last digit of theirs decides
    write, moved = pretrained.llama.write, []

    def rounded(*parts):
        weights = write(*parts)
        moved.append(torch.randn(weights["lm_head.weight"].shape, generator=torch.Generator().manual_seed(0)) * 1e-6)
        return weights | {"lm_head.weight": moved[-1]}

    monkeypatch.setattr(pretrained.llama, "write", rounded)
    done = huggingface.write(tmp_path / "out", made, tokenizer(), 64, settings=made.settings)
    assert moved
    assert 0 < done.difference < 1e-4


def test_an_export_whose_logits_differ_does_not_appear(tmp_path, monkeypatch):
    settings = LlamaSettings(layers=1, width=32, heads=4)
    made = model(settings, tokenizer().vocabulary)
    write = pretrained.llama.write
    monkeypatch.setattr(pretrained.llama, "write", lambda *parts: {name: tensor * 1.01 for name, tensor in write(*parts).items()})
    with pytest.raises(ZhixingError, match="not exported: logits"):
        huggingface.write(tmp_path / "out", made, tokenizer(), 64, settings=settings)
    assert list(tmp_path.iterdir()) == []


def test_a_recurrent_decoder_has_no_name_there(tmp_path):
    settings = RNNSettings(width=16)
    with pytest.raises(UserError, match="of kind rnn, for which the Hugging Face format has no name"):
        huggingface.write(tmp_path / "out", model(settings, tokenizer().vocabulary), tokenizer(), 64, settings=settings)


@torch.no_grad()
def test_shards_theirs_and_ours(tmp_path):
    oracle = theirs("llama", tied=False)
    found = pretrained.load(save(oracle, tmp_path, max_shard_size="20KB"))
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    assert (found.model.head(found.model(ids())[0]) - oracle(ids()).logits).abs().max() <= 1e-4
    (tmp_path / "ours").mkdir()
    weights.write(tmp_path / "ours", pretrained.llama.write(found.model, found.architecture), shard_bytes=20_000)
    with weights.opened(tmp_path) as a, weights.opened(tmp_path / "ours") as b:
        assert a.left() == b.left()
    next((tmp_path / "ours").glob("*-00002-*")).unlink()
    with pytest.raises(ArtifactError, match=r"00002.*is missing"), weights.opened(tmp_path / "ours"):
        pass


@torch.no_grad()
def test_weights_in_bf16_are_read_in_fp32(tmp_path):
    found = pretrained.load(save(theirs("qwen3", tied=True).bfloat16(), tmp_path))
    oracle = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert found.model.head.matrix.dtype == torch.float32
    assert (found.model.head(found.model(ids())[0]) - oracle(ids()).logits).abs().max() <= 1e-4


def without(name):
    def damage(folder):
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        del tensors[name]
        save_file(tensors, folder / "model.safetensors")

    return damage


def extra(folder):
    from safetensors.torch import load_file, save_file

    save_file(load_file(folder / "model.safetensors") | {"model.layers.9.odd": torch.ones(1)}, folder / "model.safetensors")


def setting(**changes):
    def damage(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return damage


DAMAGES = {
    "no-config": (lambda folder: (folder / "config.json").unlink(), "no config.json"),
    "broken-config": (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
    "config-is-a-list": (lambda folder: (folder / "config.json").write_text("[]"), "config"),
    "other-family": (setting(model_type="t5"), "type 't5'; known are llama, mistral, qwen2, qwen3, gpt2, bert, roberta"),
    "windows-in-disorder": (
        setting(
            model_type="qwen3",
            use_sliding_window=True,
            sliding_window=4,
            layer_types=["sliding_attention", "full_attention", "full_attention"],
        ),
        "windows in an order of their own",
    ),
    "other-rope": (setting(rope_parameters={"rope_type": "yarn", "rope_theta": 1e4}), "rope type 'yarn'"),
    "other-activation": (setting(hidden_act="gelu"), "hidden_act 'gelu'"),
    "quantised": (setting(quantization_config={"bits": 4}), "quantised"),
    "output-bias": (setting(attention_bias=True), "bias"),
    "wrong-width": (setting(hidden_size=64), "shape"),
    "no-width": (setting(hidden_size=None), "width"),
    "heads-by-name": (setting(num_attention_heads="four"), "heads"),
    "missing": (without("model.layers.1.mlp.up_proj.weight"), "no weights named model.layers.1.mlp.up_proj.weight"),
    "surplus": (extra, "model.layers.9.odd"),
    "cut": (lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:900]), "damaged"),
    "no-weights": (lambda folder: (folder / "model.safetensors").unlink(), "holds no weights"),
    "no-old-file": (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "damaged, or a pickled object"),
    "small-vocabulary": (setting(vocab_size=10), "shape"),
    "no-tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer"),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES.keys())
def test_what_does_not_fit_is_named(damage, words, tmp_path):
    save(theirs("llama", tied=False), tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError, match=words):
        pretrained.load(tmp_path)


def test_absent_folders_and_ids(tmp_path):
    with pytest.raises(ArtifactError, match="no such folder"):
        pretrained.load(tmp_path / "nothing")
