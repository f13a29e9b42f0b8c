import pytest

from zhixing.config import resolve
from zhixing.errors import UserError
from zhixing.models.llama import LlamaSettings


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"width": 30, "heads": 4}, "does not divide into 4 heads"),
        ({"width": 36, "heads": 4}, "heads of even width"),
        ({"heads": 4, "width": 64, "kv_heads": 3}, "kv_heads 3 is not a divisor of heads 4"),
        ({"attention_bias": True}, "exclude each other"),
        ({"layers": 0}, "layers"),
        ({"dropout": 1.0}, "dropout"),
        ({"layer": 3}, "did you mean layers"),
    ],
)
def test_settings_that_cannot_be_are_refused(chosen, words):
    with pytest.raises(UserError, match=words):
        resolve(LlamaSettings, chosen)


def test_defaults_are_worked_out():
    assert LlamaSettings(width=384, heads=6).shape == (6, 64, 1024)
    assert LlamaSettings(width=128, heads=4, kv_heads=2, head_width=64, hidden=7).shape == (2, 64, 7)
