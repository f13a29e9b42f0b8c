"""Beam search: a slow obvious version is the oracle, and batch mates change nothing."""

import itertools
import math
import random

import pytest
import torch
from pairs import END, FIRST, PAD, VOCABULARY, sentences, translation, translator

from zhixing.decode import groups as groups_module
from zhixing.decode.beam import BeamSearch, BeamSettings, greatest
from zhixing.decode.groups import grain, groups, room, steady
from zhixing.errors import InputError, SettingError, ZhixingError
from zhixing.models import CNNSettings, MarianSettings, RNNSettings, build


def search(settings: BeamSettings, constrain=None) -> BeamSearch:
    return BeamSearch(translator(), settings, begin=PAD, end=END, pad=PAD, constrain=constrain)


@torch.no_grad()
def slow(source: list[int], settings: BeamSettings, allowed=lambda text, token: True, model=None) -> list[tuple[float, list[int]]]:
    """One sentence, no cache, lists: every hypothesis is read anew at each step."""
    model, finished, beams, k = model or translator(), [], [(0.0, [])], settings.beams

    def norm(score: float, length: int) -> float:
        penalty = settings.length_penalty
        return {
            "power": score / length**penalty,
            "gnmt": score / ((5 + length) / 6) ** penalty,
            "reward": score + penalty * length,
        }[settings.norm]

    for length in range(1, settings.tokens + 1):
        ways = []
        for score, text in beams:
            logits = model.head(model(torch.tensor([source]), torch.tensor([[PAD, *text]])))[0, -1]
            for token, more in enumerate(logits.log_softmax(-1).tolist()):
                if token not in settings.banned and allowed(text, token):
                    ways.append((score + more, [*text, token]))
        ways.sort(key=lambda way: -way[0])
        last = length == settings.tokens
        for score, text in ways[:k]:
            if text[-1] == END or last:
                finished.append((norm(score, length), text[:-1] if text[-1] == END else text))
        finished = sorted(finished, key=lambda way: -way[0])[:k]
        beams = [way for way in ways[: 2 * k] if way[1][-1] != END][:k]
        far = settings.tokens if settings.stop == "never" and settings.length_penalty > 0 else length
        if last or (len(finished) == k and (settings.stop == "first" or norm(beams[0][0], far) <= finished[-1][0])):
            return finished[: settings.best]
    raise AssertionError


@pytest.mark.parametrize(
    "settings",
    [
        BeamSettings(beams=1),
        BeamSettings(beams=4, best=4),
        BeamSettings(beams=4, best=2, length_penalty=0.3, stop="first"),
        BeamSettings(beams=3, best=3, length_penalty=0.0, stop="never"),
        BeamSettings(beams=3, best=3, length_penalty=1.5, stop="never", tokens=12),
        BeamSettings(beams=5, best=5, norm="gnmt", length_penalty=0.6, banned=(PAD, 7)),
        BeamSettings(beams=2, best=2, norm="reward", length_penalty=0.2),
        BeamSettings(beams=4, best=4, tokens=3),
    ],
    ids=lambda s: f"{s.beams}-{s.norm}-{s.length_penalty}-{s.stop}-{s.tokens}",
)
def test_equals_the_slow_search(settings):
    settings = settings.model_copy(update={"tokens": min(settings.tokens, 25)})
    sources = sentences(10, longest=10)
    for source, found in zip(sources, search(settings)(sources), strict=True):
        expected = slow(source, settings)
        assert [h.tokens for h in found] == [text for _, text in expected]
        assert [h.score for h in found] == pytest.approx([score for score, _ in expected], abs=1e-4)
        assert all(h.ended == (len(h.tokens) < settings.tokens) for h in found)


OTHERS = {
    "lstm": RNNSettings(cell="lstm", layers=1, width=32, attention="multiplicative"),
    "gru-additive": RNNSettings(cell="gru", layers=2, width=32, attention="additive"),
    "cnn": CNNSettings(layers=2, width=32, windows=(3,)),
    "marian-post": MarianSettings(encoder_layers=1, decoder_layers=2, width=32, heads=4),
}


@pytest.mark.parametrize("kind", OTHERS.values(), ids=OTHERS.keys())
def test_every_architecture_is_searched(kind):
    torch.manual_seed(0)
    model = build(kind, VOCABULARY, "encoder-decoder").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    settings = BeamSettings(beams=3, best=3, tokens=7, length_penalty=0.5)
    sources = sentences(40, seed=2, longest=12)
    found = BeamSearch(model, settings, begin=PAD, end=END, pad=PAD)(sources)
    for place in (0, 5, 11):
        expected = slow(sources[place], settings, model=model)
        assert [h.tokens for h in found[place]] == [text for _, text in expected]
        assert [h.score for h in found[place]] == pytest.approx([score for score, _ in expected], abs=1e-4)
    alone = BeamSearch(model, settings.model_copy(update={"batch": 1}), begin=PAD, end=END, pad=PAD)(sources[::-1])
    if not isinstance(kind, RNNSettings):  # whose encoder runs the tokens of all rows packed, in as many rows as there are
        assert alone[::-1] == found
    assert [h.score for each in alone[::-1] for h in each] == pytest.approx([h.score for each in found for h in each], abs=1e-4)


def test_the_translator_has_learnt_something_and_beams_matter():
    sources = sentences(200, seed=5)
    greedy, beam = (search(BeamSettings(beams=k, tokens=30))(sources) for k in (1, 4))
    assert sum(a[0].tokens != b[0].tokens for a, b in zip(greedy, beam, strict=True)) > 20
    assert sum(b[0].score > a[0].score + 1e-6 for a, b in zip(greedy, beam, strict=True)) > 20
    right = [len(set(found[0].tokens) & set(translation(source))) for source, found in zip(sources, beam, strict=True)]
    assert sum(right) > 0


@pytest.mark.parametrize(("beams", "count"), [(1, 200), (4, 1000), (5, 100)])
def test_batch_mates_change_nothing(beams, count):
    """Sentences by 64, by 7, by 1, shuffled: the same tokens and the same bits of every score."""
    sources = sentences(count, seed=3, longest=17)
    settings = BeamSettings(beams=beams, best=beams, tokens=20)
    by_64 = search(settings)(sources)
    for batch, some in ((7, sources[: count // 2]), (1, sources[: count // 10])):
        assert search(settings.model_copy(update={"batch": batch}))(some) == by_64[: len(some)]
    for place in (3, 77, count - 1):
        assert search(settings)([sources[place]]) == [by_64[place]]
    order = random.Random(0).sample(range(count), count)
    shuffled = search(settings)([sources[place] for place in order])
    assert shuffled == [by_64[place] for place in order]


def test_where_products_are_not_steady_batches_have_one_size(monkeypatch):
    sources = sentences(60, seed=4)
    expected = search(BeamSettings(tokens=20))(sources)
    fixed = search(BeamSettings(tokens=20))
    assert fixed.rows == steady(translator())
    fixed.rows = 0
    rows = []
    decode = fixed.model.decoder.forward
    monkeypatch.setattr(fixed.model.decoder, "forward", lambda ids, *rest, **more: (rows.append(len(ids)), decode(ids, *rest, **more))[1])
    found = fixed(sources)
    assert set(rows) == {16 * 4}
    assert [f[0].tokens for f in found] == [e[0].tokens for e in expected]


@pytest.mark.parametrize("least", [4, 8, 16, 0])
def test_a_grain_has_as_few_rows_as_products_allow(monkeypatch, least):
    linear = torch.nn.functional.linear

    def moody(x, matrix):
        """Sums in another order where rows are not a multiple of `least`; for 0, where there are more than 16."""
        out = linear(x.double(), matrix.double())
        return out + 1e-9 if (len(x) % least if least else len(x) > 16) else out

    model = torch.nn.Linear(40, 30)
    monkeypatch.setattr(torch.nn.functional, "linear", moody)
    groups_module._steady.cache_clear()
    assert steady(model) == least
    groups_module._steady.cache_clear()


@pytest.mark.parametrize(("beams", "rows", "sentences"), [(4, 4, 1), (5, 4, 4), (6, 4, 2), (1, 16, 16), (4, 16, 4), (16, 16, 2), (3, 8, 8)])
def test_a_grain_is_of_whole_sentences(beams, rows, sentences):
    assert grain(beams, rows) == sentences
    assert beams * sentences % rows == 0
    assert 8 * sentences % rows == 0


def test_groups_are_a_matter_of_each_sentence_alone():
    sources = sentences(300, longest=100)
    seen = []
    for group in groups(sources, 16, 4, PAD, torch.device("cpu")):
        assert len(group.sentences) <= 16
        assert len(group.source) % 4 == 0
        for row, place in enumerate(group.sentences):
            assert group.source.shape[1] == room(len(sources[place]))
            assert group.source[row][group.mask[row]].tolist() == sources[place]
            seen.append(place)
    assert sorted(seen) == list(range(300))
    assert [room(n) for n in (1, 8, 9, 64, 65, 128, 129, 256, 257)] == [8, 8, 16, 64, 80, 128, 160, 256, 320]


def test_long_sentences_come_in_smaller_batches():
    sizes = {g.source.shape for g in groups([[5] * 1000] * 20, 64, 4, PAD, torch.device("cpu"))}
    assert sizes == {(8, 1024), (4, 1024)}


def test_first_tokens_are_forced_and_cost_nothing():
    sources = sentences(20, seed=6)
    plain, forced = search(BeamSettings(tokens=20))(sources), search(BeamSettings(tokens=20, first=(9, 12)))(sources)
    assert all(f[0].tokens[:2] == [9, 12] for f in forced)
    assert [p[0].tokens for p in plain] != [f[0].tokens for f in forced]
    everything = search(BeamSettings(beams=1, tokens=2, first=(9, 12)))(sources)
    assert all(h[0].score == 0 for h in everything)


def test_the_end_can_be_forced_at_the_limit():
    sources = sentences(20, seed=6)
    for forced in (False, True):
        found = search(BeamSettings(tokens=3, force_end=forced))(sources)
        assert any(not h[0].ended for h in found) is not forced
        assert max(len(h[0].tokens) for h in found) == (2 if forced else 3)


def test_no_sequence_comes_twice():
    sources = [[5, 5, 5, 5, 5, 5, 9, 5, 5, 5, END]] * 3
    settings = BeamSettings(beams=3, tokens=20, no_repeat=2)

    def pairs(text):
        return list(itertools.pairwise(text))

    free = search(settings.model_copy(update={"no_repeat": 0}))(sources)[0][0].tokens
    assert len(set(pairs(free))) < len(pairs(free))
    found = search(settings)(sources)[0][0].tokens
    assert len(set(pairs(found))) == len(pairs(found))

    def allowed(text, token):
        return not text or (text[-1], token) not in pairs(text)

    assert found == slow(sources[0], settings, allowed)[0][1]


def test_a_constraint_sees_each_row_with_its_sentence():
    sources = sentences(30, seed=7)
    calls = []

    def constrain(scores, rows, tokens):
        calls.append(tokens.shape[1])
        assert scores.shape == (len(rows), VOCABULARY)
        assert len(tokens) == len(rows)
        wanted = FIRST + rows.clamp_min(0) % 7  # sentence n must begin with letter n % 7
        if tokens.shape[1] == 0:
            kept = torch.full_like(scores, float("-inf"))
            kept[torch.arange(len(rows)), wanted] = scores[torch.arange(len(rows)), wanted]
            return kept
        return scores

    found = search(BeamSettings(tokens=20), constrain)(sources)
    assert [h[0].tokens[0] for h in found] == [FIRST + n % 7 for n in range(30)]
    assert calls[0] == 0


def test_the_limit_follows_the_source():
    model = translator()
    sources = [[9, END], [9] * 30 + [END]]
    never_ends = BeamSettings(beams=1, ratio=1.0, banned=(END,))
    found = BeamSearch(model, never_ends, begin=PAD, end=END, pad=PAD)(sources)
    assert [len(h[0].tokens) for h in found] == [8 + 16, 32 + 16]


def test_nothing_to_do():
    assert search(BeamSettings())([]) == []


def test_greatest_equals_topk():
    generator = torch.Generator().manual_seed(0)
    for width in (5, 100, 640, 1000, 4097):
        x = torch.randn(7, width, generator=generator)
        values, places = greatest(x, 4)
        expected = x.topk(4)
        assert torch.equal(values, expected.values)
        assert torch.equal(places, expected.indices)
    x = torch.full((2, 1000), -math.inf)
    x[:, 7] = 1
    assert greatest(x, 4)[1][:, 0].tolist() == [7, 7]


def test_more_best_than_beams_and_damaged_weights_are_said():
    with pytest.raises(SettingError, match="best"):
        search(BeamSettings(beams=2, best=3))
    model = translator.__wrapped__(1)
    with torch.no_grad():
        model.head.bias.fill_(float("nan"))
    with pytest.raises(ZhixingError, match="finite"):
        BeamSearch(model, BeamSettings(), begin=PAD, end=END, pad=PAD)([[5, END]])
    with pytest.raises(InputError, match="sentence 2: is empty"):
        search(BeamSettings())([[5, END], []])
