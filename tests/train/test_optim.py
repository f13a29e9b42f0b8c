"""Optimizers, held against slow obvious versions."""

import pytest
import torch
from torch import nn

from zhixing.errors import SettingError
from zhixing.models import BertSettings, CNNSettings, GPT2Settings, LlamaSettings, ModernBertSettings, RNNSettings, build
from zhixing.train.optim import Muon, Optimizer, OptimSettings, orthogonalize


def test_orthogonalize_comes_near_the_polar_factor():
    torch.manual_seed(0)
    for shape in ((3, 8, 8), (2, 6, 20), (1, 20, 6)):
        x = torch.randn(shape)
        u, _, vt = torch.linalg.svd(x, full_matrices=False)
        got = orthogonalize(x).float()
        values = torch.linalg.svdvals(got)
        assert got.shape == x.shape
        assert values.min() > 0.3
        assert values.max() < 1.35
        cosine = (got * (u @ vt)).sum((1, 2)) / (got.norm(dim=(1, 2)) * (u @ vt).norm(dim=(1, 2)))
        assert (cosine > 0.95).all()


def test_muon_steps_as_written_down():
    torch.manual_seed(0)
    start = torch.randn(4, 12)
    p = nn.Parameter(start.clone())
    optimizer = Muon([p], lr=0.1, momentum=0.95, weight_decay=0.5)
    w, m = start.clone(), torch.zeros(4, 12)
    for step in range(1, 4):
        g = torch.randn(4, 12)
        p.grad = g.clone()
        optimizer.step()
        mu = 0.85 + 0.10 * step / 300
        m = mu * m + (1 - mu) * g
        update = orthogonalize(((1 - mu) * g + mu * m)[None])[0].float()
        w = w * (1 - 0.1 * 0.5) - 0.1 * 0.2 * 12**0.5 * update
        torch.testing.assert_close(p.detach(), w, rtol=2e-2, atol=2e-3)


def test_stacked_matrices_move_as_they_would_alone():
    torch.manual_seed(0)
    starts, gradients = torch.randn(3, 6, 6), torch.randn(3, 6, 6)
    together = [nn.Parameter(s.clone()) for s in starts]
    for p, g in zip(together, gradients, strict=True):
        p.grad = g.clone()
    Muon(together, 0.1, 0.9, 0.0).step()
    for s, g, p in zip(starts, gradients, together, strict=True):
        alone = nn.Parameter(s.clone())
        alone.grad = g.clone()
        Muon([alone], 0.1, 0.9, 0.0).step()
        torch.testing.assert_close(alone, p, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("kind", ["muon", "adamw", "sgd"])
def test_all_parameters_move_and_state_survives(kind):
    torch.manual_seed(0)
    model = build(LlamaSettings(layers=2, width=32, heads=2, tied=False), 30)
    settings = OptimSettings(kind=kind, learning_rate=0.01)
    optimizer = Optimizer(model, settings)
    gradients = [{name: torch.randn_like(p) for name, p in model.named_parameters()} for _ in range(3)]

    def step(model, optimizer, gradient):
        for name, p in model.named_parameters():
            p.grad = gradient[name].clone()
        optimizer.step(0.5)

    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    step(model, optimizer, gradients[0])
    step(model, optimizer, gradients[1])
    assert all(not torch.equal(before[name], p) for name, p in model.named_parameters())

    torch.manual_seed(0)
    twin = build(LlamaSettings(layers=2, width=32, heads=2, tied=False), 30)
    twin.load_state_dict(model.state_dict())
    resumed = Optimizer(twin, settings)
    resumed.load({name: value.clone() for name, value in optimizer.tensors().items()})
    step(model, optimizer, gradients[2])
    step(twin, resumed, gradients[2])
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_sgd_is_torchs():
    torch.manual_seed(0)
    model = build(LlamaSettings(layers=1, width=16, heads=1), 20)
    twin = build(LlamaSettings(layers=1, width=16, heads=1), 20)
    twin.load_state_dict(model.state_dict())
    ours = Optimizer(model, OptimSettings(kind="sgd", learning_rate=0.1, table_rate=0.1, vector_rate=0.1, weight_decay=0, momentum=0.9))
    theirs = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for _ in range(3):
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        ours.step(1.0)
        theirs.step()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_kinds_of_parameters_get_their_own_rates():
    model = build(LlamaSettings(layers=1, width=16, heads=1, tied=False), 20)
    optimizer = Optimizer(model, OptimSettings(learning_rate=0.1, table_rate=0.2, vector_rate=0.3))
    rates = {optimizer.names[p]: g["peak"] for part in optimizer.parts for g in part.param_groups for p in g["params"]}
    assert set(rates) == {name for name, _ in model.named_parameters()}
    assert rates["decoder.embedding.weight"] == rates["head.weight"] == 0.2
    assert {rates[n] for n in rates if "norm" in n} == {0.3}
    assert {rates[n] for n in rates if "qkv" in n or "down" in n} == {0.1}


def test_lower_layers_move_less():
    model = build(LlamaSettings(layers=3, width=16, heads=1, tied=False), 20)
    for kind in ("muon", "adamw", "sgd"):
        optimizer = Optimizer(model, OptimSettings(kind=kind, learning_rate=0.1, table_rate=0.2, vector_rate=0.3, layer_decay=0.5))
        rates = {optimizer.names[p]: g["peak"] for part in optimizer.parts for g in part.param_groups for p in g["params"]}
        assert set(rates) == {name for name, _ in model.named_parameters()}
        assert [rates[f"decoder.trunk.blocks.{n}.attention.qkv.weight"] for n in range(3)] == pytest.approx([0.025, 0.05, 0.1])
        assert [rates[f"decoder.trunk.blocks.{n}.mlp_norm.weight"] for n in range(3)] == pytest.approx([0.075, 0.15, 0.3])
        assert rates["decoder.embedding.weight"] == pytest.approx(0.2 / 8)
        assert rates["head.weight"] == pytest.approx(0.2)
        assert rates["decoder.trunk.norm.weight"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("settings", "shape", "above"),
    [
        (BertSettings(layers=2, width=16, heads=1), "encoder",
         {"encoder.positions": 2, "encoder.trunk.norm": 2, "encoder.trunk.blocks.1": 0, "head.transform.norm": 0}),
        (ModernBertSettings(layers=2, width=16, heads=1), "encoder", {"encoder.trunk.first_norm": 2, "encoder.trunk.norm": 0}),
        (GPT2Settings(layers=2, width=16, heads=1), "decoder", {"decoder.positions": 2, "decoder.trunk.norm": 0}),
        (CNNSettings(layers=2, width=16), "encoder-decoder",
         {"encoder.trunk.norm": 0, "decoder.trunk.looks.0": 1, "decoder.trunk.norm": 0}),
        (RNNSettings(layers=2, width=16), "encoder-decoder",
         {"encoder.trunk.layers.0": 1, "decoder.trunk.look": 1, "decoder.trunk.norm": 0}),
    ],
    ids=["bert", "modernbert", "gpt2", "cnn", "rnn"],
)  # fmt: skip
def test_what_stands_in_front_of_the_layers_moves_as_the_embedding_does(settings, shape, above):
    optimizer = Optimizer(build(settings, 20, shape), OptimSettings(learning_rate=1, table_rate=1, vector_rate=1, layer_decay=0.5))
    rates = {optimizer.names[p]: g["peak"] for part in optimizer.parts for g in part.param_groups for p in g["params"]}
    for beginning, layers in above.items():
        assert {rate for name, rate in rates.items() if name.startswith(f"{beginning}.")} == {0.5**layers}, beginning


def test_frozen_parts_stay():
    model = build(LlamaSettings(layers=2, width=16, heads=1, tied=False), 20)
    optimizer = Optimizer(model, OptimSettings(frozen=("decoder.embedding", "decoder.trunk.blocks.0.")))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for _ in range(4):  # zeros at the start let the gradient reach the norms late
        states, _ = model(torch.arange(12).view(2, 6))
        torch.nn.functional.cross_entropy(model.head(states).flatten(0, 1), torch.arange(12)).backward()
        optimizer.step(1.0)
        optimizer.zero_grad()
    moved = {name for name, p in model.named_parameters() if not torch.equal(before[name], p)}
    still = {name for name in before if name.startswith(("decoder.embedding", "decoder.trunk.blocks.0."))}
    assert moved == set(before) - still
    assert not {key.rpartition("/")[0] for key in optimizer.tensors()} & still
    assert OptimSettings.model_validate({"frozen": "decoder.embedding"}).frozen == ("decoder.embedding",)  # one needs no brackets
    with pytest.raises(SettingError, match=r"names 'bert\.', with which no parameter begins"):
        Optimizer(model, OptimSettings(frozen=("bert.",)))
    with pytest.raises(SettingError, match="leaves nothing to train"):
        Optimizer(model, OptimSettings(frozen=("decoder", "head")))
