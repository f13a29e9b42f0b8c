"""What every encoder promises, run over every member of the union that can be one."""

import pytest
import safetensors.torch
import torch

from zhixing.models import (
    Architecture,
    BagSettings,
    BertSettings,
    CNNSettings,
    Encoder,
    EncoderModel,
    MarianSettings,
    ModernBertSettings,
    RNNSettings,
    build,
    flops_per_token,
    kinds,
    parameters,
)
from zhixing.nn.losses import IGNORE, cross_entropy
from zhixing.nn.padding import Tokens

VOCABULARY = 61
ARCHITECTURES: dict[str, Architecture] = {
    "bert": BertSettings(layers=2, width=32, heads=4, positions=30),
    "roberta": BertSettings(layers=2, width=32, heads=4, hidden=48, positions=30, kinds=1, activation="relu", tied=False),
    "modernbert": ModernBertSettings(layers=4, width=32, heads=4, window=6),
    "modernbert-biases": ModernBertSettings(
        layers=3, width=32, heads=2, hidden=40, window=4, global_every=2, attention_bias=True, mlp_bias=True, norm_bias=True,
        transform_bias=True, head_bias=False, tied=False,
    ),
    "marian": MarianSettings(encoder_layers=2, width=32, heads=4),
    "m2m100": MarianSettings(encoder_layers=2, width=32, heads=4, norm="pre", wavelengths="closed", position_offset=2, activation="silu"),
    "rnn": RNNSettings(cell="rnn", layers=2, width=32),
    "lstm": RNNSettings(cell="lstm", layers=2, width=32, tied=False),
    "gru": RNNSettings(cell="gru", layers=1, width=32),
    "cnn": CNNSettings(layers=2, width=32, windows=(5,), tied=False),
    "cnn-text": CNNSettings(layers=1, width=32, windows=(3, 4, 9), activation="relu"),
    "cnn-dilated": CNNSettings(layers=2, width=32, windows=(3,), dilation=3),
    "bag": BagSettings(width=32, ngrams=4, buckets=997),
}  # fmt: skip
"""By name; add a member with its settings (a few layers and a width of 32 keep the tests short)."""
COMPILED = ("bert", "modernbert")
"""One of a family is traced every time; all are compiled in the slow tests, half a minute each."""
COMPILE = [
    *(pytest.param(name, "aot_eager", id=f"{name}-traced") for name in COMPILED),
    *(pytest.param(name, "inductor", id=f"{name}-compiled", marks=pytest.mark.slow) for name in ARCHITECTURES),
]
every = pytest.mark.parametrize("settings", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
LENGTHS = torch.tensor([20, 13, 1, 6])


@pytest.fixture(autouse=True)
def one_thread():
    """Threads cost more than they bring at this size."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def perturbed(settings: Architecture) -> EncoderModel:
    """A model none of whose parts is idle: fresh ones begin with zero output projections."""
    torch.manual_seed(1)
    model = build(settings, VOCABULARY, "encoder").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 0.1))
    return model


def ids(rows: int, count: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(VOCABULARY, (rows, count), generator=torch.Generator().manual_seed(seed))


def padded(side: str = "right", share: str = "much") -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and their mask: with so much padding that it is left out, or so little that it is not."""
    lengths = LENGTHS if share == "much" else torch.tensor([20, 19, 17, 18])
    mask = torch.arange(20) < lengths[:, None]
    return ids(4, 20), mask if side == "right" else mask.flip(1)


def near(a: torch.Tensor, b: torch.Tensor, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def gradients(model: EncoderModel, value: torch.Tensor) -> list[torch.Tensor]:
    found = torch.autograd.grad(value, list(model.encoder.parameters()), allow_unused=True)  # an embedding of kinds may be unused
    return [torch.zeros(()) if one is None else one for one in found]


def test_every_kind_of_this_shape_is_here():
    assert {settings.kind for settings in ARCHITECTURES.values()} >= {"bert", "modernbert", "rnn", "cnn", "bag"}
    assert {settings.kind for settings in ARCHITECTURES.values()} <= set(kinds("encoder"))


@every
def test_shapes_and_roles(settings):
    model = perturbed(settings)
    states = model(ids(3, 7))
    assert isinstance(model.encoder, Encoder)
    assert states.shape == (3, 7, 32)
    assert model.head(states).shape == (3, 7, VOCABULARY)
    assert model.settings == settings
    assert model.shape == "encoder"


@every
def test_parameters_are_counted_without_building(settings):
    made = build(settings, VOCABULARY, "encoder")
    assert parameters(settings, VOCABULARY, "encoder") == sum(p.numel() for p in made.parameters())


@every
def test_flops_are_six_for_each_matrix_number_and_attention(settings):
    model = build(settings, VOCABULARY, "encoder")
    matrices = sum(p.numel() for p in [*model.encoder.trunk.parameters(), *model.head.transform.parameters()] if p.ndim == 2)
    seen = {"modernbert": 2 * 16 + 2 * 7, "modernbert-biases": 2 * 16 + 5}  # a token and three, or two, on either side
    of_layers = next((seen[name] for name, known in ARCHITECTURES.items() if known == settings and name in seen), 2 * 16)
    of_layers = 0 if isinstance(settings, RNNSettings | CNNSettings | BagSettings) else of_layers
    assert flops_per_token(settings, VOCABULARY, 16, "encoder") == 6 * (matrices + 32 * VOCABULARY) + 12 * 32 * of_layers


@every
def test_first_loss_is_near_that_of_a_uniform_guess(settings):
    torch.manual_seed(0)
    model, tokens = build(settings, VOCABULARY, "encoder"), ids(8, 24)
    total, count = cross_entropy(model.head.transform(model(tokens)), model.head.matrix, ids(8, 24, seed=9), bias=model.head.bias)
    assert abs(total.item() / count.item() - torch.tensor(VOCABULARY).log().item()) < 0.1


@every
@torch.no_grad()
def test_every_token_sees_both_ways(settings):
    """Through all layers: what changes at one end reaches the other end as far as the windows allow."""
    model, tokens = perturbed(settings), ids(1, 9)
    other = tokens.clone()
    other[0, 4] = (tokens[0, 4] + 1) % VOCABULARY
    changed = (model(tokens) - model(other)).abs().amax(dim=2)[0]
    assert changed.min() > 1e-6


@every
@pytest.mark.parametrize("share", ["much", "little"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_changes_nothing(settings, side, share):
    model, (tokens, mask) = perturbed(settings), padded(side, share)
    assert (Tokens.worth(mask) is not None) == (share == "much")
    states = model(tokens, mask)
    alone = [model(row[there][None])[0] for row, there in zip(tokens, mask, strict=True)]
    near(states[mask], torch.cat(alone))
    noise = torch.where(mask, tokens, ids(4, 20, seed=5))
    near(model(noise, mask)[mask], states[mask], 1e-6)
    weight = torch.randn(states[mask].shape, generator=torch.Generator().manual_seed(3))
    of_padded = gradients(model, (states[mask] * weight).sum())
    of_alone = gradients(model, (torch.cat(alone) * weight).sum())
    for a, b in zip(of_padded, of_alone, strict=True):
        near(a, b, 1e-3)


@every
def test_a_row_without_any_token_does_no_harm(settings):
    model, (tokens, mask) = perturbed(settings), padded()
    states = model(torch.cat((tokens, tokens[:1])), torch.cat((mask, torch.zeros_like(mask[:1]))))
    near(states[:4][mask], model(tokens, mask)[mask])
    assert all(one.isfinite().all() for one in gradients(model, states[:4][mask].sum()))


@every
def test_packed_equals_alone(settings):
    model, tokens = perturbed(settings), ids(2, 20)
    cuts = [[5, 1, 14], [17, 3]]
    segments = torch.stack([torch.repeat_interleave(torch.arange(len(cut)), torch.tensor(cut)) for cut in cuts])
    packed = model(tokens, segments=segments)
    alone = torch.cat([model(piece[None])[0] for row, cut in zip(tokens, cuts, strict=True) for piece in row.split(cut)])
    near(packed.flatten(0, 1), alone)
    weight = torch.randn(alone.shape, generator=torch.Generator().manual_seed(3))
    for a, b in zip(gradients(model, (packed.flatten(0, 1) * weight).sum()), gradients(model, (alone * weight).sum()), strict=True):
        near(a, b, 1e-3)
    mask = torch.arange(20) < torch.tensor([18, 20])[:, None]  # the last document of the first row ends before the row does
    near(model(tokens, mask, segments=segments)[0, 6:18], model(tokens[:1, 6:18])[0])


@every
@torch.no_grad()
def test_kinds_matter_where_there_are_kinds(settings):
    model, (tokens, mask) = perturbed(settings), padded()
    told = (torch.arange(20) >= 4).long().expand(4, 20)
    plain = model(tokens, mask)[mask]
    assert torch.equal(model(tokens, mask, kinds=torch.zeros_like(told))[mask], plain)
    changed = not torch.allclose(model(tokens, mask, kinds=told)[mask], plain)
    assert changed == (getattr(settings, "kinds", 1) > 1)


@every
def test_overfits_eight_rows(settings):
    torch.manual_seed(0)
    model, tokens = build(settings, VOCABULARY, "encoder"), ids(8, 13)
    hidden = torch.rand(8, 13, generator=torch.Generator().manual_seed(2)) < 0.3
    shown, targets = tokens.masked_fill(hidden, 0), tokens.masked_fill(~hidden, IGNORE)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(100):
        total, count = cross_entropy(model.head.transform(model(shown)), model.head.matrix, targets, bias=model.head.bias)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
    assert total.item() / count.item() < 0.1


@every
@torch.no_grad()
def test_bf16_is_near_fp32(settings):
    model, (tokens, mask) = perturbed(settings), padded()
    exact = model.head(model(tokens, mask)).softmax(-1)[mask]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model.head(model(tokens, mask)).float().softmax(-1)[mask]
    assert (exact - rounded).abs().max() < 0.08
    assert (exact - rounded).abs().mean() < 0.002


@every
def test_chunked_loss_equals_plain(settings):
    model, tokens = perturbed(settings), ids(3, 15)
    targets = tokens.masked_fill(torch.rand(3, 15, generator=torch.Generator().manual_seed(0)) < 0.7, IGNORE)
    results = []
    for chunk in (None, 5, 1000):
        total, count = cross_entropy(model.head.transform(model(tokens)), model.head.matrix, targets, bias=model.head.bias, chunk=chunk)
        results.append((total, count, torch.autograd.grad(total / count, list(model.parameters()))))
    for total, count, found in results[1:]:
        near(total, results[0][0])
        assert count == results[0][1] == (targets != IGNORE).sum()
        for a, b in zip(found, results[0][2], strict=True):
            near(a, b, 1e-5)


@every
def test_saved_and_loaded_is_bitwise_the_same(settings, tmp_path):
    model = perturbed(settings)
    safetensors.torch.save_model(model, str(tmp_path / "model.safetensors"))
    again = build(settings, VOCABULARY, "encoder").eval()
    safetensors.torch.load_model(again, str(tmp_path / "model.safetensors"))
    assert torch.equal(model.head(model(ids(2, 9))), again.head(again(ids(2, 9))))


@every
def test_same_seed_same_weights(settings):
    weights = []
    for _ in range(2):
        torch.manual_seed(7)
        weights.append(torch.cat([p.flatten() for p in build(settings, VOCABULARY, "encoder").parameters()]))
    assert torch.equal(*weights)


@every
def test_dropout_only_in_training(settings):
    model = perturbed(settings.model_copy(update={"dropout": 0.5}))
    assert torch.equal(model(ids(2, 9)), model(ids(2, 9)))
    model.train()
    assert not torch.equal(model(ids(2, 9)), model(ids(2, 9)))


@pytest.mark.filterwarnings("default")  # the compiler touches what PyTorch itself has deprecated
@pytest.mark.parametrize(("name", "backend"), COMPILE)
def test_compiled_equals_eager(name, backend):
    # In fp64: gradients of a perturbed model are up to 6e-4 off in fp32, eager ones and compiled ones alike.
    model, (tokens, mask) = perturbed(ARCHITECTURES[name]).double(), padded(share="little")
    much = padded()
    if not model.repeated():
        pytest.skip("nothing here is compiled")
    outcomes = []
    for compiled in (False, True):
        if compiled:
            for layer in model.repeated():
                layer.compile(backend=backend, fullgraph=True, dynamic=False)
        states = model(tokens, mask)[mask]
        loss = cross_entropy(model.head.transform(states), model.head.matrix, tokens[mask], bias=model.head.bias)[0]
        outcomes.append((states, torch.autograd.grad(loss, list(model.parameters()))))
    near(outcomes[0][0], outcomes[1][0])
    for a, b in zip(outcomes[0][1], outcomes[1][1], strict=True):
        near(a, b, 1e-4)
    with torch.no_grad():  # rows without their padding go past the compiled call
        alone = model.encoder(much[0][1:2, :13])
        near(model(*much)[1, :13], alone[0], 1e-4)
