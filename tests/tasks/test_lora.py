import pytest
import torch
from torch import nn

from zhixing.errors import SettingError
from zhixing.models import BertSettings, ModernBertSettings, RNNSettings, build
from zhixing.tasks.classify.objective import ClassifySettings, classifier
from zhixing.tasks.lora import Adapted, LoraSettings, adapt, merge
from zhixing.train.optim import Optimizer, OptimSettings

SETTINGS = {"bert": BertSettings(layers=2, width=16, heads=2, positions=12), "modernbert": ModernBertSettings(layers=2, width=16, heads=2)}


def made(kind="bert", **lora):
    torch.manual_seed(3)
    model = classifier(build(SETTINGS[kind], 40, "encoder"), 3, ClassifySettings(dropout=0.0))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    return model, before, adapt(model.body, LoraSettings(**lora))


def trained(model, steps=5):
    ids = torch.randint(40, (6, 9), generator=torch.Generator().manual_seed(1))
    gold = torch.tensor([0, 1, 2, 0, 1, 2])
    optimizer = Optimizer(model, OptimSettings(kind="adamw", learning_rate=0.05, table_rate=0.05, vector_rate=0.05))
    for _ in range(steps):
        nn.functional.cross_entropy(model(ids, torch.ones_like(ids, dtype=torch.bool)), gold).backward()
        optimizer.step(1.0)
        optimizer.zero_grad()
    return optimizer


@torch.no_grad()
def said(model):
    ids = torch.randint(40, (4, 7), generator=torch.Generator().manual_seed(2))
    return model.eval()(ids, torch.arange(7) < torch.tensor([7, 3, 5, 1])[:, None])


@pytest.mark.parametrize("kind", SETTINGS)
def test_it_begins_as_the_model_and_ends_merged_as_it_was_unmerged(kind):
    model, before, _ = made(kind, rank=4, alpha=8)
    plain = classifier(build(SETTINGS[kind], 40, "encoder"), 3, ClassifySettings(dropout=0.0))
    plain.load_state_dict(before)
    assert torch.equal(said(model), said(plain))
    trained(model)
    unmerged = said(model)
    assert (unmerged - said(plain)).abs().max() > 0.05
    merge(model)
    assert not any(isinstance(part, Adapted) for part in model.modules())
    assert model.state_dict().keys() == before.keys()
    torch.testing.assert_close(said(model), unmerged, rtol=1e-5, atol=1e-5)


def test_the_weights_below_stay_to_the_bit_and_only_thin_matrices_and_head_move():
    model, before, trainable = made(rank=2)
    optimizer = trained(model)
    now = {name.replace(".base.", "."): value for name, value in model.state_dict().items()}
    below = [name for name in before if not name.startswith("head.")]
    assert all(torch.equal(now[name], before[name]) for name in below)
    assert not torch.equal(now["head.weight"], before["head.weight"])
    moved = {optimizer.names[p] for part in optimizer.parts for group in part.param_groups for p in group["params"]}
    assert moved == {name for name, _ in model.named_parameters() if name.endswith((".thin", ".wide")) or name.startswith("head.")}
    # By hand, of each of two layers: 16 to 48, 16 to 16, 16 to 64 and 64 to 16.
    assert trainable == 2 * 2 * ((16 + 48) + (16 + 16) + (16 + 64) + (64 + 16))


def test_what_is_added_is_the_product():
    model, before, _ = made(rank=3, alpha=6, matrices="out")
    trained(model)
    adapted = dict(model.named_modules())["encoder.trunk.blocks.1.attention.out"]
    wanted = before["encoder.trunk.blocks.1.attention.out.weight"] + 2 * adapted.wide.detach() @ adapted.thin.detach()
    assert sum(isinstance(part, Adapted) for part in model.modules()) == 2
    merge(model)
    torch.testing.assert_close(model.state_dict()["encoder.trunk.blocks.1.attention.out.weight"], wanted)


def test_rank_0_is_off():
    model, before, trainable = made(rank=0)
    assert model.state_dict().keys() == before.keys()
    assert trainable == sum(p.numel() for p in model.body.parameters())
    assert all(p.requires_grad for p in model.parameters())


def test_matrices_that_are_not_there():
    with pytest.raises(SettingError, match=r"lora\.matrices: names no matrix of this model, whose matrices are: down, out, qkv, up"):
        made(rank=2, matrices=("query",))
    with pytest.raises(SettingError, match="whose matrices are: none"):
        adapt(build(RNNSettings(layers=1, width=8), 20, "encoder").encoder, LoraSettings(rank=2))
