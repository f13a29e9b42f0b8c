"""Fine-tuning against transformers: the same weights and the same batch give the same logits, loss and gradients."""

import pytest
import tiny
import torch

from zhixing.corpus.labelled import Example
from zhixing.models import BertSettings, build
from zhixing.pretrained import bert
from zhixing.tasks.classify.objective import Classification, ClassifySettings, Targets, classifier

transformers = pytest.importorskip("transformers")

SETTINGS = BertSettings(layers=2, width=32, heads=4, positions=200)
EXAMPLES = [Example(text[:60], "abc"[i % 3], "x", i, "知行合一" if i % 2 else "knowing and doing") for i, text in enumerate(tiny.SENTENCES)]


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("kind", ["single", "multi", "number"])
def test_loss_and_gradients_are_those_of_transformers(kind, paired):
    torch.manual_seed(1)
    model = build(SETTINGS, tiny.tokenizer().vocabulary, "encoder")
    labels = {"single": lambda e, i: e.label, "multi": lambda e, i: ("a", "b", "c")[: i % 4], "number": lambda e, i: float(i)}[kind]
    examples = [Example(e.text, labels(e, i), "x", i, e.pair if paired else None) for i, e in enumerate(EXAMPLES)]
    targets = Targets.of(examples, kind)
    settings = ClassifySettings(pooling="first", transform=True, dropout=0.0)
    ours = classifier(model, targets.classes, settings)
    torch.nn.init.normal_(ours.head.weight)
    task = Classification(examples, targets, tiny.tokenizer(), settings, 1, paired=paired)
    batch = task.batch(0, 20)

    kinds = {"single": "single_label_classification", "multi": "multi_label_classification", "number": "regression"}
    config = transformers.BertConfig(
        **bert.config(SETTINGS, tiny.tokenizer().vocabulary, 200),
        num_labels=targets.classes,
        problem_type=kinds[kind],
        classifier_dropout=0.0,
        pad_token_id=tiny.tokenizer().pad,
    )
    theirs = transformers.BertForSequenceClassification(config).eval()
    weights = {name: value for name, value in bert.write(model, SETTINGS).items() if name.startswith("bert.")}
    theirs.load_state_dict(weights, strict=False)
    dense = ours.head.transform[0]
    with torch.no_grad():
        for mine, other in (
            (dense.weight, theirs.bert.pooler.dense.weight),
            (dense.bias, theirs.bert.pooler.dense.bias),
            (ours.head.weight, theirs.classifier.weight),
            (ours.head.bias, theirs.classifier.bias),
        ):
            other.copy_(mine)
    out = theirs(batch["ids"], batch["mask"].long(), batch.get("kinds"), labels=batch["gold"])
    loss = task.loss(ours.eval(), batch) / task.targets(batch)
    torch.testing.assert_close(ours(batch["ids"], batch["mask"], batch.get("kinds")), out.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(loss, out.loss, rtol=1e-4, atol=1e-6)
    loss.backward()
    out.loss.backward()
    block = theirs.bert.encoder.layer[0]
    for mine, other in (
        (ours.head.weight, theirs.classifier.weight),
        (dense.weight, theirs.bert.pooler.dense.weight),
        (ours.body.embedding.weight, theirs.bert.embeddings.word_embeddings.weight),
        (ours.body.kinds.weight, theirs.bert.embeddings.token_type_embeddings.weight),
        (ours.body.trunk.blocks[0].mlp.up.weight, block.intermediate.dense.weight),
        (ours.body.trunk.blocks[0].attention.out.weight, block.attention.output.dense.weight),
    ):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-6)
