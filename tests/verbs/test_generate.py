import pytest
import torch
from tiny import model, tokenizer

from zhixing import pretrained
from zhixing.errors import ArtifactError, InputError, SettingError
from zhixing.models import LlamaSettings
from zhixing.verbs.generate import generate

SETTINGS = LlamaSettings(layers=1, width=32, heads=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("lm")
    pretrained.save(place, model(SETTINGS, tokenizer().vocabulary), SETTINGS, tokenizer(), 32)
    return place


def texts(result):
    return [one.text for one in result.continuations]


def test_same_seed_same_text(folder):
    a = generate(folder, prompt=["Knowing", "知行"], samples=3, tokens=20, seed=3)
    assert len(a.continuations) == 6
    assert [one.prompt for one in a.continuations] == ["Knowing"] * 3 + ["知行"] * 3
    assert texts(a) == texts(generate(folder, prompt=["Knowing", "知行"], samples=3, tokens=20, seed=3))
    assert len(set(texts(a))) == 6
    drawn = generate(folder, prompt="Knowing", tokens=5)
    assert texts(generate(folder, prompt="Knowing", tokens=5, seed=drawn.seed)) == texts(drawn)


@torch.no_grad()
def test_greedy_equals_the_model(folder):
    made = pretrained.load(folder).model
    ids = tokenizer().encode("知行")
    new = []
    for _ in range(10):
        new.append(int(made.head(made(torch.tensor([ids + new]))[0][:, -1]).argmax()))
        if new[-1] == tokenizer().end:
            break
    [one] = generate(folder, prompt="知行", tokens=10, greedy=True).continuations
    assert one.prompt + one.text == tokenizer().decode(ids + new).replace("\ufffd", "")  # the end is a mark, not text
    assert one.tokens == len(new)


def test_what_is_streamed_is_what_is_returned(folder):
    shown = []
    result = generate(folder, prompt=["The fox", ""], samples=2, tokens=25, seed=1, stream=shown.append)
    assert "".join(shown) == "\n".join(result.lines()) + "\n"
    shown.clear()
    single = generate(folder, prompt="The fox", tokens=25, seed=1, stream=shown.append)
    assert "".join(shown) == "".join(single.lines()) + "\n"
    assert len(shown) > 3


def test_stop_strings_end_a_text_and_are_not_in_it(folder):
    [free] = generate(folder, prompt="The fox", tokens=30, seed=1).continuations
    stop = free.text[4:7]
    shown = []
    [one] = generate(folder, prompt="The fox", tokens=30, seed=1, stop=[stop], stream=shown.append).continuations
    assert one.finish == "stop"
    assert one.text == free.text[: free.text.index(stop)]
    assert "".join(shown) == "The fox" + one.text + "\n"
    assert one.tokens < free.tokens


def test_a_prompt_longer_than_the_context_is_said(folder, capsys):
    [one] = generate(folder, prompt="知行合一" * 30, tokens=3, seed=0).continuations
    assert one.tokens == 3
    assert "only the newest 31 fit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"tokens": 0}, "tokens"),
        ({"samples": 0}, "samples"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"min_p": -0.1}, "min_p"),
        ({"repetition_penalty": 0.0}, "repetition_penalty"),
        ({"seed": -1}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"device": "tpu"}, "device"),
    ],
)
def test_settings_out_of_range(folder, chosen, words):
    with pytest.raises(SettingError, match=words):
        generate(folder, prompt="a", **chosen)


def test_prompts_that_are_no_text(folder):
    with pytest.raises(InputError, match="UTF-8"):
        generate(folder, prompt="\udcff")
    with pytest.raises(InputError, match="should be text"):
        generate(folder, prompt=[3])


def test_no_model(tmp_path):
    with pytest.raises(ArtifactError):
        generate(tmp_path / "nothing")
