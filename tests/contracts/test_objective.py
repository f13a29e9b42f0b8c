"""One contract for every objective: what a batch is made of, what its loss is, and that neither depends on who computes it."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import tiny
import torch

from zhixing.errors import ArtifactError, SettingError
from zhixing.files import new_folder
from zhixing.models import LlamaSettings, MarianSettings, ModernBertSettings, build
from zhixing.nn.losses import IGNORE
from zhixing.objectives import (
    CausalSettings,
    DenoiseSettings,
    InfillSettings,
    MaskedSettings,
    Seq2Seq,
    Seq2SeqSettings,
    make,
    with_marks,
)
from zhixing.objectives.seq2seq import Ends
from zhixing.pairs import Pairs
from zhixing.store import Store, StoreWriter
from zhixing.tokenizer.tokenizer import HOLES, MASKS, sentinel
from zhixing.train import loop
from zhixing.train.loop import State, TrainSettings
from zhixing.train.optim import Optimizer, OptimSettings

CPU = torch.device("cpu")
SETTINGS = {
    "causal": CausalSettings(context=32),
    "causal-documents": CausalSettings(context=32, document_mask=True),
    "infill": InfillSettings(context=32),
    "infill-documents": InfillSettings(context=32, document_mask=True, rate=1.0),
    "masked": MaskedSettings(context=32),
    "masked-tokens": MaskedSettings(context=32, whole_words=False, ratio=0.3, document_mask=False),
    "spans": DenoiseSettings(context=32),
    "text": DenoiseSettings(context=32, noise="text", ratio=0.3),
    "seq2seq": Seq2SeqSettings(context=24, smoothing=0.1),
    "seq2seq-rdrop": Seq2SeqSettings(context=24, smoothing=0.1, rdrop=2.0),
}
MODELS = {
    "decoder": LlamaSettings(layers=1, width=16, heads=2),
    "encoder": ModernBertSettings(layers=2, width=16, heads=2),
    "encoder-decoder": MarianSettings(encoder_layers=1, decoder_layers=1, width=16, heads=2),
}
every = pytest.mark.parametrize("name", SETTINGS)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    place = tmp_path_factory.mktemp("objectives") / "data"
    with new_folder(place, "data", extra={"fingerprint": "f" * 64}) as folder:
        with StoreWriter(folder, "train", tiny.tokenizer().vocabulary) as writer:
            for number in range(40):
                text = f"{tiny.SENTENCES[number % 4]} {number * 37 % 101}"
                writer.add([*tiny.tokenizer().encode(text), tiny.tokenizer().end], len(text.encode()), len(text))
    return Store(place, "train")


def tokenizer(name):
    return with_marks(SETTINGS[name], tiny.tokenizer())


def objective(name, store, seed=1):
    if name.startswith("seq2seq"):
        rows = [store.document(i)[:-1].tolist() for i in range(store.documents)]
        pairs = Pairs.of([(row[: 5 + i % 9], row[2 : 8 + i % 11]) for i, row in enumerate(rows)])
        mark, pad = tiny.tokenizer().end, tiny.tokenizer().pad
        return Seq2Seq(pairs, SETTINGS[name], seed, Ends(mark, mark, mark, pad, pad))
    return make(SETTINGS[name], store, seed, tokenizer(name))


def model(name, scale=0.3):
    return tiny.model(MODELS[SETTINGS[name].shape], tokenizer(name).vocabulary, scale=scale, shape=SETTINGS[name].shape)


@every
def test_same_seed_same_batch(name, store):
    one, two, other = objective(name, store), objective(name, store), objective(name, store, seed=2)
    for step in (0, 3, 50, 3):
        first, second = one.batch(step, 4), two.batch(step, 4)
        assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(one.batch(0, 4)[key], other.batch(0, 4)[key]) for key in first if key != "mask") or name.startswith(
        "seq2seq"
    )
    assert not torch.equal(one.batch(0, 4)["ids"], one.batch(1, 4)["ids"])


@every
def test_the_batch_does_not_depend_on_the_number_of_processes(name, store):
    task = objective(name, store)
    whole = task.batch(5, 6)
    for world in (2, 3):
        parts = [task.batch(5, 6, rank, world) for rank in range(world)]
        assert sum(task.targets(part) for part in parts) == task.targets(whole)
        assert sum(task.tokens(part) for part in parts) == task.tokens(whole)
        rows = sorted(tuple(row[row != IGNORE].tolist()) for part in parts for row in part["targets"])
        assert rows == sorted(tuple(row[row != IGNORE].tolist()) for row in whole["targets"])


@every
def test_a_model_that_knows_nothing_loses_log_v(name, store):
    task = objective(name, store)
    fresh = model(name)
    with torch.no_grad():
        for part in fresh.head.parameters():
            part.zero_()
        if fresh.head.tied:
            fresh.head.matrix.zero_()
    batch = task.batch(0, 4)
    mean = task.loss(fresh, batch).item() / task.targets(batch)
    assert mean == pytest.approx(math.log(fresh.head.matrix.shape[0]), rel=1e-5)
    means = task.sums(fresh, batch)
    assert means["loss"].item() / task.targets(batch) == pytest.approx(mean, rel=1e-5)


@every
def test_ignored_places_have_no_gradient(name, store):
    """Only states with a target reach the loss, and changing what is ignored changes nothing."""
    task, one = objective(name, store), model(name)
    batch = task.batch(0, 4)
    batch["targets"] = batch["targets"].clone()
    batch["targets"][:, 1::2] = IGNORE
    seen = []

    def keep(module, inputs, output):
        states = output[0] if isinstance(output, tuple) else output
        states.retain_grad()
        seen.append(states)

    role = one.encoder if SETTINGS[name].shape == "encoder" else one.decoder
    role.register_forward_hook(keep)
    task.loss(one, batch).backward()
    ignored = batch["targets"] == IGNORE
    assert seen[0].grad[ignored].abs().max() == 0
    assert seen[0].grad[~ignored].abs().amax(-1).min() > 0


@every
@pytest.mark.parametrize("accumulate", [2, 3])
def test_accumulated_is_the_big_batch(name, store, accumulate):
    gradients, losses = [], []
    task = objective(name, store)
    for pieces in (1, accumulate):
        one = model(name)
        state = State.new(one, Optimizer(one, OptimSettings()), averages=False)
        batch = task.batch(0, 6)
        settings = TrainSettings(batch=6, accumulate=pieces, precision="fp32", compile=False)
        losses.append(loop._gradients(state, task, batch, task.targets(batch), settings, CPU, torch.float32))
        gradients.append(torch.cat([p.grad.flatten() for p in one.parameters() if p.grad is not None]))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-5)


@every
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_is_learnt(name, store, precision):
    from zhixing.train.loop import train
    from zhixing.train.schedule import ScheduleSettings

    torch.manual_seed(1)
    one = build(MODELS[SETTINGS[name].shape], tokenizer(name).vocabulary, SETTINGS[name].shape)
    state = State.new(one, Optimizer(one, OptimSettings(learning_rate=0.02, table_rate=0.02, vector_rate=0.02)), averages=False)
    settings = TrainSettings(steps=25, batch=8, precision=precision, compile=False)
    steps = list(train(state, objective(name, store), settings, ScheduleSettings(warmup=2), CPU))
    assert steps[-1].loss < steps[0].loss - 0.3


def test_hidden_tokens_follow_their_statistics(tmp_path):
    """80 / 10 / 10 of `ratio`, evenly over places and over tokens: chi-square on a million positions."""
    marked = tiny.tokenizer().with_marks([MASKS[0]])
    draw = np.random.default_rng(0)
    with new_folder(tmp_path / "data", "data", extra={"fingerprint": "f" * 64}) as folder:
        with StoreWriter(folder, "train", marked.vocabulary) as writer:
            for _ in range(1000):
                writer.add([*draw.integers(5, 300, 49), marked.end], 100, 100)
    task = make(MaskedSettings(context=100, whole_words=False), Store(tmp_path / "data", "train"), 7, marked)
    # 10,000 windows of 100 tokens
    batch = task.batch(0, 10_000)
    ids = np.stack([task.window(task.samples.start(number))[0] for number in range(10_000)])
    seen, targets = batch["ids"].numpy(), batch["targets"].numpy()
    text = ids != marked.end
    hidden = targets != IGNORE
    assert not hidden[~text].any()
    assert (seen[~hidden & text] == ids[~hidden & text]).all()
    assert (targets[hidden] == ids[hidden]).all()
    count = int(text.sum())
    masked = int((seen[hidden] == task.hiding.mask).sum())
    kept = int((seen[hidden] == ids[hidden]).sum())
    texts = len(task.hiding.texts)
    observed = [count - int(hidden.sum()), masked, kept, int(hidden.sum()) - masked - kept]
    share = np.array([0.85, 0.15 * 0.8, 0.15 * (0.1 + 0.1 / texts), 0.15 * 0.1 * (1 - 1 / texts)])
    assert scipy.stats.chisquare(observed, count * share).pvalue > 0.001
    by_place = hidden.sum(0)
    assert scipy.stats.chisquare(by_place, text.sum(0) * hidden.sum() / count).pvalue > 0.001
    strange = hidden & (seen != ids) & (seen != task.hiding.mask)
    by_token = np.bincount(seen[strange], minlength=marked.vocabulary)[task.hiding.texts]
    assert scipy.stats.chisquare(by_token).pvalue > 0.001


def test_whole_words_are_hidden(store):
    task = objective("masked", store)
    broken = hidden_words = 0
    for step in range(20):
        batch = task.batch(step, 8)
        for row, number in enumerate(task.samples.numbers(step, 8)):
            _, begins, _ = task.window(task.samples.start(number))
            words = np.split(batch["targets"][row].numpy() != IGNORE, np.flatnonzero(begins[1:]) + 1)
            broken += sum(0 < word.sum() < len(word) for word in words)
            hidden_words += sum(word.all() for word in words)
    assert broken == 0
    assert hidden_words > 100


def test_cut_out_spans_follow_their_statistics(store):
    """The numbers of spans and of hidden tokens are exact; lengths are those of an evenly drawn composition."""
    settings = DenoiseSettings(context=64, ratio=0.2)
    marked = with_marks(settings, tiny.tokenizer())
    task = make(settings, store, 3, marked)
    hidden, spans = settings.counts
    assert (hidden, spans) == (13, 4)
    marks = [marked.need(sentinel(n)) for n in range(spans + 1)]
    lengths, places = np.zeros(hidden, dtype=int), np.zeros(64, dtype=int)
    for step in range(20):
        batch = task.batch(step, 100)
        windows, _ = task.samples.batch(step, 100)
        assert batch["source"].shape == (100, 64 - hidden + spans)
        assert batch["targets"].shape == (100, hidden + spans + 1)
        assert batch["mask"].all()
        for window, source, target in zip(windows, batch["source"].tolist(), batch["targets"].tolist(), strict=True):
            between = [target.index(mark) for mark in marks]
            inside = [target[a + 1 : b] for a, b in itertools.pairwise(between)]
            whole = [x for token in source for x in (inside[marks.index(token)] if token in marks[:-1] else [token])]
            assert whole == window[:-1].tolist()
            for n, piece in enumerate(inside):
                lengths[len(piece)] += 1
                at = sum(len(inside[marks.index(t)]) if t in marks else 1 for t in source[: source.index(marks[n])])
                places[at : at + len(piece)] += 1
    longest = hidden - spans + 1
    law = [math.comb(hidden - k - 1, spans - 2) / math.comb(hidden - 1, spans - 1) for k in range(1, longest + 1)]
    assert lengths[0] == lengths[longest + 1 :].sum() == 0
    assert scipy.stats.chisquare(lengths[1 : longest + 1], np.array(law) * 2000 * spans).pvalue > 0.001
    assert (abs(places - 2000 * 0.2) < 0.15 * 2000).all()


def test_a_spoilt_text_keeps_its_tokens(store):
    settings = DenoiseSettings(context=64, ratio=0.3, noise="text")
    marked = with_marks(settings, tiny.tokenizer())
    task = make(settings, store, 3, marked)
    mask, moved = marked.need(MASKS), 0
    for step in range(20):
        batch = task.batch(step, 8)
        assert (batch["targets"][:, :-1] == batch["ids"][:, 1:]).all()
        for row in range(8):
            source = batch["source"][row][batch["mask"][row]].tolist()
            left = [t for t in source if t != mask]
            target = batch["targets"][row].tolist()
            assert len(left) == 64 - 19
            assert all(left.count(t) <= target.count(t) for t in left)
            moved += left != [t for t in target if t in left][: len(left)]
    assert moved > 50


def test_moved_middles_can_be_put_back(store):
    """Reading the marks restores every window, as far as it fits; the orders come as often as they should."""
    settings = InfillSettings(context=300, rate=0.7, spm=0.25)
    marked = with_marks(settings, tiny.tokenizer())
    task = make(settings, store, 5, marked)
    prefix, suffix, middle = (marked.need(names) for names in HOLES)
    orders = {"psm": 0, "spm": 0, "as it was": 0}
    for step in range(40):
        windows, _ = task.samples.batch(step, 4)
        batch = task.batch(step, 4)
        for window, row in zip(windows, torch.cat([batch["ids"], batch["targets"][:, -1:]], dim=1).tolist(), strict=True):
            documents, original = _split(row, marked.end), _split(window.tolist(), marked.end)
            for made, text in zip(documents[:-1], original, strict=False):
                if made[:2] == [prefix, suffix]:
                    after, rest = made[2 : made.index(middle)], made[made.index(middle) + 1 : -1]
                    assert [*rest, *after] == text[:-1]
                    orders["spm"] += 1
                elif made[0] == prefix:
                    before, after = made[1 : made.index(suffix)], made[made.index(suffix) + 1 : made.index(middle)]
                    inside = made[made.index(middle) + 1 : -1]
                    assert [*before, *inside, *after] == text[:-1]
                    orders["psm"] += 1
                else:
                    assert made == text
                    orders["as it was"] += len(text) > 4
    total = sum(orders.values())
    # an empty prefix in PSM reads like SPM: about one in the length of a text
    assert scipy.stats.binomtest(orders["as it was"], total, 0.3).pvalue > 0.001
    assert 0.2 < orders["spm"] / (orders["spm"] + orders["psm"]) < 0.36


def _split(row, end):
    pieces, piece = [], []
    for token in row:
        piece.append(token)
        if token == end:
            pieces.append(piece)
            piece = []
    return [*pieces, piece]


def test_an_objective_that_does_not_fit_is_said(store):
    with pytest.raises(SettingError, match="learns from pairs"):
        make(SETTINGS["seq2seq"], store, 1, tiny.tokenizer())
    for name in ("masked", "spans", "text", "infill"):
        with pytest.raises(ArtifactError, match=r"has no mark <\|"):
            make(SETTINGS[name], store, 1, tiny.tokenizer())


def test_documents_stand_between_marks(store, tmp_path):
    """As `frame` sets them around a text; each document is a segment of its own, and words are those of the whole text."""
    own = tiny.tokenizer("wordpiece", None)
    texts = ["Knowing is the beginning of doing.", "知是行之始，行是知之成。", "dogs"]
    with new_folder(tmp_path / "data", "data", extra={"fingerprint": "f" * 64}) as folder:
        with StoreWriter(folder, "train", own.vocabulary) as writer:
            for text in texts:
                writer.add([*own.encode(text), own.end], len(text.encode()), len(text))
    task = make(MaskedSettings(context=18), Store(tmp_path / "data", "train"), 1, own)
    ids, _, segments = task.window(0)
    framed = [[own.cls, *own.encode(text), own.end] for text in texts]
    flat = [token for row in framed for token in row]
    assert ids.tolist() == flat[:18]
    assert segments.tolist() == [n for n, row in enumerate(framed, start=1) for _ in row][:18]
    inside, _, segments = task.window(3)
    assert inside.tolist() == flat[4:22]
    assert segments[0] == 0 and segments.max() == 2 - (len(framed[0]) + len(framed[1]) > 22)
