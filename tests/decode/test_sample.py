import pytest
import torch
from tiny import model

from zhixing.decode.sample import Sampler, SampleSettings, draw, penalise
from zhixing.errors import ZhixingError
from zhixing.models import LlamaSettings, RNNSettings

VOCABULARY, END = 40, 0
DECODERS = {
    "llama": LlamaSettings(layers=2, width=32, heads=4, kv_heads=2),
    "lstm": RNNSettings(layers=2, width=32),
}
every = pytest.mark.parametrize("settings", DECODERS.values(), ids=DECODERS.keys())
PROMPTS = [[3, 1, 4, 1, 5], [9], [2, 6, 5, 3, 5, 8, 9, 7]]


def run(made, prompts, end=END, context=64, **chosen):
    texts = [[] for _ in prompts]
    for step in Sampler(made, prompts, SampleSettings(**chosen), context=context, end=end):
        for row, token in step:
            texts[row].append(token)
    return texts


@every
@torch.no_grad()
def test_greedy_equals_reading_everything_anew_for_each_token(settings):
    made = model(settings, VOCABULARY)
    expected = []
    for prompt in PROMPTS:
        text = list(prompt)
        for _ in range(12):
            text.append(int(made.head(made(torch.tensor([text]))[0][:, -1]).argmax()))
            if text[-1] == END:
                break
        expected.append(text[len(prompt) :])
    assert run(made, PROMPTS, tokens=12, greedy=True) == expected
    assert run(made, PROMPTS, tokens=12, temperature=0) == expected


@every
def test_a_row_is_the_same_whatever_its_companions(settings):
    made = model(settings, VOCABULARY, scale=0.1)
    together = run(made, PROMPTS * 2, tokens=15, seed=5)
    assert run(made, PROMPTS * 2, tokens=15, seed=5) == together
    assert run(made, PROMPTS, tokens=15, seed=5) == together[:3]
    assert run(made, PROMPTS[:1], tokens=15, seed=5) == together[:1]
    assert together[0] != together[3]  # rows of one prompt draw differently
    assert run(made, PROMPTS, tokens=15, seed=6) != together[:3]


@every
def test_rows_end_at_the_end_token_or_when_stopped(settings):
    made = model(settings, VOCABULARY)
    free = run(made, PROMPTS, end=-1, tokens=10, greedy=True)
    end = free[0][4]
    cut = run(made, PROMPTS, end=end, tokens=10, greedy=True)
    for with_end, without in zip(cut, free, strict=True):
        assert with_end == (without[: without.index(end) + 1] if end in without else without)
    sampler = Sampler(made, PROMPTS, SampleSettings(tokens=10, greedy=True), context=64, end=-1)
    seen = [[] for _ in PROMPTS]
    for number, step in enumerate(sampler):
        for row, token in step:
            seen[row].append(token)
        if number == 2:
            sampler.stop(1)
    assert [len(text) for text in seen] == [10, 3, 10]
    assert seen[2] == free[2]


@every
def test_goes_on_past_the_context_with_its_newest_half(settings):
    made = model(settings, VOCABULARY)
    long = run(made, [[1, 2, 3]], end=-1, context=8, tokens=30, greedy=True)[0]
    assert len(long) == 30
    text = [1, 2, 3, *long]
    for place in range(9, 30):
        read = text[:place][-4 - (place - 9) % 5 :]  # four read anew, then up to eight
        assert text[place] == int(made.head(made(torch.tensor([read]))[0][:, -1]).argmax())


def test_a_prompt_longer_than_the_context_keeps_its_newest_tokens():
    made = model(DECODERS["llama"], VOCABULARY)
    prompt = [*range(1, 30)]
    assert run(made, [prompt], context=8, tokens=1, greedy=True) == run(made, [prompt[-7:]], context=8, tokens=1, greedy=True)


def test_outputs_that_are_no_numbers_are_noticed():
    made = model(DECODERS["llama"], VOCABULARY)
    with torch.no_grad():
        made.decoder.trunk.norm.weight.fill_(float("nan"))
    with pytest.raises(ZhixingError, match="not a finite number"):
        run(made, PROMPTS)


def frequencies(logits, count=4000, **chosen):
    settings = SampleSettings(temperature=chosen.pop("temperature", 1.0), **chosen)
    points = [(i + 0.5) / count for i in range(count)]  # a fine grid instead of chance: the frequencies are exact
    drawn = torch.tensor(draw(logits.expand(count, -1), settings, points))
    return torch.bincount(drawn, minlength=logits.shape[-1]) / count


def test_draws_follow_the_distribution_after_each_filter():
    p = torch.tensor([0.05, 0.4, 0.15, 0.3, 0.1])
    logits = p.log()[None]

    def expect(chosen, kept, power=1.0):
        q = torch.where(torch.isin(torch.arange(5), torch.tensor(kept)), p**power, 0)
        torch.testing.assert_close(frequencies(logits, **chosen), q / q.sum(), atol=1e-3, rtol=0)

    expect({}, [0, 1, 2, 3, 4])
    expect({"temperature": 0.5}, [0, 1, 2, 3, 4], power=2.0)
    expect({"top_k": 2}, [1, 3])
    expect({"top_k": 99}, [0, 1, 2, 3, 4])
    expect({"top_p": 0.6}, [1, 3])
    expect({"top_p": 0.75}, [1, 3, 2])
    expect({"top_p": 1e-9}, [1])
    expect({"min_p": 0.3}, [1, 2, 3])
    expect({"min_p": 1.0}, [1])
    expect({"top_k": 3, "top_p": 0.8}, [1, 3])  # of the three: 0.47, 0.35, 0.18
    assert draw(logits, SampleSettings(temperature=1.0), [0.999999999999]) == [0]


def test_filters_and_penalty_agree_with_transformers():
    hf = pytest.importorskip("transformers.generation.logits_process")
    torch.manual_seed(0)
    logits, text = torch.randn(3, 50) * 3, torch.randint(50, (3, 12))
    torch.testing.assert_close(penalise(logits, text.tolist(), 1.3), hf.RepetitionPenaltyLogitsProcessor(1.3)(text, logits.clone()))
    for chosen, warper in (
        ({"top_k": 7}, hf.TopKLogitsWarper(7)),
        ({"top_p": 0.8}, hf.TopPLogitsWarper(0.8)),
        ({"min_p": 0.05}, hf.MinPLogitsWarper(0.05)),
    ):
        for row in range(3):
            expected = warper(text[row : row + 1], logits[row : row + 1].clone()).softmax(-1)[0]
            torch.testing.assert_close(frequencies(logits[row : row + 1], **chosen), expected, atol=1e-3, rtol=0)
