"""Windows: offsets by hand, in English and Chinese, with every kind of tokenizer; where answers lie; and what a batch holds."""

import numpy as np
import pytest
import tiny
import torch

from zhixing.models import BertSettings, build
from zhixing.objectives import cut
from zhixing.tasks.answer.objective import Answering, AnswerSettings, losses, outputs, reader
from zhixing.tasks.answer.windows import NOWHERE, Frame, exact, target, windows

ENGLISH = "Knowing is the  beginning of doing,\n and doing is knowing made real. É 1,234 dogs."
CHINESE = "知是行之始，行是知之成。\u3000学而时习之，不亦说乎？ABC 天行健😀，君子以自强不息。"
CPU = torch.device("cpu")


def made(text, kind="wordpiece", frame=None, question="What is it?"):
    found, problems = windows([(question, text)], tiny.tokenizer(kind, None), frame or Frame(400, 10, 40))
    assert not problems
    return found


def pieces(found, text):
    return [text[a:b] for spans in found.spans for a, b in spans if a < b]


@pytest.mark.parametrize("kind", ["bpe", "unigram", "wordpiece", "char", "word"])
@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_characters_of_tokens(kind, text):
    found = made(text, kind)
    spans = found.spans[0]
    there = spans[spans[:, 0] < spans[:, 1]]
    assert all(text[a:b] == text[a:b].strip() for a, b in there)
    covered = sorted({c for a, b in there for c in range(a, b)})
    assert {c for c in range(len(text)) if not text[c].isspace()} <= set(covered)
    assert (np.diff(there[:, 0]) >= 0).all()


def test_by_hand():
    text = "行是 知"
    found = made(text, "wordpiece")
    assert pieces(found, text) == ["行", "是", "知"]
    [spans] = found.spans
    first = int(np.flatnonzero(spans[:, 0] < spans[:, 1])[0])
    assert [tuple(s) for s in spans[first : first + 3]] == [(0, 1), (1, 2), (3, 4)]
    assert target(spans, (1, 4)) == (first + 1, first + 2)
    assert target(spans, None) == (NOWHERE, NOWHERE)
    assert target(spans, (1, 9)) == (NOWHERE, NOWHERE)  # not wholly there


@pytest.mark.parametrize("kind", ["bpe", "unigram", "wordpiece", "char", "word"])
@pytest.mark.parametrize(
    ("text", "answer"), [(ENGLISH, "beginning of doing"), (ENGLISH, "1,234 dogs"), (CHINESE, "不亦说乎"), (CHINESE, "君子")]
)
def test_an_answer_becomes_tokens_and_again_the_answer(kind, text, answer):
    start = text.index(answer)
    span = (start, start + len(answer))
    [spans] = made(text, kind).spans
    first, last = target(spans, span)
    said = text[spans[first, 0] : spans[last, 1]]
    assert answer in said
    assert exact(spans, (first, last), span) == (said == answer)
    if kind in ("wordpiece", "char"):  # these cut between any two Chinese characters, and at spaces
        assert said == answer


def test_long_texts_take_several_windows_and_every_short_answer_is_whole_in_one():
    text = " ".join(f"w{i}" for i in range(120))
    frame = Frame(48, 16, 12)
    found = made(text, "char", frame)
    assert len(found.ids) > 3
    assert found.lengths.max() <= 48
    assert set(pieces(found, text)) == {c for c in text if c != " "}
    for start in range(0, len(text) - 8, 7):
        if text[start] == " " or text[start + 7] == " ":
            continue
        span = (start, start + 8)
        holding = [target(spans, span) for spans in found.spans]
        assert any(tokens != (NOWHERE, NOWHERE) for tokens in holding)


def test_questions_that_are_too_long_are_told():
    tokenizer = tiny.tokenizer("char", None)
    found, problems = windows([("why " * 30, "text"), ("why", "text")], tokenizer, Frame(64, 8, 20))
    assert found.owner == [1]
    assert "more than objective.question = 20" in problems[0]


def model(width=16):
    torch.manual_seed(0)
    made_model = reader(build(BertSettings(layers=1, width=width, heads=2), 320, "encoder"), AnswerSettings(dropout=0.0))
    with torch.no_grad():
        for p in made_model.parameters():
            p.add_(torch.randn_like(p) * 0.2)
    return made_model.eval()


def task(count=12):
    asked = [("What is it?", ENGLISH[: 30 + 4 * i] if i % 2 else CHINESE[: 10 + 3 * i]) for i in range(count)]
    found, _ = windows(asked, tiny.tokenizer("wordpiece", None), Frame(64, 8, 16))
    return Answering(found, [(2, 4) if i % 3 else None for i in range(count)], 1)


def test_the_loss_is_cross_entropy_over_the_text_and_the_mark():
    objective, made_model = task(), model()
    batch = objective.batch(0, 6)
    with torch.no_grad():
        states = made_model.encoder(batch["ids"], batch["mask"], kinds=batch["kinds"])
        logits = made_model.head(states)
    total = 0.0
    for row in range(len(batch["ids"])):
        places = batch["allowed"][row].nonzero().flatten()
        assert int(places[0]) == NOWHERE
        for side in (0, 1):
            wanted = (places == batch["gold"][row, side]).nonzero()[0]
            total += torch.nn.functional.cross_entropy(logits[row, places, side].unsqueeze(0), wanted).item() / 2
    assert objective.loss(made_model, batch).item() == pytest.approx(total, rel=1e-4)
    assert objective.targets(batch) == len(batch["ids"])
    assert objective.tokens(batch) == int(batch["mask"].sum())


def test_micro_batches_and_processes_share_a_batch():
    objective, made_model = task(), model()
    batch = objective.batch(1, 6)
    gradients = []
    for pieces_of in (1, 3):
        made_model.zero_grad()
        for part in cut(batch, pieces_of):
            (objective.loss(made_model, part) / objective.targets(batch)).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in made_model.parameters() if p.grad is not None]))
        assert torch.isfinite(gradients[-1]).all()
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)
    parts = [objective.batch(1, 6, rank, 2) for rank in range(2)]
    assert sum(objective.tokens(part) for part in parts) == objective.tokens(batch)


def test_what_else_is_in_the_batch_changes_nothing():
    objective, made_model = task(), model()
    together = outputs(made_model, objective.windows, CPU, torch.float32, tokens=100_000)
    alone = outputs(made_model, objective.windows, CPU, torch.float32, tokens=1)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(np.exp(one.astype(np.float64)).sum(0), 1, rtol=1e-5)
    assert losses(torch.from_numpy(together[0])[None], torch.tensor([[0, 0]])).item() == pytest.approx(-together[0][0].mean(), rel=1e-5)
