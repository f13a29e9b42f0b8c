"""Constrained search: each hypothesis has what it must have, its score is the model's, and batch mates change nothing."""

import itertools
import random

import pytest
import torch
from pairs import END, FIRST, PAD, VOCABULARY, sentences, translator

from zhixing.decode.beam import BeamSearch, BeamSettings
from zhixing.decode.constrained import ConstrainedSearch, Phrase
from zhixing.models import CNNSettings, MarianSettings, RNNSettings, build

LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789 "
SPELLED = [b"\n"] * FIRST + [LETTERS[n : n + 1] for n in range(VOCABULARY - FIRST)]
SPACE = VOCABULARY - 1


def phrase(text: str, apart: bool = False) -> Phrase:
    way = tuple(FIRST + LETTERS.index(letter) for letter in text.encode())
    return Phrase(text.encode(), (way, (SPACE, *way)), apart)


def search(settings: BeamSettings, model=None) -> ConstrainedSearch:
    return ConstrainedSearch(model or translator(), settings, begin=PAD, end=END, pad=PAD, spelled=SPELLED)


def written(tokens: list[int]) -> str:
    return b"".join(SPELLED[token] for token in tokens).decode()


@torch.no_grad()
def score(source: list[int], tokens: list[int], model=None, *, ended: bool = True) -> float:
    model = model or translator()
    logs = model.head(model(torch.tensor([source]), torch.tensor([[PAD, *tokens]]))).log_softmax(-1)[0]
    return sum(float(logs[place, token]) for place, token in enumerate([*tokens, END] if ended else tokens))


def wishes(count: int) -> list[list[Phrase]]:
    """None to four phrases for each sentence, some twice, some of them parts of others."""
    draw, found = random.Random(0), []
    for _ in range(count):
        texts = ["".join(draw.choices("abcdefgh", k=draw.randrange(1, 6))) for _ in range(draw.randrange(3))]
        if draw.random() < 0.3:
            texts += ["2", "2024"]
        found.append([phrase(text, apart=text.isdigit()) for text in texts])
    return found


@pytest.mark.parametrize("settings", [BeamSettings(beams=1, stop="first", banned=(PAD,)), BeamSettings(beams=4, best=4, no_repeat=4)])
def test_every_hypothesis_has_all_phrases_and_its_own_score(settings):
    sources, phrases = sentences(8, seed=8), wishes(8)
    for source, wanted, found in zip(sources, phrases, search(settings)(sources, phrases, [12] * 8), strict=True):
        assert found
        for hypothesis in found:
            text = written(hypothesis.tokens)
            for one in wanted:
                assert one.text.decode() in text
            if any(one.text == b"2024" for one in wanted):  # and "2" not as a part of it
                assert "2" in "".join(c if c.isdigit() else " " for c in text.replace("2024", " ")).split()
            length = min(len(hypothesis.tokens) + 1, 12 + sum(len(one.text) for one in wanted) + 1)  # rambling makes no better
            if hypothesis.ended:
                assert hypothesis.score == pytest.approx(score(source, hypothesis.tokens) / length, abs=1e-4)
            assert len(hypothesis.tokens) <= 12 * 1.5 + 8 + sum(len(one.text) + 1 for one in wanted)


def test_batch_mates_change_nothing():
    sources, phrases, settings = sentences(12, seed=9), wishes(12), BeamSettings(beams=4, best=2)
    lengths = [3 + n for n in range(12)]
    together = search(settings)(sources, phrases, lengths)
    for batch in (1, 5):
        assert search(settings.model_copy(update={"batch": batch}))(sources, phrases, lengths) == together
    order = random.Random(0).sample(range(12), 12)
    shuffled = search(settings)([sources[n] for n in order], [phrases[n] for n in order], [lengths[n] for n in order])
    assert shuffled == [together[n] for n in order]


def test_it_finds_what_looking_at_everything_finds():
    torch.manual_seed(3)
    letters = 3 + FIRST
    model = build(MarianSettings(encoder_layers=1, decoder_layers=1, width=16, heads=2, hidden=16), letters, "encoder-decoder").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    spelled = [b"\n"] * FIRST + [b"a", b"b", b"c"]
    settings = BeamSettings(beams=64, tokens=5, banned=(PAD, 2), norm="reward", length_penalty=0.0)
    wanted = [Phrase(b"ab", ((3, 4),)), Phrase(b"c", ((5,),))]
    for source in ([3, 4, 5, END], [5, 5, END], [4, END]):
        everything = [text for size in range(6) for text in itertools.product((3, 4, 5), repeat=size)]
        fitting = [text for text in everything if 5 in text and (3, 4) in itertools.pairwise(text)]
        best = max(fitting, key=lambda text: score(source, list(text), model, ended=len(text) < 5))
        found = ConstrainedSearch(model, settings, begin=PAD, end=END, pad=PAD, spelled=spelled)([source], [wanted], [5])[0][0]
        assert found.tokens == list(best)
        assert found.score == pytest.approx(score(source, list(best), model, ended=len(best) < 5), abs=1e-4)


def test_without_phrases_it_is_beam_search_and_with_those_that_come_by_themselves_nearly():
    sources = sentences(24, seed=10)
    plain = BeamSearch(translator(), BeamSettings(beams=4, tokens=30), begin=PAD, end=END, pad=PAD)(sources)
    phrases = [
        [phrase(written(found[0].tokens[1:3]))] if place % 2 and len(found[0].tokens) > 2 else [] for place, found in enumerate(plain)
    ]
    for place, (a, b) in enumerate(zip(plain, search(BeamSettings(beams=4))(sources, phrases, [30] * 24), strict=True)):
        assert b[0].score > a[0].score - 0.5
        assert phrases[place] or b[0].tokens == a[0].tokens


@pytest.mark.parametrize(
    "kind", [RNNSettings(layers=1, width=16), CNNSettings(layers=1, width=16, windows=(3,))], ids=lambda kind: kind.kind
)
def test_any_architecture_with_weights_at_random(kind):
    torch.manual_seed(0)
    model = build(kind, VOCABULARY, "encoder-decoder").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    sources, phrases = sentences(8, seed=11), [[phrase("zebra"), phrase("42", apart=True), phrase("42", apart=True)]] * 8
    for found in search(BeamSettings(beams=2, best=2), model)(sources, phrases, [5] * 8):  # too short a limit is raised
        for hypothesis in found:
            text = written(hypothesis.tokens)
            assert "zebra" in text
            assert text.count("42") >= 2
