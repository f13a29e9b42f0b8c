"""transformers is the oracle: its BERT, RoBERTa, ModernBERT and GPT-2 load here, ours load there, and the outputs are equal."""

import json
import os

import pytest
import sentences
import torch
from tiny import SENTENCES, model, tokenizer

from zhixing import pretrained
from zhixing.corpus import fetch
from zhixing.decode.sample import Sampler, SampleSettings
from zhixing.errors import ArtifactError, UserError, ZhixingError
from zhixing.export import huggingface
from zhixing.models import BertSettings, GPT2Settings, ModernBertSettings

transformers = pytest.importorskip("transformers")

VOCABULARY = tokenizer("wordpiece", None).vocabulary
BERT = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 50}
MODERN = {
    "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 40, "local_attention": 8,
    "max_position_embeddings": 64, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3,
}  # fmt: skip
ENCODERS = {
    "bert": ("Bert", BERT),
    "bert-untied": ("Bert", BERT | {"tie_word_embeddings": False, "type_vocab_size": 1, "hidden_act": "relu"}),
    "bert-tanh": ("Bert", BERT | {"hidden_act": "gelu_new", "layer_norm_eps": 1e-5}),
    "roberta": ("Roberta", BERT | {"pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}),
    "roberta-untied": ("Roberta", BERT | {"pad_token_id": 1, "tie_word_embeddings": False, "type_vocab_size": 2}),
    "xlm-roberta": ("XLMRoberta", BERT | {"pad_token_id": 1, "type_vocab_size": 1}),
    "modernbert": ("ModernBert", MODERN),
    "modernbert-biases": (
        "ModernBert",
        MODERN | {"attention_bias": True, "mlp_bias": True, "norm_bias": True, "classifier_bias": True, "decoder_bias": False},
    ),
    "modernbert-untied": (
        "ModernBert",
        MODERN | {
            "tie_word_embeddings": False, "local_attention": 5, "norm_eps": 1e-6,
            "layer_types": ["full_attention", "sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 900.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
            },
        },
    ),
}  # fmt: skip
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64, "bos_token_id": 0, "eos_token_id": 0}
GPT2S = {"tied": GPT2, "untied": GPT2 | {"tie_word_embeddings": False, "activation_function": "gelu", "n_inner": 40}}
encoders = pytest.mark.parametrize(("family", "changes"), ENCODERS.values(), ids=ENCODERS.keys())


@pytest.fixture(autouse=True)
def quiet():
    transformers.logging.disable_progress_bar()


def theirs(kind, config):
    torch.manual_seed(0)
    made = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():  # biases and norms begin as zeros and ones
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return made


def encoder(family, changes, head="ForMaskedLM"):
    return theirs(f"{family}{head}", getattr(transformers, f"{family}Config")(vocab_size=VOCABULARY, **{"pad_token_id": 0} | changes))


def gpt2(changes):
    return theirs("GPT2LMHeadModel", transformers.GPT2Config(vocab_size=tokenizer().vocabulary, **changes))


def save(made, folder, words=None, **how):
    made.save_pretrained(folder, **how)
    (words or tokenizer("wordpiece", None)).save(folder / "tokenizer.json")
    return folder


def rows(pad):
    """Padded rows of pairs: ids, mask, kinds."""
    lengths = torch.tensor([40, 23, 7, 1])
    mask = torch.arange(40) < lengths[:, None]
    ids = torch.randint(5, 160, (4, 40), generator=torch.Generator().manual_seed(0))
    return ids.where(mask, pad), mask, ((torch.arange(40) > 5).expand(4, 40) & mask).long()


@encoders
@torch.no_grad()
def test_their_encoders_give_the_same_outputs_here(family, changes, tmp_path):
    oracle = encoder(family, changes)
    found = pretrained.load(save(oracle, tmp_path))
    ids, mask, kinds = rows(changes.get("pad_token_id", 0))
    told = {"token_type_ids": kinds if changes.get("type_vocab_size", 2) > 1 else torch.zeros_like(kinds)} if "odern" not in family else {}
    expected = oracle(ids, attention_mask=mask.long(), output_hidden_states=True, **told)
    states = found.model(ids, mask, kinds=kinds)
    assert (states - expected.hidden_states[-1])[mask].abs().max() <= 1e-4
    assert (found.model.head(states) - expected.logits)[mask].abs().max() <= 1e-4
    whole = ids.where(mask, 7)  # no padding at all
    assert (found.model.head(found.model(whole)) - oracle(whole).logits).abs().max() <= 1e-4
    assert not found.new_head
    assert found.context == (64 if "odern" in family else 48 if "oberta" in family.lower() else 50)


@encoders
def test_their_encoders_come_back_bit_for_bit(family, changes, tmp_path):
    oracle = encoder(family, changes)
    found = pretrained.load(save(oracle, tmp_path))
    module = pretrained.family_of(found.architecture)
    written, original = module.write(found.model, found.architecture), oracle.state_dict()
    for name, tensor in written.items():
        used = name.replace("lm_head.bias", "lm_head.decoder.bias").replace("predictions.bias", "predictions.decoder.bias")
        assert torch.equal(tensor, original[used if used in original else name]), name
    assert set(original) - set(written) <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "lm_head.decoder.weight",
                                            "lm_head.decoder.bias", "decoder.weight"}  # fmt: skip


SETTINGS = {
    "bert": BertSettings(layers=2, width=32, heads=4, positions=64, dropout=0.1),
    "bert-untied": BertSettings(layers=2, width=32, heads=4, hidden=40, kinds=1, activation="silu", positions=64, tied=False),
    "roberta": BertSettings(layers=2, width=32, heads=2, kinds=1, position_offset=1, positions=64),
    "modernbert": ModernBertSettings(layers=4, width=32, heads=4, window=10, global_every=2),
    "modernbert-biases": ModernBertSettings(
        layers=2, width=32, heads=4, attention_bias=True, mlp_bias=True, norm_bias=True, transform_bias=True, head_bias=False, tied=False
    ),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_our_encoders_are_exported_and_come_back(settings, kind, tmp_path):
    words = tokenizer(kind, None)
    if settings.kind == "bert" and settings.position_offset:
        settings = settings.model_copy(update={"position_offset": words.pad + 1})
    made = model(settings, words.vocabulary, scale=0.2, shape="encoder")
    done = huggingface.write(tmp_path / "out", made, words, 64, settings=settings)
    assert done.difference <= 1e-4
    assert done.tokens > 200
    oracle = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "out")
    assert type(oracle).__name__ == done.family
    assert oracle.config.pad_token_id == words.pad
    again = pretrained.load(tmp_path / "out")
    assert again.architecture == settings.model_copy(update={"hidden": settings.inner})
    for name, parameter in made.state_dict().items():
        assert torch.equal(parameter, again.model.state_dict()[name]), name
    automatic = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    for sentence in SENTENCES:
        assert automatic(sentence, add_special_tokens=False)["input_ids"] == words.encode(sentence)
    assert automatic.mask_token_id == words.mask


def test_an_export_of_an_encoder_whose_logits_differ_does_not_appear(tmp_path, monkeypatch):
    settings, words = SETTINGS["bert"], tokenizer("wordpiece", None)
    write = pretrained.bert.write
    monkeypatch.setattr(pretrained.bert, "write", lambda *parts: {name: tensor * 1.01 for name, tensor in write(*parts).items()})
    with pytest.raises(ZhixingError, match="not exported: logits"):
        huggingface.write(tmp_path / "out", model(settings, words.vocabulary, shape="encoder"), words, 64, settings=settings)
    assert list(tmp_path.iterdir()) == []


def test_a_roberta_needs_the_padding_that_it_counts_from(tmp_path):
    settings, words = BertSettings(layers=1, width=32, heads=2, position_offset=9), tokenizer("wordpiece", None)
    with pytest.raises(UserError, match="counts positions from padding number 8"):
        huggingface.write(tmp_path / "out", model(settings, words.vocabulary, shape="encoder"), words, 64, settings=settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("changes", GPT2S.values(), ids=GPT2S.keys())
@torch.no_grad()
def test_gpt2_there_and_here(changes, tmp_path):
    oracle = gpt2(changes)
    found = pretrained.load(save(oracle, tmp_path, tokenizer()))
    ids = torch.randint(tokenizer().vocabulary, (2, 60), generator=torch.Generator().manual_seed(0))
    logits = oracle(ids).logits
    assert (found.model.head(found.model(ids)[0]) - logits).abs().max() <= 1e-4
    state = found.model.start(2)  # in pieces, with what came before kept
    stepped = torch.cat([found.model(piece, state)[0] for piece in ids.split([20, 1, 1, 30, 8], dim=1)], dim=1)
    assert (found.model.head(stepped) - logits).abs().max() <= 1e-4
    lengths = torch.tensor([9, 4])  # padding: theirs stands on the left, ours on the right
    mask = torch.arange(9) >= 9 - lengths[:, None]
    padded = torch.stack([torch.cat((row.new_zeros(9 - n), row[:n])) for row, n in zip(ids, lengths, strict=True)])
    places = (mask.long().cumsum(1) - 1).clamp(min=0)
    expected = oracle(padded, attention_mask=mask.long(), position_ids=places).logits
    ours, _ = found.model(ids[:, :9], found.model.start(2), lengths=lengths)
    for row, n in enumerate(lengths):
        assert (found.model.head(ours[row, :n]) - expected[row, 9 - n :]).abs().max() <= 1e-4
    written, original = pretrained.gpt2.write(found.model, found.architecture), oracle.state_dict()
    for name, tensor in written.items():
        assert torch.equal(tensor, original[name]), name
    assert set(original) - set(written) <= {"lm_head.weight"}
    prompt = tokenizer().encode("知行 and doing")
    greedy = oracle.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=30, pad_token_id=1)[0, len(prompt) :].tolist()
    sampler = Sampler(found.model, [prompt], SampleSettings(tokens=30, greedy=True), context=64, end=0)
    assert [token for step in sampler for _, token in step] == greedy


def test_our_gpt2_is_exported_and_comes_back(tmp_path):
    settings = GPT2Settings(layers=2, width=32, heads=4, positions=96, hidden=48, activation="relu", tied=False)
    made = model(settings, tokenizer().vocabulary, scale=0.2)
    done = huggingface.write(tmp_path / "out", made, tokenizer(), 96, settings=settings)
    assert (done.family, done.difference <= 1e-4) == ("GPT2LMHeadModel", True)
    again = pretrained.load(tmp_path / "out")
    assert again.architecture == settings
    for name, parameter in made.state_dict().items():
        assert torch.equal(parameter, again.model.state_dict()[name]), name


HEADLESS = {
    "bert": ("Bert", BERT, "Model"),
    "bert-classifier": ("Bert", BERT, "ForSequenceClassification"),
    "bert-both": ("Bert", BERT, "ForPreTraining"),
    "roberta": ("Roberta", ENCODERS["roberta"][1], "Model"),
    "roberta-questions": ("Roberta", ENCODERS["roberta"][1], "ForQuestionAnswering"),
    "modernbert": ("ModernBert", MODERN, "Model"),
    "modernbert-classifier": ("ModernBert", MODERN, "ForSequenceClassification"),
}


@pytest.mark.parametrize(("family", "changes", "head"), HEADLESS.values(), ids=HEADLESS.keys())
@torch.no_grad()
def test_encoders_without_their_head_and_with_heads_of_other_tasks(family, changes, head, tmp_path, capsys):
    oracle = encoder(family, changes, head)
    found = pretrained.load(save(oracle, tmp_path))
    assert found.new_head == (head != "ForPreTraining")
    ids, mask, _ = rows(changes.get("pad_token_id", 0))
    body = oracle if head == "Model" else getattr(oracle, oracle.base_model_prefix)
    assert (found.model(ids, mask) - body(ids, attention_mask=mask.long()).last_hidden_state)[mask].abs().max() <= 1e-4
    assert found.model.head(found.model(ids, mask)).isfinite().all()
    surplus = "ForModel" not in head and not (head == "Model" and family == "ModernBert")
    assert ("weights of heads for other tasks are left out" in capsys.readouterr().err) == surplus
    again = pretrained.load(tmp_path)  # a new head is always the same
    assert all(torch.equal(a, b) for a, b in zip(found.model.parameters(), again.model.parameters(), strict=True))


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before zip"])
@torch.no_grad()
def test_old_pytorch_files_with_old_names(old, tmp_path):
    oracle = encoder("Bert", BERT)
    new = pretrained.load(save(oracle, tmp_path)).model
    (tmp_path / "model.safetensors").unlink()
    state = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in oracle.state_dict().items()
    }
    torch.save(state | {"bert.embeddings.position_ids": torch.arange(50)[None]}, tmp_path / "pytorch_model.bin",
               _use_new_zipfile_serialization=not old)  # fmt: skip
    again = pretrained.load(tmp_path).model
    for a, b in zip(new.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


@torch.no_grad()
def test_old_pytorch_files_in_shards(tmp_path):
    oracle = gpt2(GPT2)
    save(oracle, tmp_path, tokenizer())
    (tmp_path / "model.safetensors").unlink()
    names = sorted(oracle.state_dict())
    places = {name: f"pytorch_model-0000{1 + (n > 9)}-of-00002.bin" for n, name in enumerate(names)}
    for file in set(places.values()):
        torch.save({name: value for name, value in oracle.state_dict().items() if places[name] == file}, tmp_path / file)
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    found, ids = pretrained.load(tmp_path), torch.arange(50)[None]
    assert (found.model.head(found.model(ids)[0]) - oracle(ids).logits).abs().max() <= 1e-4
    (tmp_path / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(ArtifactError, match=r"00002-of-00002.bin: is missing"):
        pretrained.load(tmp_path)


class Payload:
    def __reduce__(self):
        return os.mkdir, ("payload-was-run",)


def swap(what):
    def damage(folder):
        (folder / "model.safetensors").unlink()
        torch.save(what, folder / "pytorch_model.bin")

    return damage


def truncated(folder):
    swap({"x": torch.zeros(500)})(folder)
    (folder / "pytorch_model.bin").write_bytes((folder / "pytorch_model.bin").read_bytes()[:700])


def setting(**changes):
    def damage(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return damage


def longer(folder):
    words = tokenizer("wordpiece", None)
    words.extended([f"word{n}" for n in range(20)]).save(folder / "tokenizer.json")


DAMAGES = {
    "payload": (swap({"bert.embeddings": Payload()}), "pickled object that is more than weights, which is never run"),
    "whole-module": (swap(torch.nn.Linear(2, 2)), "pickled object that is more than weights"),
    "list": (swap([torch.zeros(1)]), "a pickled object other than weights by name"),
    "truncated-bin": (truncated, "damaged, or a pickled object"),
    "relative-positions": (setting(position_embedding_type="relative_key"), "positions of type 'relative_key'"),
    "decoder": (setting(is_decoder=True), "asks for a decoder"),
    "activation": (setting(hidden_act="mish"), "hidden_act 'mish'"),
    "heads": (setting(num_attention_heads=5), "does not divide into 5 heads"),
    "no-width": (setting(hidden_size=None), "width"),
    "wide": (setting(hidden_size=64), r"shape \[162, 32\], and its config.json asks for \[162, 64\]"),
    "positions": (setting(max_position_embeddings=60), r"position_embeddings.weight have the shape \[50, 32\]"),
    "more-layers": (setting(num_hidden_layers=4), "no weights named bert.encoder.layer.3"),
    "fewer-layers": (setting(num_hidden_layers=2), "weights that its config.json does not account for: bert.encoder.layer.2"),
    "tokenizer-too-long": (longer, r"its tokenizer has 18\d ids, and the model knows only 162"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES.keys())
def test_what_does_not_fit_is_named(damage, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(encoder("Bert", BERT), tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError, match=words) as caught:
        pretrained.load(tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "payload-was-run").exists()


DISORDER = ["sliding_attention", "sliding_attention", "full_attention", "full_attention"]
ODD = {
    "layer-order": ("ModernBert", MODERN, {"layer_types": DISORDER}, "local and global layers in an order of their own"),
    "rope": ("ModernBert", MODERN, {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "rope types default, yarn"),
    "classifier": ("ModernBert", MODERN, {"classifier_activation": "silu"}, "activations gelu, silu"),
}


@pytest.mark.parametrize(("family", "shape", "changes", "words"), ODD.values(), ids=ODD.keys())
def test_what_we_would_compute_otherwise_is_refused(family, shape, changes, words, tmp_path):
    save(encoder(family, shape), tmp_path)
    setting(**changes)(tmp_path)
    with pytest.raises(ArtifactError, match=words):
        pretrained.load(tmp_path)


@torch.no_grad()
def test_minilm_of_the_catalogue():
    """Hidden states of a hundred texts, fifty English and fifty Chinese, in batches of mixed lengths and one by one."""
    if not fetch.place("minilm").is_dir():
        pytest.skip("minilm is not in the cache; bring it with: zhixing get minilm")
    found = pretrained.load("minilm")
    assert found.new_head
    assert (found.architecture.layers, found.architecture.width, found.tokenizer.vocabulary) == (6, 384, 30522)
    oracle = transformers.AutoModel.from_pretrained(fetch.place("minilm")).eval()
    words = transformers.AutoTokenizer.from_pretrained(fetch.place("minilm"))
    texts = sorted(sentences.texts(), key=len)
    assert len(set(texts)) == 100
    lengths = []
    for number in range(10):  # nine of about the same length, and one of the ten shortest, which is padded to theirs
        batch = [*texts[10 + 9 * number : 19 + 9 * number], texts[number]]
        theirs = words(batch, padding=True, return_tensors="pt")
        ids, mask, kinds = theirs["input_ids"], theirs["attention_mask"].bool(), theirs["token_type_ids"]
        assert [row.ids for row in found.tokenizer.frame(batch)] == [row[:n] for row, n in zip(ids.tolist(), mask.sum(1), strict=True)]
        expected = oracle(**theirs).last_hidden_state
        states = found.model(ids, mask, kinds=kinds)
        assert (states - expected)[mask].abs().max() <= 1e-4
        shortest = int(mask.sum(1).argmin())
        alone = found.model(ids[shortest : shortest + 1, : mask[shortest].sum()])
        assert (alone[0] - expected[shortest, mask[shortest]]).abs().max() <= 1e-4
        lengths += mask.sum(1).tolist()
    assert min(lengths) <= 4  # with its two marks
    assert 350 <= max(lengths) <= 512
