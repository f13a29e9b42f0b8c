import pytest
import torch

from zhixing.config import resolve
from zhixing.errors import SettingError, UserError
from zhixing.models import BertSettings, GPT2Settings, LlamaSettings, ModernBertSettings, build, longest


@pytest.mark.parametrize(
    ("settings", "chosen", "words"),
    [
        (BertSettings, {"width": 30, "heads": 4}, "does not divide into 4 heads"),
        (BertSettings, {"activation": "mish"}, "activation"),
        (GPT2Settings, {"width": 30, "heads": 4}, "does not divide into 4 heads"),
        (GPT2Settings, {"position": 4}, "did you mean positions"),
        (ModernBertSettings, {"width": 36, "heads": 4}, "heads of even width"),
        (ModernBertSettings, {"global_every": 0}, "global_every"),
        (LlamaSettings, {"full_layers": 2}, "has no meaning without a window"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, chosen, words):
    with pytest.raises(UserError, match=words):
        resolve(settings, chosen)


def test_an_encoder_is_no_decoder():
    with pytest.raises(SettingError, match=r"= bert cannot be a model of shape decoder; these can: llama, gpt2"):
        build(BertSettings(), 20)


@pytest.mark.parametrize(
    "settings", [BertSettings(layers=1, width=8, heads=1, positions=6), GPT2Settings(layers=1, width=8, heads=1, positions=6)]
)
def test_learned_positions_end_somewhere(settings):
    shape = "encoder" if settings.kind == "bert" else "decoder"
    model, ids = build(settings, 20, shape), torch.arange(7)[None]
    assert longest(settings) == 6
    with pytest.raises(ValueError, match="a text of 7 tokens is longer than the model's 6 positions"):
        model(ids)
    model(ids, segments=torch.tensor([[0, 0, 0, 0, 1, 1, 1]]))  # a row may be longer than its texts
    if shape == "decoder":
        state = model.start(2)
        model(ids[:, :4].expand(2, 4), state, lengths=torch.tensor([4, 1]))
        model(ids[:, :4].expand(2, 4), state, lengths=torch.tensor([2, 4]))  # padding may lie past the end, tokens not
        with pytest.raises(ValueError, match="a text of 7 tokens"):
            model(ids[:, :1].expand(2, 1), state)


def test_others_have_no_end():
    assert longest(LlamaSettings()) is None
    assert longest(ModernBertSettings()) is None
