"""transformers and sentencepiece are the oracles of translation models: equal logits, equal tokens, equal texts."""

import json
import shutil

import pytest
import sentencepiece
import torch
from pairs import END, FIRST, PAD, VOCABULARY, sentences, translation, translator

from zhixing import pretrained
from zhixing.decode.beam import BeamSearch, BeamSettings
from zhixing.errors import UserError
from zhixing.files import read_json
from zhixing.models import MarianSettings, build
from zhixing.pretrained import marian, weights
from zhixing.start import Bases
from zhixing.tasks.translation import base
from zhixing.tasks.translation.marks import with_tags
from zhixing.tasks.translation.search import Manner, Search
from zhixing.tokenizer import sentencepiece as ours

transformers = pytest.importorskip("transformers")

EN = 20 * [
    "Knowing is the beginning of doing.",
    "And doing is knowing made real.",
    "The quick brown fox jumps over the lazy dog.",
    "To be, or not to be: that is the question.",
    "Cuff him.  You   win!",
    "What is the time? It is 12:45.",
    "A B C",
]
ZH = 20 * [
    "知是行之始，行是知之成。",
    "知行合一。",
    "敏捷的棕色狐狸跳过懒狗。",
    "生存还是毁灭，这是一个问题。",
    "把他铐上。你赢了！",
    "现在几点？十二点四十五分。",
    "学而时习之，不亦说乎？",
]
PIECES = 150
BASE = {
    "vocab_size": PIECES, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 48, "max_position_embeddings": 128,
}  # fmt: skip
MARIAN = {"pad_token_id": 3, "eos_token_id": 0, "decoder_start_token_id": 3, "forced_eos_token_id": 0, "bos_token_id": None}
VARIANTS = {
    "marian": ("marian", {"activation_function": "swish", "scale_embedding": True}),
    "apart": ("marian", {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 120, "decoder_attention_heads": 2}),
    "untied": ("marian", {"tie_word_embeddings": False, "activation_function": "relu"}),
    "apart-untied": ("marian", {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 120, "tie_word_embeddings": False}),
    "m2m100": ("m2m_100", {}),
    "m2m100-gelu": ("m2m_100", {"activation_function": "gelu", "scale_embedding": False}),
    "m2m100-silu-untied": ("m2m_100", {"activation_function": "silu", "tie_word_embeddings": False}),
}
every = pytest.mark.parametrize(("kind", "changes"), VARIANTS.values(), ids=VARIANTS.keys())


@pytest.fixture(autouse=True)
def quiet():
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()


def theirs(kind, changes, scale=0.3):
    if kind == "marian":
        config, model = transformers.MarianConfig(**BASE | MARIAN | changes), transformers.MarianMTModel
    else:
        config, model = transformers.M2M100Config(**BASE | changes), transformers.M2M100ForConditionalGeneration
    torch.manual_seed(0)
    made = model(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * (scale if parameter.ndim > 1 else 0.1))
        if kind == "marian":
            made.final_logits_bias.normal_()
            made.final_logits_bias[0, 0] += 4  # some sentences come to an end
    return made


def opened(folder):
    """Model and settings of a folder that has no tokenizer."""
    found = marian.describe(read_json(folder / "config.json"), folder / "config.json")
    made = build(found.architecture, found.vocabulary, found.shape, found.source_vocabulary)
    with weights.opened(folder) as tensors:
        made.load_state_dict(marian.read(tensors, found, folder)[0])
    return made.eval(), found


def batch(made, rows=24, longest=20):
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, longest, (rows,), generator=generator)
    mask = torch.arange(longest) < lengths[:, None]
    source = torch.randint(4, made.config.vocab_size, (rows, longest), generator=generator)
    return source.masked_fill(~mask, made.config.pad_token_id), mask, lengths


def generated(made, source, mask, **how):
    """Their tokens without begin mark, end and padding, and their scores."""
    how = {"do_sample": False, "max_length": 25, "bad_words_ids": [[made.config.pad_token_id]]} | how
    out = made.generate(source, attention_mask=mask.long(), return_dict_in_generate=True, output_scores=True, **how)
    end, pad, rows = made.config.eos_token_id, made.config.pad_token_id, []
    for row in out.sequences[:, 1:].tolist():
        row = row[: row.index(end)] if end in row else row
        rows.append([token for token in row if token != pad])
    return rows, out.get("sequences_scores")


@every
@torch.no_grad()
def test_their_models_give_the_same_logits_here(kind, changes, tmp_path):
    oracle = theirs(kind, changes)
    oracle.save_pretrained(tmp_path)
    model, found = opened(tmp_path)
    source, mask, _ = batch(oracle)
    target = torch.randint(4, found.vocabulary, (24, 60), generator=torch.Generator().manual_seed(2))
    expected = oracle(input_ids=source, attention_mask=mask.long(), decoder_input_ids=target).logits
    assert (model.head(model(source, target, mask)) - expected).abs().max() <= 1e-4
    state, memory = model.start(24), model.encode(source, mask)
    stepped = [model.decode(piece, None if n else memory, state)[0] for n, piece in enumerate(target.split([9, 1, 50], dim=1))]
    assert (model.head(torch.cat(stepped, dim=1)) - expected).abs().max() <= 1e-4


@every
@pytest.mark.parametrize(
    ("how", "settings"),
    [
        ({"num_beams": 1}, {"beams": 1}),
        ({"num_beams": 4}, {"beams": 4}),
        ({"num_beams": 4, "num_return_sequences": 3, "length_penalty": 0.6, "early_stopping": True},
         {"best": 3, "length_penalty": 0.6, "stop": "first"}),
        ({"num_beams": 3, "length_penalty": 2.0, "early_stopping": "never", "no_repeat_ngram_size": 2},
         {"beams": 3, "length_penalty": 2.0, "stop": "never", "no_repeat": 2}),
        ({"num_beams": 2, "forced_bos_token_id": 7, "length_penalty": 0.0}, {"beams": 2, "first": (7,), "length_penalty": 0.0}),
    ],
    ids=["greedy", "beam", "n-best", "never", "forced"],
)  # fmt: skip
@torch.no_grad()
def test_the_same_tokens_are_written(kind, changes, how, settings, tmp_path):
    oracle = theirs(kind, changes)
    oracle.save_pretrained(tmp_path)
    model, _ = opened(tmp_path)
    source, mask, lengths = batch(oracle)
    expected, scores = generated(oracle, source, mask, **how)
    chosen = BeamSettings(**{"tokens": 24, "banned": (oracle.config.pad_token_id,), "force_end": kind == "marian"} | settings)
    search = BeamSearch(
        model, chosen, begin=oracle.config.decoder_start_token_id, end=oracle.config.eos_token_id, pad=oracle.config.pad_token_id
    )
    found = search([row[:length].tolist() for row, length in zip(source, lengths, strict=True)])
    assert [h.tokens for each in found for h in each] == expected
    if scores is not None:
        assert [h.score for each in found for h in each] == pytest.approx(scores.tolist(), abs=2e-4)


def test_a_trained_translator_goes_out_and_writes_the_same(tmp_path):
    """Its translations end where their sources do, so that beams come and go."""
    model = translator()
    with pytest.raises(UserError, match=r"model.norm.*M2M100.*norm = post"):
        marian.write(model, model.settings)
    settings = MarianSettings(
        encoder_layers=1, decoder_layers=1, width=32, heads=4, hidden=64, norm="pre", wavelengths="closed", position_offset=2
    )
    torch.manual_seed(0)
    made = build(settings, VOCABULARY, "encoder-decoder").eval()
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    for step in range(60):
        sources = sentences(32, seed=step, longest=10)
        longest = max(map(len, sources))
        source = torch.tensor([[*s, *[PAD] * (longest - len(s))] for s in sources])
        target = torch.tensor([[2, *translation(s), END, *[-100] * (longest - len(s))] for s in sources])
        logits = made.head(made(source, target[:, :-1].clamp_min(0), source != PAD))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()
    # M2M100 knows padding as number 1: swap the two marks
    swap = torch.arange(VOCABULARY)
    swap[[PAD, END]] = torch.tensor([END, PAD])
    made.decoder.embedding.weight.data = made.decoder.embedding.weight.data[swap].clone()
    (tmp_path / "config.json").write_text(json.dumps(marian.config(settings, VOCABULARY, 64) | {
        "pad_token_id": 1, "eos_token_id": 0, "bos_token_id": None, "decoder_start_token_id": 2}))  # fmt: skip
    weights.write(tmp_path, marian.write(made, settings))
    oracle = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    rows = [[0 if token == END else token for token in s] for s in sentences(200, seed=99, longest=14)]
    longest = max(map(len, rows))
    source = torch.tensor([[*row, *[1] * (longest - len(row))] for row in rows])
    for beams in (1, 4):
        expected, _ = generated(oracle, source, source != 1, num_beams=beams)
        found = BeamSearch(made, BeamSettings(beams=beams, tokens=24, banned=(1,)), begin=2, end=0, pad=1)(rows)
        assert [h[0].tokens for h in found] == expected
        assert len({len(text) for text in expected}) > 5
    assert min(min(text, default=FIRST) for text in expected) >= FIRST


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("shape", [{}, {"tied": False, "head_bias": True, "activation": "gelu_tanh", "decoder_heads": 2, "scaled": False}])
@torch.no_grad()
def test_our_models_go_out_and_come_back(shape, apart, tmp_path):
    from tiny import tokenizer

    source_words, words = tokenizer("bpe", 300), tokenizer("bpe", None)
    settings = MarianSettings(encoder_layers=3, decoder_layers=1, width=32, heads=4, **shape)
    torch.manual_seed(0)
    own = source_words if apart else words
    made = build(settings, words.vocabulary, "encoder-decoder", source_words.vocabulary if apart else None).eval()
    for parameter in made.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.2)
    pretrained.save_pair(tmp_path, made, settings, own, words, 96, begin=words.pad)
    oracle = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    assert type(oracle).__name__ == "MarianMTModel"
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randint(size, (3, 20), generator=generator) for size in (own.vocabulary, words.vocabulary))
    expected = oracle(input_ids=source, decoder_input_ids=target).logits
    assert (made.head(made(source, target)) - expected).abs().max() <= 1e-4
    again = pretrained.load(tmp_path)
    assert (again.model.head(again.model(source, target)) - expected).abs().max() <= 1e-4
    assert again.source_tokenizer.fingerprint == own.fingerprint
    assert again.tokenizer.fingerprint == words.fingerprint
    assert (again.begin, again.context) == (words.pad, 96)
    search = BeamSettings.model_validate(again.decoding)
    assert (search.beams, search.banned, search.tokens) == (4, (words.pad,), 95)


def trained(folder, name, texts, kind, **how):
    """A sentencepiece model file made by its own trainer."""
    (folder / f"{name}.txt").write_text("\n".join(texts), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / f"{name}.txt"), model_prefix=str(folder / name), vocab_size=how.pop("vocab_size", 120), model_type=kind,
        character_coverage=1.0, hard_vocab_limit=False, minloglevel=9, **how,
    )  # fmt: skip
    return folder / f"{name}.model"


TEXTS = [
    *EN[:7],
    *ZH[:7],
    "",
    " ",
    "  spaces   here ",
    "２０２６ ｆｕｌｌ　width ﬁ",
    "未知字龘 and ünknown ☃☃",
    "</s> <unk> <pad>",
    "new\nline\ttab",
    "a" * 40,
]


@pytest.mark.parametrize(
    "how",
    [{}, {"byte_fallback": True, "vocab_size": 400}, {"normalization_rule_name": "identity", "add_dummy_prefix": False}],
    ids=["usual", "bytes", "plain"],
)
@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_sentencepiece_files_are_read_as_its_own_library_does(kind, how, tmp_path):
    path = trained(tmp_path, "both", [*EN, *ZH], kind, **dict(how))
    oracle = sentencepiece.SentencePieceProcessor(model_file=str(path))
    pieces = ours.read(path)
    assert pieces.names == [oracle.id_to_piece(n) for n in range(oracle.get_piece_size())]
    made = ours.tokenizer(pieces, [*pieces.names, "<pad>"], ("<unk>", "<s>", "</s>", "<pad>"))
    for text in TEXTS:
        assert made.encode(text) == oracle.encode(text), text
        ids = oracle.encode(text)
        if oracle.unk_id() not in ids:
            assert made.decode(ids).strip() == oracle.decode(ids).strip(), text


def test_a_marian_folder_with_its_tokenizers(tmp_path):
    trained(tmp_path, "en", EN, "unigram").rename(tmp_path / "source.spm")
    trained(tmp_path, "zh", ZH, "unigram").rename(tmp_path / "target.spm")
    names = ["</s>", "<unk>", ">>cmn_Hans<<", "<pad>"]
    for side in ("source", "target"):
        names += [name for name in ours.read(tmp_path / f"{side}.spm").names if name not in (*names, "<s>")]
    (tmp_path / "vocab.json").write_text(json.dumps({name: place for place, name in enumerate(names)}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"source_lang": "en", "target_lang": "zh", "separate_vocabs": False}))
    oracle = theirs("marian", {"vocab_size": len(names)})
    oracle.generation_config.update(num_beams=4, max_length=30, bad_words_ids=[[3]], forced_eos_token_id=0)
    oracle.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="sacremoses") if not _has_sacremoses() else _nothing():
        words = transformers.MarianTokenizer.from_pretrained(tmp_path)
    found = pretrained.load(tmp_path)
    assert found.source_tokenizer.unknown in found.source_tokenizer.encode("a 知 b")  # the other side's pieces are not this one's
    for text in EN[:7]:
        assert [*found.source_tokenizer.encode(text), found.source_tokenizer.end] == words(text)["input_ids"], text
    for text in ZH[:7]:
        assert [*found.tokenizer.encode(text), found.tokenizer.end] == words(text_target=text)["input_ids"], text
    settings = BeamSettings.model_validate(found.decoding)
    assert (settings.beams, settings.tokens, settings.banned, settings.force_end, found.begin) == (4, 29, (3,), True, 3)
    sources = [[*found.source_tokenizer.encode(text), 0] for text in EN[:7]]
    made = BeamSearch(found.model, settings, begin=found.begin, end=found.tokenizer.end, pad=found.tokenizer.pad)(sources)
    inputs = words(EN[:7], return_tensors="pt", padding=True)
    expected = oracle.generate(**inputs)
    for mine, row in zip(made, expected.tolist(), strict=True):
        assert mine[0].tokens == [token for token in row if token not in (0, 3)]
        assert found.tokenizer.decode(mine[0].tokens) == words.decode(row, skip_special_tokens=True)


def test_an_m2m100_folder_with_its_tokenizer(tmp_path):
    path = trained(tmp_path, "both", [*EN, *ZH], "bpe", vocab_size=300)
    path.rename(tmp_path / "sentencepiece.bpe.model")
    pieces = ours.read(tmp_path / "sentencepiece.bpe.model").names
    names = ["<s>", "<pad>", "</s>", "<unk>", *(name for name in pieces if name not in ("<s>", "</s>", "<unk>"))]
    (tmp_path / "vocab.json").write_text(json.dumps({name: place for place, name in enumerate(names)}))
    words = transformers.M2M100Tokenizer(
        str(tmp_path / "vocab.json"), str(tmp_path / "sentencepiece.bpe.model"), src_lang="en", tgt_lang="zh"
    )
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"additional_special_tokens": list(words.lang_code_to_token.values())}))
    oracle = theirs("m2m_100", {"vocab_size": len(names) + 100 + 8})  # 100 languages, 8 made-up words
    oracle.generation_config.update(num_beams=4, max_length=24, forced_bos_token_id=words.get_lang_id("zh"))
    oracle.save_pretrained(tmp_path)
    found = pretrained.load(tmp_path)
    for text in (*EN[:7], *ZH[:7]):
        assert [words.get_lang_id("en"), *found.source_tokenizer.encode(text), found.source_tokenizer.end] == words(text)["input_ids"]
    assert not found.behind
    settings = BeamSettings.model_validate(found.decoding)
    assert settings.first == (words.get_lang_id("zh"),)
    assert found.tokenizer.mark(["__zh__"]) == settings.first[0]
    assert found.tokenizer.mark(["__qq__"]) is None
    assert settings.first[0] not in found.tokenizer.encode("a __zh__ b")
    inputs = words(EN[:7], return_tensors="pt", padding=True)
    sources = [row[mask.bool()].tolist() for row, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)]
    for beams in (1, 4):
        search = BeamSearch(
            found.model, settings.model_copy(update={"beams": beams}), begin=found.begin, end=found.tokenizer.end, pad=found.tokenizer.pad
        )
        for mine, row in zip(search(sources), oracle.generate(**inputs, num_beams=beams).tolist(), strict=True):
            assert mine[0].tokens == [token for token in row[1:] if token not in (1, 2)]


@pytest.fixture(scope="module")
def byte_pairs(tmp_path_factory):
    """A sentencepiece model of both languages."""
    return trained(tmp_path_factory.mktemp("pieces"), "both", [*EN, *ZH], "bpe", vocab_size=300)


def nllb_words(folder, pieces, settings):
    """NLLB's tokenizer with two languages, saved in transformers' own form; settings: what its config says beside."""
    shutil.copy(pieces, folder / "sentencepiece.bpe.model")
    said = {"tokenizer_class": "NllbTokenizer", "additional_special_tokens": ["eng_Latn", "zho_Hans"], "src_lang": "eng_Latn", **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    transformers.NllbTokenizer.from_pretrained(folder).save_pretrained(folder)
    return transformers.NllbTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(
    ("settings", "behind"), [({}, False), ({"legacy_behaviour": False}, False), ({"legacy_behaviour": True}, True)], ids=["", "new", "old"]
)
def test_nllb_folders_in_both_orders_of_marks(settings, behind, byte_pairs, tmp_path):
    words = nllb_words(tmp_path, byte_pairs, settings)
    oracle = theirs("m2m_100", {"vocab_size": len(words) + 8})
    oracle.save_pretrained(tmp_path)
    begun = base.opened(Bases(whole=tmp_path), {}, ("en", "zh"))
    marks, source, target = with_tags(
        begun.marks, begun.source, begun.target, languages=[("en", "zh"), ("zh", "en")], domains=[], back=False, joint=True, base=tmp_path
    )
    found, codes = pretrained.load(tmp_path), {"en": "eng_Latn", "zh": "zho_Hans"}
    for one, other, texts in (("en", "zh", EN[:7]), ("zh", "en", ZH[:7])):
        before, after = marks.before_source((one, other)), marks.after_source(one)
        search = Search(found.model, source, target, 64, marks.start, before, marks.before_target(other), after)
        words.src_lang = codes[one]
        inputs = words(texts, return_tensors="pt", padding=True)
        assert search.ids(texts) == [words(text)["input_ids"] for text in texts]
        assert [row[-1] == words.convert_tokens_to_ids(codes[one]) for row in search.ids(texts)] == [behind] * 7
        for beams in (1, 4):
            expected = oracle.generate(
                **inputs, do_sample=False, num_beams=beams, max_length=20, bad_words_ids=[[1]],
                forced_bos_token_id=words.convert_tokens_to_ids(codes[other]),
            )  # fmt: skip
            made = search(texts, Manner(BeamSettings(beams=beams, tokens=19)))
            assert [one[0].tokens for one in made] == [[token for token in row[1:] if token not in (1, 2)] for row in expected.tolist()]


def _has_sacremoses():
    try:
        import sacremoses  # noqa: F401
    except ImportError:
        return False
    return True


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


def changed(**changes):
    def damage(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return damage


DAMAGES = {
    "no-width": (changed(d_model=None), "width|shape"),
    "other-width": (changed(d_model=64), "shape"),
    "heads-by-name": (changed(encoder_attention_heads="four"), "heads"),
    "other-activation": (changed(activation_function="snake"), "snake"),
    "quantised": (changed(quantization_config={"bits": 4}), "quantised"),
    "more-layers": (changed(encoder_layers=3), "no weights named model.encoder.layers.2"),
    "fewer-layers": (changed(decoder_layers=1), "does not account for"),
    "no-tokenizer": (lambda folder: (folder / "source.spm").unlink(), "no tokenizer"),
    "cut-pieces": (lambda folder: (folder / "target.spm").write_bytes((folder / "target.spm").read_bytes()[:99]), "target.spm"),
    "no-pieces": (lambda folder: (folder / "source.spm").write_bytes(b""), "source.spm"),
    "odd-ids": (lambda folder: (folder / "vocab.json").write_text('{"</s>": "a"}'), "vocab.json"),
    "no-end": (lambda folder: (folder / "vocab.json").write_text('{"a": 0, "<unk>": 1, "<pad>": 2}'), "</s>"),
    "no-unknown": (lambda folder: (folder / "vocab.json").write_text('{"a": 0, "</s>": 1, "<pad>": 2}'), "<unk>"),
    "large-vocabulary": (lambda folder: (folder / "vocab.json").write_text(json.dumps({"</s>": 0, "<unk>": 1, "<pad>": 5000})), "5001 ids"),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES.keys())
def test_what_does_not_fit_is_named(damage, words, tmp_path):
    theirs("marian", {}).save_pretrained(tmp_path)
    trained(tmp_path, "en", EN, "unigram").rename(tmp_path / "source.spm")
    trained(tmp_path, "zh", ZH, "unigram").rename(tmp_path / "target.spm")
    names = ["</s>", "<unk>", ">>cmn<<", "<pad>", *ours.read(tmp_path / "source.spm").names[3:]]
    (tmp_path / "vocab.json").write_text(json.dumps({name: place for place, name in enumerate(names)}))
    pretrained.load(tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError, match=words):
        pretrained.load(tmp_path)
