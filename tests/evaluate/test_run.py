"""Evaluation against a slow obvious loop: one forward pass a token."""

from pathlib import Path

import pytest
import tiny
import torch

from zhixing.checkpoint import Loaded
from zhixing.evaluate.run import score, windows
from zhixing.models import LlamaSettings, RNNSettings

TEXTS = ["知是行之始，行是知之成。", "The quick brown fox jumps over the lazy dog; " * 4, "a", *tiny.SENTENCES[:3]]


def loaded(settings):
    tokenizer = tiny.tokenizer()
    return Loaded(tiny.model(settings, tokenizer.vocabulary), tokenizer, 16, "tiny", "", Path("tiny"), None, torch.device("cpu"))


@pytest.mark.parametrize("settings", [LlamaSettings(layers=2, width=32, heads=2), RNNSettings(layers=1, width=32)], ids=["llama", "lstm"])
@pytest.mark.parametrize(("window", "stride"), [(16, 8), (16, 16), (16, 1), (1000, 500)])
def test_equals_one_pass_a_token(settings, window, stride):
    system = loaded(settings)
    rows = score(system, TEXTS, window, stride).rows
    for text, row in zip(TEXTS, rows, strict=True):
        ids = [system.tokenizer.end, *system.tokenizer.encode(text), system.tokenizer.end]
        nats = 0.0
        for place in range(1, len(ids)):
            # the window that predicts this place: the first one reaches to `window`, each later one `stride` further
            stop = window if place <= window else window + -(-(place - window) // stride) * stride
            begin = max(0, min(stop, len(ids) - 1) - window)
            with torch.no_grad():
                states, _ = system.model(torch.tensor([ids[begin:place]]))
                nats -= system.model.head(states)[0, -1].log_softmax(0)[ids[place]].item()
        assert row[0] == pytest.approx(nats, rel=1e-4)
        assert row[1:].tolist() == [len(ids) - 1, len(text.encode()), len(text)]


def test_every_token_is_predicted_once_with_enough_before_it():
    for length in (2, 16, 17, 18, 40, 41):
        for stride in (1, 5, 8, 16):
            cut = list(windows(0, list(range(length)), 16, stride))
            predicted = [t for w in cut for t in w.ids[len(w.ids) - w.new :]]
            assert predicted == list(range(1, length))
            assert all(len(w.ids) - 1 <= 16 for w in cut)
            assert all(len(w.ids) - 1 - w.new >= 16 - stride for w in cut[1:])


def test_unknown_tokens_are_counted():
    tokenizer = tiny.tokenizer("wordpiece", None)
    system = Loaded(
        tiny.model(LlamaSettings(layers=1, width=32, heads=2), tokenizer.vocabulary),
        tokenizer,
        16,
        "t",
        "",
        Path("t"),
        None,
        torch.device("cpu"),
    )
    assert score(system, ["The 龘 fox"], 16, 8).unknown == 1
