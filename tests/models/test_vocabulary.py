import pytest
import tiny
import torch

from zhixing.models import BertSettings, GPT2Settings, LlamaSettings, ModernBertSettings, RNNSettings
from zhixing.models.vocabulary import grow

SETTINGS = {
    "bert": (BertSettings(layers=1, width=16, heads=2), "encoder"),
    "bert-untied": (BertSettings(layers=1, width=16, heads=2, tied=False), "encoder"),
    "modernbert": (ModernBertSettings(layers=1, width=16, heads=2, head_bias=False), "encoder"),
    "gpt2": (GPT2Settings(layers=1, width=16, heads=2), "decoder"),
    "llama-untied": (LlamaSettings(layers=1, width=16, heads=2, tied=False), "decoder"),
    "lstm": (RNNSettings(layers=1, width=16), "decoder"),
}


@pytest.mark.parametrize(("settings", "shape"), SETTINGS.values(), ids=SETTINGS.keys())
@torch.no_grad()
def test_new_rows_are_the_mean_of_the_pieces_and_the_old_ones_stay(settings, shape):
    made = tiny.model(settings, 20, shape=shape)
    ids = torch.arange(9)[None]
    states = made(ids) if shape == "encoder" else made(ids)[0]
    before, table = made.head(states), made.head.matrix.clone()
    grow(made, 23, [[3, 5], [7], []])
    again = made(ids) if shape == "encoder" else made(ids)[0]
    assert torch.equal(again, states)
    after = made.head(again)
    torch.testing.assert_close(after[..., :20], before)
    torch.testing.assert_close(after[..., 20], (before[..., 3] + before[..., 5]) / 2)
    torch.testing.assert_close(after[..., 21], before[..., 7])
    torch.testing.assert_close(made.head.matrix[22], table.mean(dim=0))
    role = made.encoder if shape == "encoder" else made.decoder
    assert role.embedding(torch.tensor([22])).shape == (1, 16)
    assert role.embedding.num_embeddings == 23
    assert len(list(made.parameters())) == len(list(tiny.model(settings, 20, shape=shape).parameters()))  # a tied head is tied still


def test_what_does_not_fit():
    made = tiny.model(LlamaSettings(layers=1, width=16, heads=2), 20)
    with pytest.raises(ValueError, match="2 new rows for ids 20 to 20"):
        grow(made, 21, [[1], [2]])
    with pytest.raises(ValueError, match="made of ids below 20"):
        grow(made, 21, [[20]])


@torch.no_grad()
def test_new_words_for_a_bert():
    words = tiny.tokenizer("wordpiece", None)
    longer = words.extended(["自强不息", "the", "beginnings"])
    pieces = [words.encode(text) for text in ("自强不息", "beginnings")]
    assert longer.vocabulary == words.vocabulary + 2  # "the" is one token already
    assert longer.encode("君子以自强不息") == [*words.encode("君子以"), words.vocabulary]
    assert longer.encode("beginnings 2")[0] == words.vocabulary + 1
    assert longer.fingerprint != words.fingerprint
    made = tiny.model(BertSettings(layers=1, width=16, heads=2), words.vocabulary, shape="encoder")
    grow(made, longer.vocabulary, pieces)
    assert made.head(made(torch.tensor([longer.encode("君子以自强不息")]))).shape == (1, 4, longer.vocabulary)
