"""Draws follow the model's distribution, and batch mates change none of them."""

import random

import pytest
import torch
from pairs import END, PAD, VOCABULARY, sentences, translator
from scipy import stats

from zhixing.decode.beam import BeamSearch, BeamSettings
from zhixing.decode.draws import draws
from zhixing.decode.sample import SampleSettings

MARKS = {"begin": PAD, "end": END, "pad": PAD}


def test_batch_mates_change_nothing():
    sources, settings = sentences(150, seed=8, longest=14), SampleSettings(tokens=20, temperature=1.0, seed=3)
    by_64 = draws(translator(), sources, settings, count=3, **MARKS)
    assert len({tuple(h.tokens) for each in by_64 for h in each}) > 300
    for batch in (1, 7):
        assert draws(translator(), sources[:30], settings, count=3, batch=batch, **MARKS) == by_64[:30]
    order = random.Random(0).sample(range(150), 150)
    assert draws(translator(), [sources[place] for place in order], settings, count=3, **MARKS) == [by_64[place] for place in order]
    other = draws(translator(), sources[:30], settings.model_copy(update={"seed": 4}), count=3, **MARKS)
    assert other != by_64[:30]


def test_first_tokens_are_drawn_as_the_model_says():
    source = [5, 9, 7, END]
    made = draws(translator(), [source], SampleSettings(tokens=1, temperature=1.0), count=4000, **MARKS)[0]
    counts = torch.bincount(torch.tensor([END if h.ended else h.tokens[0] for h in made]), minlength=VOCABULARY)
    model = translator()
    with torch.no_grad():
        expected = model.head(model(torch.tensor([source]), torch.tensor([[PAD]])))[0, -1].softmax(-1).double() * 4000
    common = expected >= 5
    observed = [*counts[common].tolist(), int(counts[~common].sum())]
    wanted = [*expected[common].tolist(), float(expected[~common].sum())]
    scale = sum(observed) / sum(wanted)
    assert stats.chisquare(observed, [w * scale for w in wanted]).pvalue > 1e-4


def test_without_temperature_it_is_greedy_search():
    sources = sentences(40, seed=9)
    made = draws(translator(), sources, SampleSettings(tokens=24, greedy=True), banned=[PAD], **MARKS)
    found = BeamSearch(translator(), BeamSettings(beams=1, tokens=24, banned=(PAD,), length_penalty=0.0), **MARKS)(sources)
    assert [h[0].tokens for h in made] == [h[0].tokens for h in found]
    assert [h[0].score for h in made] == pytest.approx([h[0].score for h in found], abs=1e-4)


def test_knobs():
    sources = sentences(20, seed=9)
    one = draws(translator(), sources, SampleSettings(tokens=24, top_k=1), **MARKS)
    greedy = draws(translator(), sources, SampleSettings(tokens=24, greedy=True), **MARKS)
    assert [h[0].tokens for h in one] == [h[0].tokens for h in greedy]
    forced = draws(translator(), sources, SampleSettings(tokens=5, temperature=1.0), first=[9, 12], banned=[END], **MARKS)
    assert all(h[0].tokens[:2] == [9, 12] and len(h[0].tokens) == 5 and not h[0].ended for h in forced)
